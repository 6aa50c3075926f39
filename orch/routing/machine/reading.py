"""Measures this machine's memory for an inventory: main memory each time, GPUs where they
matter."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from orch.hardware import devices
from orch.hardware.device import Devices, Gpu
from orch.providers import KeepsModel, Loads, ProviderClient
from orch.providers.installed_models import InstalledModel
from orch.providers.kinds import KINDS
from orch.routing.machine.placement import MachineMemory, ResidentModel, machine_memory, needs_gpus
from orch.routing.model_state import ModelState, held_memory, required_memory
from orch.storage.offload import Offload, run_inline
from orch.types import ModelKey

GPUS_TTL_S = 5.0
"""For so long a reading of the GPUs serves while the same models are loaded: what other programs
hold there changes seldom, and a server asks every second."""
SETTLED_TTL_S = 600.0
"""For so long the memory is taken from before the first load: no load takes longer, and a server
that never says that it is done is not believed for ever."""
LOADING = "loading"
"""A server's word for a model that takes its memory now."""
OVERHEAD_VARIABLE = "OLLAMA_GPU_OVERHEAD"
"""Bytes that Ollama leaves free on each GPU, if it is set."""

AnswerCounts = Callable[[], Mapping[ModelKey, int]]
"""How many of the recent answers each model gave; reads the journal."""
ModelsInUse = Callable[[], Collection[ModelKey]]
"""The models that calls use at the moment."""


def with_room(state: ModelState, memory: MachineMemory | None) -> ModelState:
    """The model with the longest context that it can have here: beside the models that stay, and
    on the GPUs alone where it fits there with its usual context, since what spills into main
    memory is slow."""
    if memory is None:
        return state
    room = memory.available_bytes(state.key)
    gpus = memory.sized_gpus
    if gpus and required_memory(state, state.default_ctx) <= gpus.capacity_bytes:
        room = min(room, gpus.capacity_bytes)
    return state.within(room)


class _Reading(NamedTuple):
    """The GPUs as they were read, with the models that were loaded then."""

    at: float
    resident: tuple[ResidentModel, ...]
    gpus: tuple[Gpu, ...]


class _Measured(NamedTuple):
    """The memory when it was measured; `has_looked`: for GPUs as well."""

    at: float
    memory: MachineMemory
    has_looked: bool


