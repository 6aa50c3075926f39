"""Waiting for a slot: how it is timed, and which models are called after a wait in vain."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from orch import OrchError, Orchestrator
from orch.errors import ProviderError
from orch.routing.machine.admission import Evictions, NoQueue, SlotRequest
from orch.types import Reason
from orch.wiring import Wiring
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.scheduler_harness import SchedulerHarness, config, inventory

TASK = "Write a Python function that sorts a list"
LONG_S = 10_000.0
"""By a clock that is set forward: nothing waits."""


class SlowGate(NoQueue):
    """Grants every slot after a long wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._late_s, clock = 0.0, time.perf_counter
        monkeypatch.setattr(time, "perf_counter", lambda: clock() + self._late_s)

    @asynccontextmanager
    async def _waited(self) -> AsyncIterator[Evictions]:
        self._late_s += LONG_S
        yield ()

    def acquire(self, ticket: SlotRequest) -> AbstractAsyncContextManager[Evictions]:
        """Grants the slot after the wait."""
        return self._waited()


class BusyGate(NoQueue):
    """Has no slot for the coder. `has_free_slot`: another model could run; `lack`: why it would
    wait."""

    def __init__(self, *, has_free_slot: bool, lack: Reason | None) -> None:
        super().__init__()
        self._has_free_slot, self._lack = has_free_slot, lack

    def acquire(self, ticket: SlotRequest) -> AbstractAsyncContextManager[Evictions]:
        """Raises `busy` for the coder."""
        if ticket.model[1] == CODER:
            raise ProviderError(
                "busy", "waited in vain", retry_after_s=1, has_free_slot=self._has_free_slot
            )
        return super().acquire(ticket)

    def wait_reason(self, request: SlotRequest) -> Reason | None:
        """The lack, for every other model."""
        return None if request.model.model == CODER else self._lack


# ---------------------------------------------------------------- how the wait is timed


async def test_the_wait_for_a_slot_counts_for_the_run_not_for_the_attempt(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Orchestrator(wiring=Wiring(SlowGate(monkeypatch))) as orchestrator:
        result = await orchestrator.execute(TASK)
        (measured,) = orchestrator.get_stats().values()
    (attempt,) = result.attempts
    assert attempt.ttft_s is not None
    assert result.timing.ttft_s is not None
    assert (
        attempt.ttft_s <= attempt.total_s < LONG_S <= result.timing.ttft_s <= result.timing.total_s
    )
    assert measured["ttft_p50_s"] == attempt.ttft_s


@pytest.mark.parametrize(("stream", "waits"), [(False, 2), (True, 1)])
async def test_ttft_is_that_of_the_first_visible_token(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch, stream: bool, waits: int
) -> None:
    ollama.models[CODER].faults.append(Fault("cut", after=1))
    async with Orchestrator(wiring=Wiring(SlowGate(monkeypatch))) as orchestrator:
        if stream:
            result = [chunk async for chunk in orchestrator.execute_streaming(TASK)][-1]["result"]
        else:
            result = await orchestrator.execute(TASK)
    assert [attempt.model for attempt in result.attempts] == [CODER, LLAMA]
    assert result.timing.ttft_s // LONG_S == waits
    assert result.timing.total_s // LONG_S == 2


async def test_a_run_that_waited_in_vain_has_attempts_of_no_duration(ollama: FakeOllama) -> None:
    async with Orchestrator(wiring=Wiring(BusyGate(has_free_slot=True, lack=None))) as orchestrator:
        result = await orchestrator.execute(TASK)
    first, _ = result.attempts
    assert (first.model, first.code, first.ttft_s, first.total_s) == (CODER, "busy", None, 0)


# ---------------------------------------------------------------- which models are called


async def test_a_loaded_model_of_a_busy_provider_is_called_if_only_memory_is_short(
    ollama: FakeOllama,
) -> None:
    async with Orchestrator(wiring=Wiring(BusyGate(has_free_slot=True, lack=None))) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert [(attempt.model, attempt.code) for attempt in result.attempts] == [
        (CODER, "busy"),
        (LLAMA, ""),
    ]


@pytest.mark.parametrize(
    ("has_free_slot", "lack"),
    [(False, None), (True, Reason("starting"))],
    ids=["no place", "no memory either"],
)
async def test_no_other_model_of_a_busy_provider_is_called_if_it_would_wait_too(
    ollama: FakeOllama, has_free_slot: bool, lack: Reason | None
) -> None:
    async with Orchestrator(
        wiring=Wiring(BusyGate(has_free_slot=has_free_slot, lack=lack))
    ) as orchestrator:
        with pytest.raises(OrchError) as caught:
            await orchestrator.execute(TASK)
    assert (caught.value.code, [attempt.model for attempt in caught.value.attempts]) == (
        "busy",
        [CODER],
    )
    assert not ollama.chats()


async def test_busy_says_whether_only_memory_is_short() -> None:
    memory = SchedulerHarness(config(parallel=4), inventory())
    await memory.submit_all("a")
    await memory.submit_all("large", timeout_s=0.01)
    places = SchedulerHarness(config(parallel=1), inventory())
    await places.submit_all("a", "a2", "large", timeout_s=0.01)
    for name, harness in (("large", memory), ("a2", places), ("large", places)):
        await harness.tasks[name]
    assert [
        memory.refused["large"].has_free_slot,
        places.refused["a2"].has_free_slot,
        places.refused["large"].has_free_slot,
    ] == [True, False, False]


async def test_busy_of_a_full_queue_says_so_too() -> None:
    harness = SchedulerHarness(config(parallel=4, queue=0), inventory())
    await harness.submit_all("a", "large")
    assert (harness.refused["large"].code, harness.refused["large"].has_free_slot) == ("busy", True)
