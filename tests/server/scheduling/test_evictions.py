"""Which models a server has to unload for a request, where their own server does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orch.config.spec import ModelSpec
from orch.routing.machine.admission import Room, SlotRequest
from orch.routing.machine.placement import MachineMemory, MemoryPart, ResidentModel
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.server.scheduling.scheduler import Scheduler
from orch.types import ModelKey
from tests.support.scheduler_harness import SchedulerHarness, config, inventory, settle

GB = 10**9
A, B, HERE = ModelKey("ollama", "a:8b"), ModelKey("ollama", "b:8b"), ModelKey("here", "here")


def with_memory(*resident: ResidentModel) -> Inventory:
    """12 GB, these models loaded; Ollama makes room by itself, `here` does not."""
    seen = inventory(*(each.key.model for each in resident))
    memory = MachineMemory(
        12 * GB,
        main=MemoryPart(12 * GB),
        resident=resident,
        self_evicting=frozenset({"ollama"}),
        unloading=frozenset({"ollama", "here"}),
    )
    return replace(seen, memory=memory)


def held(key: ModelKey, gb: float, *, ours: bool = True) -> ResidentModel:
    return ResidentModel(key, int(gb * GB), ours=ours, tells_use=True)


def request(key: ModelKey, gb: float, seen: Inventory, **more: Any) -> SlotRequest:
    assert seen.memory is not None
    states = {state.key: state for state in seen.states}
    return SlotRequest("r", key, int(gb * GB), room=Room(seen.memory, states), **more)


def scheduler(seen: Inventory) -> Scheduler:
    made = Scheduler(config(parallel=4))
    made.observe(seen)
    return made


async def test_an_idle_model_of_another_server_is_unloaded() -> None:
    seen = with_memory(held(A, 5))
    async with scheduler(seen).acquire(request(HERE, 8, seen)) as evictions:
        assert list(evictions) == [A]


async def test_nothing_is_unloaded_where_there_is_room() -> None:
    seen = with_memory(held(A, 5))
    async with scheduler(seen).acquire(request(HERE, 6, seen)) as evictions:
        assert list(evictions) == []


async def test_ollama_unloads_its_own() -> None:
    seen = with_memory(held(A, 5))
    admission = scheduler(seen)
    async with admission.acquire(request(B, 8, seen)) as evictions:
        assert list(evictions) == []
        resident = admission.status()["memory"]["resident"]
        assert [each["model"] for each in resident] == ["b:8b"]


async def test_the_second_request_of_a_model_unloads_nothing_again() -> None:
    seen = with_memory(held(A, 5))
    assert seen.memory is not None
    seen = replace(seen, memory=seen.memory._replace(self_evicting=frozenset()))
    admission = scheduler(seen)  # with four slots at Ollama
    async with (
        admission.acquire(request(B, 8, seen)) as first,
        admission.acquire(request(B, 8, seen)) as second,
    ):
        assert (list(first), list(second)) == ([A], [])


async def test_a_model_in_use_is_waited_for() -> None:
    seen = with_memory(held(A, 5))
    harness = SchedulerHarness(config(parallel=4), seen)
    harness.submit("a", "a:8b", room=Room(seen.memory or MachineMemory(0), {}))
    await settle()
    harness.submit("h", "here", "here", footprint_bytes=8 * GB, room=request(HERE, 8, seen).room)
    await settle()
    assert harness.admitted == ["a"]
    harness.finish("a")
    await settle()
    assert harness.admitted == ["h"]


async def test_what_another_program_loaded_stays_and_is_named() -> None:
    seen = with_memory(held(A, 5, ours=False))
    harness = SchedulerHarness(config(parallel=4), seen)
    assert (
        harness.wait_text(request(HERE, 8, seen))
        == "needs 8.0 GB beside a:8b (5.0 GB, loaded by another program), there are 12.0 GB"
    )
    assert harness.wait_text(request(B, 8, seen)) == ""


async def test_a_model_that_is_being_unloaded_does_not_count_as_loaded() -> None:
    seen = with_memory(held(A, 5))
    admission = scheduler(seen)
    async with admission.acquire(request(HERE, 8, seen)):
        admission.observe(with_memory(held(A, 5)))  # an inventory from before
        resident = admission.status()["memory"]["resident"]
        assert [each["model"] for each in resident] == ["here"]
        assert admission.in_use() == {HERE}
    admission.observe(with_memory(held(A, 5)))
    resident = admission.status()["memory"]["resident"]
    assert [each["model"] for each in resident] == ["a:8b"]


@pytest.mark.parametrize(("gb", "gone"), [(5.0, ["small"]), (12.0, ["small", "large"])])
async def test_the_least_costly_of_several_goes(gb: float, gone: list[str]) -> None:
    sizes = {ModelKey("here", "large"): 6, ModelKey("here", "small"): 4}
    seen = with_memory(*(held(key, size) for key, size in sizes.items()))
    states = tuple(
        ModelState(
            ModelSpec(id=key.model, provider="here"),
            resident=True,
            resident_bytes=size * GB,
            size_bytes=size * GB,
        )
        for key, size in sizes.items()
    )
    seen = replace(seen, states=(*seen.states, *states))
    async with scheduler(seen).acquire(request(HERE, gb, seen)) as evictions:
        assert [each.model for each in evictions] == gone
