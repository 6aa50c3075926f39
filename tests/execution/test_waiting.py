"""Waiting for a place: it is the caller's time and not the model's, and where it was in vain,
whoever needs no place of that kind is asked."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from orch import OrchError, Orchestrator
from orch.errors import ProviderError
from orch.routing.admission import NoQueue, SlotRequest
from orch.wiring import Wiring
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.scheduler_harness import Hall, config, survey

TASK = "Write a Python function that sorts a list"
LONG_S = 10_000.0
"""By a clock that is set forward: nobody waits for it."""


class SlowGate(NoQueue):
    """Lets all through, each after a long wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._late_s, clock = 0.0, time.perf_counter
        monkeypatch.setattr(time, "perf_counter", lambda: clock() + self._late_s)

    @asynccontextmanager
    async def _waited(self) -> AsyncIterator[None]:
        self._late_s += LONG_S
        yield

    def acquire(self, ticket: SlotRequest) -> AbstractAsyncContextManager[None]:
        """After the wait."""
        return self._waited()


class BusyGate(NoQueue):
    """Has no place for the coder; says whether there is one for another model, and why that model
    would have to wait."""

    def __init__(self, *, has_free_slot: bool, lack: str) -> None:
        self._has_free_slot, self._lack = has_free_slot, lack

    def acquire(self, ticket: SlotRequest) -> AbstractAsyncContextManager[None]:
        """Not for the coder."""
        if ticket.model[1] == CODER:
            raise ProviderError(
                "busy", "waited in vain", retry_after_s=1, has_free_slot=self._has_free_slot
            )
        return super().acquire(ticket)

    def wait_reason(self, ticket: SlotRequest) -> str:
        """What the other model lacks."""
        return "" if ticket.model[1] == CODER else self._lack


# ---------------------------------------------------------------- whose time it is


async def test_the_wait_is_the_callers_time_and_not_the_models(
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
async def test_the_first_token_is_the_first_one_that_is_shown(
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


async def test_who_waited_in_vain_took_no_time_of_a_model(ollama: FakeOllama) -> None:
    async with Orchestrator(wiring=Wiring(BusyGate(has_free_slot=True, lack=""))) as orchestrator:
        result = await orchestrator.execute(TASK)
    first, _ = result.attempts
    assert (first.model, first.code, first.ttft_s, first.total_s) == (CODER, "busy", None, 0)


# ---------------------------------------------------------------- who is asked then


async def test_another_model_of_the_provider_is_asked_where_only_memory_was_wanting(
    ollama: FakeOllama,
) -> None:
    async with Orchestrator(wiring=Wiring(BusyGate(has_free_slot=True, lack=""))) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert [(attempt.model, attempt.code) for attempt in result.attempts] == [
        (CODER, "busy"),
        (LLAMA, ""),
    ]


@pytest.mark.parametrize(
    ("has_free_slot", "lack"),
    [(False, ""), (True, "needs 5 GB")],
    ids=["no place", "no memory either"],
)
async def test_no_other_model_of_the_provider_is_asked_where_it_would_wait_too(
    ollama: FakeOllama, has_free_slot: bool, lack: str
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


async def test_the_gate_tells_whether_only_memory_was_wanting() -> None:
    memory = Hall(config(parallel=4), survey())
    await memory.asked("a")
    await memory.asked("large", timeout_s=0.01)
    places = Hall(config(parallel=1), survey())
    await places.asked("a", "a2", "large", timeout_s=0.01)
    for name, hall in (("large", memory), ("a2", places), ("large", places)):
        await hall.tasks[name]
    assert [
        memory.refused["large"].has_free_slot,
        places.refused["a2"].has_free_slot,
        places.refused["large"].has_free_slot,
    ] == [True, False, False]


async def test_the_gate_tells_it_also_of_a_queue_that_is_full() -> None:
    hall = Hall(config(parallel=4, queue=0), survey())
    await hall.asked("a", "large")
    assert (hall.refused["large"].code, hall.refused["large"].has_free_slot) == ("busy", True)
