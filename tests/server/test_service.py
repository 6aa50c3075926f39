"""The service reads the journal off the event loop."""

from __future__ import annotations

import threading

from orch.server.service import Service
from tests.support.journal_file import answered_run


async def test_history_is_read_in_a_worker_thread_after_pending_runs_are_written() -> None:
    service = Service.create(None)
    try:
        service.orchestrator.runtime.journal.record(answered_run("pending", 1e9))
        rows, thread = await service.read_history(
            lambda history: (history.runs(), threading.get_ident())
        )
        assert [row["run_id"] for row in rows] == ["pending"]
        assert thread != threading.get_ident()
    finally:
        await service.aclose()
