"""Worker threads: work runs beside the event loop, and its result or error comes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from orch.server.worker_threads import MAX_THREADS, WorkerThreads


@pytest.fixture
def threads() -> Iterator[WorkerThreads]:
    pool = WorkerThreads()
    yield pool
    pool.close()


async def test_work_runs_in_another_thread_and_returns_its_result(threads: WorkerThreads) -> None:
    assert await threads(lambda one, other: one + other, 1, 2) == 3
    assert await threads(threading.get_ident) != threading.get_ident()


async def test_an_error_of_the_work_is_raised(threads: WorkerThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        await threads(lambda: 1 // 0)


async def test_several_calls_run_at_the_same_time(threads: WorkerThreads) -> None:
    together = threading.Barrier(MAX_THREADS, timeout=5)
    await asyncio.gather(*(threads(together.wait) for _ in range(MAX_THREADS)))


async def test_no_work_begins_after_closing() -> None:
    pool = WorkerThreads()
    pool.close()
    with pytest.raises(RuntimeError):
        await pool(threading.get_ident)
