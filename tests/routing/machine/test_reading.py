"""When the devices are read for an inventory, and what its memory says of loaded models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from orch.config.spec import ModelSpec
from orch.hardware.device import Gpu, MainMemory
from orch.providers.installed_models import InstalledModel
from orch.routing.machine.reading import Machine, overhead_bytes
from orch.routing.model_state import ModelState
from orch.types import ModelKey

GB = 10**9
A, B, COLD = (ModelKey("ollama", name) for name in ("a", "b", "cold"))
OTHER = ModelKey("router", "cold")


class Client:
    """A provider of this machine, as far as its memory is concerned."""

    local = True

    async def load(self, *args: Any) -> None: ...

    async def unload(self, model: str) -> None: ...


class OneModel(Client):
    keeps_model = True


class Readings:
    """Devices of this machine, which count how often they are read."""

    def __init__(self, patch: pytest.MonkeyPatch, *gpus: Gpu) -> None:
        self.count, self.gpus = 0, gpus
        patch.setattr("orch.hardware.devices.main_memory", lambda: MainMemory(64 * GB, 30 * GB))
        patch.setattr("orch.hardware.devices.read_gpus", self.read)

    def read(self, env: Mapping[str, str]) -> tuple[Gpu, ...]:
        self.count += 1
        return self.gpus


def machine(**more: Any) -> Machine:
    providers: Any = {"ollama": Client(), "router": Client(), "one": OneModel()}
    kinds = {"ollama": "ollama", "router": "llama-server", "one": "llama-server"}
    return Machine(providers, kinds, more.pop("budget_gb", "auto"), env=more)


def state(key: ModelKey, gb: float, on_gpu: int | None = None, **more: Any) -> ModelState:
    resident = on_gpu is not None
    return ModelState(
        ModelSpec(id=key.model, provider=key.provider),
        resident=resident,
        resident_bytes=int(gb * GB) if resident else 0,
        vram_bytes=on_gpu,
        size_bytes=int(gb * GB),
        **more,
    )


def no_answers() -> dict[ModelKey, int]:
    return {}


@pytest.mark.parametrize(
    ("states", "count"),
    [
        ([state(COLD, 8)], 0),
        ([state(A, 5, 0), state(COLD, 8)], 0),
        ([state(A, 5, 5 * GB)], 0),
        ([state(A, 5, 5 * GB), state(COLD, 8)], 1),
        ([state(COLD, 40)], 1),
    ],
)
async def test_gpus_are_read_only_where_they_matter(
    monkeypatch: pytest.MonkeyPatch, states: list[ModelState], count: int
) -> None:
    readings = Readings(monkeypatch, Gpu("card", 24 * GB, 19 * GB))
    assert await machine().memory(states, {}, no_answers) is not None
    assert readings.count == count


async def test_a_reading_serves_while_the_same_models_are_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings, here = Readings(monkeypatch, Gpu("card", 24 * GB, 19 * GB)), machine()
    first, second = [state(A, 5, 5 * GB), state(COLD, 8)], [state(B, 6, 6 * GB), state(COLD, 8)]
    for states, count in ((first, 1), (first, 1), (second, 2)):
        await here.memory(states, {}, no_answers)
        assert readings.count == count


async def test_a_budget_reads_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch)
    memory = await machine(budget_gb=7.5).memory([state(COLD, 80)], {}, no_answers)
    assert memory is not None
    assert (memory.capacity_bytes, memory.main, readings.count) == (7_500_000_000, None, 0)


async def test_names_that_share_a_digest_are_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    Readings(monkeypatch)
    states = [state(A, 5, 0, digest="d"), state(B, 5, 0, digest="d")]
    memory = await machine().memory(states, {}, no_answers)
    assert memory is not None
    assert memory.capacity_bytes == 35 * GB


async def test_who_loaded_a_model_is_asked_where_another_server_needs_its_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Readings(monkeypatch)
    asked = []

    def answers() -> dict[ModelKey, int]:
        asked.append(1)
        return {A: 3}

    here = machine()
    for cold, count in ((COLD, 0), (OTHER, 1)):
        memory = await here.memory([state(A, 5, 0), state(B, 5, 0), state(cold, 8)], {}, answers)
        assert len(asked) == count
    assert memory is not None
    assert {each.key: each.ours for each in memory.resident} == {A: True, B: False}
    assert memory.available_bytes(OTHER) == (30 + 5 + 5 - 5) * GB
    assert memory.available_bytes(COLD) == (30 + 5 + 5) * GB


async def test_what_a_server_tells_of_a_loaded_model_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Readings(monkeypatch)
    idle, busy = ModelKey("router", "idle"), ModelKey("router", "busy")
    items = {
        idle: InstalledModel("idle", slots=4, free_slots=4, pinned=True),
        busy: InstalledModel("busy", slots=4, free_slots=3),
    }
    memory = await machine().memory([state(idle, 5, 0), state(busy, 5, 0)], items, no_answers)
    assert memory is not None
    by_name = {each.key.model: each for each in memory.resident}
    assert (by_name["idle"].tells_use, by_name["idle"].pinned) == (True, True)
    assert (by_name["idle"].busy, by_name["busy"].busy) == (False, True)
    assert [memory.may_leave(by_name[each], "router") for each in ("idle", "busy")] == [True, False]


async def test_what_another_program_named_stays_also_if_orch_has_used_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Readings(monkeypatch)
    named = ModelKey("router", "named")
    items = {named: InstalledModel("named", foreign=True)}
    memory = await machine().memory([state(named, 5, 0), state(COLD, 8)], items, lambda: {named: 9})
    assert memory is not None
    (resident,) = memory.resident
    assert resident.ours
    assert not memory.may_leave(resident, "ollama")
    assert not memory.may_leave(resident, "router")


async def test_a_server_with_one_model_can_not_unload_it(monkeypatch: pytest.MonkeyPatch) -> None:
    Readings(monkeypatch)
    memory = await machine().memory([], {}, no_answers)
    assert memory is not None
    assert memory.unloading == {"ollama", "router"}
    assert memory.self_evicting == {"ollama"}


async def test_where_main_memory_is_unknown_so_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orch.hardware.devices.main_memory", MainMemory)
    assert await machine().memory([state(COLD, 80)], {}, no_answers) is None


@pytest.mark.parametrize(
    ("value", "size"), [("1073741824", 1 << 30), ("", 0), ("1GB", 0), ("-5", 0), ("9" * 30, 0)]
)
def test_the_overhead_of_ollama_is_read(value: str, size: int) -> None:
    assert overhead_bytes({"OLLAMA_GPU_OVERHEAD": value}) == size


async def test_a_model_that_is_being_loaded_does_not_hold_what_other_programs_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Readings(monkeypatch, Gpu("full", 24 * GB, 0), Gpu("free", 24 * GB, 24 * GB))
    here, states = machine(), [state(A, 18), state(COLD, 60)]
    installed = {each.key: InstalledModel(each.key.model) for each in states}
    before = await here.memory(states, installed, no_answers)
    loading = await here.memory(states, installed, no_answers, lambda: {A})
    at_first = await machine().memory(states, installed, no_answers, lambda: {A})
    assert before is not None
    assert loading is not None
    assert at_first is not None
    assert before.capacity_bytes == loading.capacity_bytes == at_first.capacity_bytes
    assert [each.key for each in loading.resident] == [A]


async def test_what_a_load_has_taken_already_is_not_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings = Readings(monkeypatch, Gpu("card", 24 * GB, 24 * GB))
    here, states = machine(), [state(A, 18), state(COLD, 60)]
    installed = {each.key: InstalledModel(each.key.model) for each in states}
    before = await here.memory(states, installed, no_answers)
    readings.gpus = (Gpu("card", 24 * GB, 15 * GB),)
    here.forget()
    loading = await here.memory(states, installed, no_answers, lambda: {A})
    assert before is not None
    assert loading is not None
    assert loading.gpus == before.gpus


async def test_a_load_that_begins_while_gpus_are_read_does_not_count_as_another_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings = Readings(monkeypatch, Gpu("card", 24 * GB, 24 * GB))
    here, states, used = machine(), [state(A, 18), state(COLD, 60)], set[ModelKey]()
    installed = {each.key: InstalledModel(each.key.model) for each in states}

    def begin_load(env: Mapping[str, str]) -> tuple[Gpu, ...]:
        used.add(A)
        return (Gpu("card", 24 * GB, 15 * GB),)

    before = await here.memory(states, installed, no_answers, lambda: frozenset(used))
    here.forget()
    monkeypatch.setattr("orch.hardware.devices.read_gpus", begin_load)
    during = await here.memory(states, installed, no_answers, lambda: frozenset(used))
    used.clear()  # the load failed
    monkeypatch.setattr("orch.hardware.devices.read_gpus", readings.read)
    after = await here.memory(states, installed, no_answers)
    assert before is not None
    assert during is not None
    assert after is not None
    assert before.gpus == during.gpus == after.gpus
    assert [each.key for each in during.resident] == [A]


async def test_a_load_that_never_ends_does_not_hide_what_others_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings = Readings(monkeypatch, Gpu("card", 24 * GB, 24 * GB))
    here, states = machine(), [state(A, 18), state(COLD, 60)]
    installed = {each.key: InstalledModel(each.key.model) for each in states}
    before = await here.memory(states, installed, no_answers)
    readings.gpus = (Gpu("card", 24 * GB, 15 * GB),)
    here.forget()
    monkeypatch.setattr("orch.routing.machine.reading.SETTLED_TTL_S", -1)
    loading = await here.memory(states, installed, no_answers, lambda: {A})
    assert before is not None
    assert loading is not None
    assert before.capacity_bytes - loading.capacity_bytes == 9 * GB
