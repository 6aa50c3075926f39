"""The work of one request on the server: what a short task with a warm server must not do. Counts
work, never time."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, TypeVarTuple

import pytest

from orch.server.service import Service
from orch.server.worker_threads import WorkerThreads
from orch.storage.database import Database
from orch.text.prompt import Task
from orch.types import ModelKey, TaskType
from tests.conftest import CODER, ROOM
from tests.support.fake_ollama import FakeOllama

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")


class Work:
    """What was counted: calls of worker threads, and uses of the journal's file on this thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offloaded: list[str] = []
        self.reads = 0
        own, offload, run = threading.get_ident(), WorkerThreads.__call__, Database.run

        async def counted(
            threads: WorkerThreads, work: Callable[[*_Args], _T], *args: *_Args
        ) -> _T:
            self.offloaded.append(getattr(work, "__name__", ""))
            return await offload(threads, work, *args)

        def reading(database: Database, work: Callable[[sqlite3.Connection], _T]) -> _T:
            self.reads += threading.get_ident() == own
            return run(database, work)

        monkeypatch.setattr(WorkerThreads, "__call__", counted)
        monkeypatch.setattr(Database, "run", reading)

    def reset(self) -> None:
        self.offloaded.clear()
        self.reads = 0


@pytest.fixture
async def service(
    ollama: FakeOllama, home: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    """A service whose caches last longer than a test."""
    for name in ("batched_journal.CORRECTIONS_TTL_S", "cached_registry.FRESH_S"):
        monkeypatch.setattr(f"orch.server.{name}", 600.0)
    monkeypatch.setattr("orch.server.cached_registry.STALE_S", 601.0)
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text(f"{ROOM}cache: {{mode: 'off'}}\n")
    service = Service.create(None)
    yield service
    await service.aclose()


async def answer(service: Service, text: str, **wishes: Any) -> None:
    """One answered request, as the APIs start it."""
    messages = ({"role": "user", "content": text},)
    task = Task(text="", messages=messages, fresh=True, shows_candidates=False, **wishes)
    run = service.start_run(task, "restart", "openai")
    async for _ in run.events():
        pass
    await service.finish_run(run)


@pytest.mark.parametrize("model", [CODER, None])
async def test_a_short_task_takes_no_thread_and_reads_no_file(
    service: Service, monkeypatch: pytest.MonkeyPatch, model: str | None
) -> None:
    work = Work(monkeypatch)
    for _ in range(2):
        await answer(service, "Sort a list in Python", model=model)
    assert work.offloaded  # the first one read the journal, in a thread
    work.reset()
    await answer(service, "Sort a list in Python, please", model=model)
    assert (work.offloaded, work.reads) == ([], 0)


async def test_what_is_long_or_was_taught_is_ranked_in_a_thread(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(monkeypatch)
    for _ in range(2):
        await answer(service, "Sort a list")
    work.reset()
    await answer(service, "Sort this list: " + "3, 1, 2, " * 1_000)
    assert work.offloaded == ["_read_and_rank"]
    feedback = service.orchestrator.runtime.journal.feedback
    feedback.set_correction(
        {"run_id": "r1", "task": "Sort a list", "task_type": "coding"}, TaskType.SIMPLE
    )
    work.reset()
    await answer(service, "Sort a list")
    assert work.offloaded == ["_read_and_rank"]


async def test_what_was_rated_is_not_read_for_a_named_model(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    feedback = service.orchestrator.runtime.journal.feedback
    run = {"run_id": "r1", "task": "Sort a list", "task_type": "coding"}
    assert feedback.set_ratings(run, {ModelKey("ollama", CODER): 1.0}, "word")
    for _ in range(2):
        await answer(service, "Sort a list", model=CODER)
    work = Work(monkeypatch)
    await answer(service, "Sort a list, please", model=CODER)
    assert (work.offloaded, work.reads) == ([], 0)
    await answer(service, "Sort a list, please")
    assert work.offloaded == ["_read_and_rank"]


async def test_only_the_model_that_may_answer_is_ranked(service: Service) -> None:
    plan = service.orchestrator.runtime.router.plan
    named, backed, routed, shown = [
        (await plan(Task(text="Sort a list", **wishes))).decision
        for wishes in (
            {"model": CODER, "shows_candidates": False},
            {"model": CODER, "fallback": True, "shows_candidates": False},
            {"shows_candidates": False},
            {"model": CODER},
        )
    ]
    (candidate,) = named.candidates
    assert (named.model_id, candidate.model_id, candidate.eliminated) == (CODER, CODER, None)
    assert (candidate.terms, candidate.seconds, candidate.reason) == ({}, {}, named.reason)
    assert all(each.terms or each.eliminated for each in (*routed.candidates, *shown.candidates))
    assert (named.task_type, named.confidence) == (routed.task_type, routed.confidence)
    assert len(backed.candidates) == len(routed.candidates) == len(shown.candidates) > 1


async def test_a_correction_counts_for_the_next_request(service: Service) -> None:
    journal = service.orchestrator.runtime.journal
    for _ in range(2):
        await answer(service, "Sort a list")
    assert (journal.is_cached, journal.feedback.is_empty) == (True, True)
    scores = {ModelKey("ollama", CODER): 1.0}
    assert journal.feedback.set_ratings(
        {"run_id": "r1", "task": "Sort a list", "task_type": "coding"}, scores, "word"
    )
    assert not journal.is_cached
    await answer(service, "Sort a list")
    assert (journal.is_cached, journal.feedback.is_empty) == (True, False)


@contextmanager
def counting_calls() -> Iterator[Counter[str]]:
    """Counts calls of Python functions of orch on this thread, by module."""
    calls: Counter[str] = Counter()

    def on_event(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            name = frame.f_globals.get("__name__", "")
            if name.startswith("orch."):
                calls[name] += 1

    sys.setprofile(on_event)
    try:
        yield calls
    finally:
        sys.setprofile(None)


MAX_CALLS = 690
"""Calls of orch's own functions for one request with a model named, below the API. More are a
step back: docs/benchmarks.md."""


async def test_a_request_takes_no_more_calls_than_today(service: Service) -> None:
    counted = []
    for _ in range(8):
        with counting_calls() as calls:
            await answer(service, "Sort a list in Python", model=CODER)
        counted.append(calls)
    # on a busy machine an answer comes in more pieces, each with its calls
    least = min(counted, key=Counter.total)
    assert least.total() <= MAX_CALLS, least.most_common(12)