class Machine:
    """The memory of this machine. `kinds` has the kind of each provider; a budget replaces what
    the devices have."""

    def __init__(
        self,
        providers: Mapping[str, ProviderClient],
        kinds: Mapping[str, str],
        budget_gb: Literal["auto"] | float,
        aside: Offload = run_inline,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        self._kinds, self._budget_gb, self._aside, self._env = kinds, budget_gb, aside, env
        self._providers = providers
        self._local = frozenset(name for name, client in providers.items() if client.local)
        self._self_evicting = frozenset(
            name for name in self._local if KINDS[kinds[name]].evicts_by_memory
        )
        self._reading: _Reading | None = None
        self._settled: _Measured | None = None  # the last one while no model was being loaded

    async def memory(
        self,
        states: Sequence[ModelState],
        installed: Mapping[ModelKey, InstalledModel],
        recent_answers: AnswerCounts,
        in_use: ModelsInUse = frozenset,
    ) -> MachineMemory | None:
        """The memory with what the loaded models of these hold; None if it is unknown. `installed`
        is what the providers report of them. Models in use are loaded, or are being loaded; they
        are asked for again after the devices were read, since a load may have begun meanwhile."""
        local = [state for state in states if state.local and state.is_installed]
        cold = [state for state in local if state.resident is False]
        used = in_use()
        resident = self._resident(local, installed, used)
        counts: Mapping[ModelKey, int] = {}
        if self._asks_who_loaded(cold, resident):
            counts = await self._aside(recent_answers)
        absent = {state.key for state in cold}
        held = tuple(each for each in resident if each.key not in absent)
        found = await self._measured(cold, resident, held)
        if not absent.isdisjoint({*in_use()} - {*used}):
            resident = self._resident(local, installed, {*used, *in_use()})
            self.forget()  # part of what the load takes was read as another program's
            found = self._before_loads(cold, resident) or found
        elif found is not None and len(held) == len(resident):
            self._settled = found
        return found and found.memory._replace(
            resident=tuple(each._replace(ours=counts.get(each.key, 0) > 0) for each in resident),
            self_evicting=self._self_evicting,
            unloading=self._unloading(),
        )

    def _unloading(self) -> frozenset[str]:
        return frozenset(name for name in self._local if can_unload(self._providers[name]))

    async def _measured(
        self,
        cold: Sequence[ModelState],
        resident: tuple[ResidentModel, ...],
        held: tuple[ResidentModel, ...],
    ) -> _Measured | None:
        """The memory beside the models that are `held` already, which `resident` ones may not be
        yet. What models can have does not change while one is being loaded."""
        if self._budget_gb != "auto":
            return _Measured(time.monotonic(), MachineMemory(int(self._budget_gb * 1e9)), True)
        if len(held) < len(resident) and (known := self._before_loads(cold, resident)):
            return known
        needs = _needs(cold)
        main = devices.main_memory()
        overhead = overhead_bytes(self._env)
        found = machine_memory(Devices(main), held, overhead)
        looks = found is not None and needs_gpus(found.capacity_bytes, resident, needs)
        if looks:
            found = machine_memory(Devices(main, await self._gpus(held)), held, overhead)
        return found and _Measured(time.monotonic(), found, looks)

    def _before_loads(
        self, cold: Sequence[ModelState], resident: Sequence[ResidentModel]
    ) -> _Measured | None:
        """The memory before models began to be loaded, unless GPUs matter now and did not then."""
        known = self._settled
        if known is None or time.monotonic() - known.at > SETTLED_TTL_S:
            return None
        capacity = known.memory.capacity_bytes
        return (
            known if known.has_looked or not needs_gpus(capacity, resident, _needs(cold)) else None
        )

    async def devices(self, resident: tuple[ResidentModel, ...]) -> MachineMemory | None:
        """All devices, whatever the budget: what is shown of them."""
        main, gpus = devices.main_memory(), await self._gpus(resident)
        return machine_memory(Devices(main, gpus), resident, overhead_bytes(self._env))

    def forget(self) -> None:
        """Makes the next call read the GPUs again."""
        self._reading = None

    async def _gpus(self, resident: tuple[ResidentModel, ...]) -> tuple[Gpu, ...]:
        kept, now = self._reading, time.monotonic()
        if kept is None or now - kept.at > GPUS_TTL_S or kept.resident != resident:
            gpus = await self._aside(devices.read_gpus, self._env)
            kept = self._reading = _Reading(now, resident, gpus)
        return kept.gpus

    def _resident(
        self,
        local: Iterable[ModelState],
        installed: Mapping[ModelKey, InstalledModel],
        in_use: Collection[ModelKey],
    ) -> tuple[ResidentModel, ...]:
        """The loaded models; names that share a digest are one model in memory."""
        loaded = {
            state.identity: state
            for state in local
            if state.resident or state.key in in_use or _is_loading(installed.get(state.key))
        }
        return tuple(
            self._resident_model(state, installed.get(state.key)) for state in loaded.values()
        )

    def _resident_model(self, state: ModelState, item: InstalledModel | None) -> ResidentModel:
        slots = (item.free_slots, item.slots) if item else (None, None)
        is_told = None not in slots
        return ResidentModel(
            state.key,
            held_memory(state),
            state.vram_bytes,
            pinned=bool(item and item.pinned),
            tells_use=is_told or state.spec.provider in self._self_evicting,
            busy=(is_told and slots[0] != slots[1]) or _is_loading(item),
            foreign=bool(item and item.foreign),
        )

    def _asks_who_loaded(
        self, cold: Iterable[ModelState], resident: Iterable[ResidentModel]
    ) -> bool:
        """Whether it matters who loaded a model: it stands in the way of one that its own server
        does not make room for."""
        providers = {state.spec.provider for state in cold}
        return any(
            each.key.provider not in self._self_evicting or providers - {each.key.provider}
            for each in resident
            if providers
        )


def _needs(cold: Iterable[ModelState]) -> list[int]:
    return [required_memory(state, state.num_ctx) for state in cold]


def _is_loading(item: InstalledModel | None) -> bool:
    return item is not None and item.status == LOADING


def can_unload(client: ProviderClient) -> bool:
    """Whether a provider unloads a model on request."""
    return isinstance(client, Loads) and not (isinstance(client, KeepsModel) and client.keeps_model)


def overhead_bytes(env: Mapping[str, str]) -> int:
    """What OLLAMA_GPU_OVERHEAD sets; 0 where it is not a number."""
    text = env.get(OVERHEAD_VARIABLE, "").strip()
    return int(text) if text.isdecimal() and len(text) < 20 else 0
