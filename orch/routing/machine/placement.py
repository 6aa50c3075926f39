"""Where a model's memory may come from: what each device has, what loaded models hold and would
give back, and which of them have to go before another is loaded (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from orch.hardware.device import Devices, Gpu
from orch.types import ModelKey

GPU_RESERVE_BYTES = 457 << 20
"""Left free on each GPU for what its driver takes besides the model (Ollama: MinimumMemory of
ml/device.go)."""
MAIN = "main memory"
REPORTED = "GPU"
"""The name of a GPU that only a server's report shows."""


class ResidentModel(NamedTuple):
    """A loaded model of this machine, with the bytes that it holds."""

    key: ModelKey
    size_bytes: int
    gpu_bytes: int | None = None
    """Of it, on GPUs; None if its server does not say."""
    pinned: bool = False
    """Whether it was loaded to stay (keep_alive -1)."""
    ours: bool = False
    """Whether orch had answers from it lately: then nobody else is likely to have loaded it."""
    tells_use: bool = False
    """Whether unloading it can't cut off an answer to somebody else: its server waits for them, or
    tells that there is none."""
    busy: bool = False
    """Whether its server tells that it is answering."""
    foreign: bool = False
    """Whether another program loaded it under a name of its own: it stays, whoever uses it."""


class DeviceMemory(NamedTuple):
    """One device as it is shown: bytes, None where they are unknown."""

    name: str
    total_bytes: int | None = None
    free_bytes: int | None = None
    is_gpu: bool = True
    shared: bool = False
    """Whether it is part of main memory, and counted there."""


class MemoryPart(NamedTuple):
    """Main memory, or all GPUs with memory of their own: what models can have of it if none is
    loaded, what loaded ones hold, and what other programs hold (None if unknown)."""

    capacity_bytes: int
    models_bytes: int = 0
    others_bytes: int | None = None
    is_sized: bool = True
    """False for a GPU of which only a server's report is known: it may have more than that."""


class MachineMemory(NamedTuple):
    """This machine's memory for models."""

    capacity_bytes: int
    """What models can have if none is loaded."""
    gpus: MemoryPart | None = None
    """Of it, on GPUs with memory of their own; None where there are none, or none was looked
    for."""
    main: MemoryPart | None = None
    devices: tuple[DeviceMemory, ...] = ()
    resident: tuple[ResidentModel, ...] = ()
    self_evicting: frozenset[str] = frozenset()
    """Providers whose server unloads its idle models by itself when it lacks memory."""
    unloading: frozenset[str] = frozenset()
    """Providers that unload a model on request."""

    def available_bytes(self, model: ModelKey) -> int:
        """What a model can have once every other one is unloaded that may be. Itself it may be
        loading already."""
        others = (each for each in self.resident if each.key != model)
        staying = (each for each in others if not self.may_leave(each, model.provider))
        return max(self.capacity_bytes - sum(each.size_bytes for each in staying), 0)

    def may_leave(self, resident: ResidentModel, provider: str) -> bool:
        """Whether a loaded model may be unloaded for one of that provider.

        A model of the same server is unloaded as the server itself would do it for want of memory,
        unless that might cut off an answer. At another server only what orch itself used is
        unloaded: what another program loaded there stays.
        """
        own = resident.key.provider
        if self.evicts_itself(resident, provider):
            return True
        is_safe = resident.tells_use and own == provider
        is_safe = is_safe or resident.ours
        return own in self.unloading and is_safe and not (resident.busy or resident.foreign)

    def evicts_itself(self, resident: ResidentModel, provider: str) -> bool:
        """Whether the server of that provider unloads the model by itself to make room."""
        return resident.key.provider == provider and provider in self.self_evicting

    @property
    def sized_gpus(self) -> MemoryPart | None:
        """The GPUs, if it is known how much models can have of them."""
        return self.gpus if self.gpus is not None and self.gpus.is_sized else None

    def on_gpus(self, need_bytes: int) -> float:
        """The share of a model that GPUs can hold if no other is loaded; 1 where that is not
        known."""
        if self.sized_gpus is None or need_bytes <= 0:
            return 1.0
        return min(self.sized_gpus.capacity_bytes / need_bytes, 1.0)


def budget_memory(memory_bytes: int | None) -> MachineMemory | None:
    """The memory of a machine of which only a sum is known."""
    return None if memory_bytes is None else MachineMemory(memory_bytes)


# ---------------------------------------------------------------- what devices have


def needs_gpus(
    main_bytes: int | None, resident: Sequence[ResidentModel], needs: Collection[int]
) -> bool:
    """Whether GPUs have to be looked at to place models of these sizes that are not loaded: main
    memory is too small for one, or a loaded model may stand on a GPU. Looking takes a while: the
    driver is asked, often by a command."""
    if main_bytes is None or not needs:
        return False
    on_gpu = any(each.gpu_bytes is None or each.gpu_bytes > 0 for each in resident)
    return on_gpu or max(needs) > main_bytes


def machine_memory(
    devices: Devices, resident: Sequence[ResidentModel], overhead_bytes: int = 0
) -> MachineMemory | None:
    """The memory for models on these devices; None if main memory is unknown. `overhead_bytes` is
    left free on each GPU besides what its driver takes (OLLAMA_GPU_OVERHEAD).

    A model of llama.cpp is split over all GPUs and spills into main memory, so that the sum
    decides whether it can be loaded at all.
    """
    total = devices.main.total_bytes
    if total is None:
        return None
    own = tuple(gpu for gpu in devices.gpus if not gpu.shared and gpu.total_bytes)
    on_gpu, in_main = _split(devices, own, resident)
    gpus = _gpu_part(own, on_gpu, GPU_RESERVE_BYTES + overhead_bytes)
    main = _main_part(total, devices.main.free_bytes, in_main)
    return MachineMemory(
        main.capacity_bytes + (gpus.capacity_bytes if gpus else 0),
        gpus,
        main,
        _shown(devices, on_gpu if not own else 0),
        tuple(resident),
    )


def _split(
    devices: Devices, own: Sequence[Gpu], resident: Sequence[ResidentModel]
) -> tuple[int, int]:
    """Bytes of loaded models on GPUs with memory of their own, and in main memory. A GPU that
    nobody knows of but the server that uses it counts as one; where a server does not say, its
    models are on the GPUs as far as these are used."""
    size = sum(each.size_bytes for each in resident)
    told = sum(min(each.gpu_bytes or 0, each.size_bytes) for each in resident)
    if not own:
        return (0, size) if devices.gpus else (told, size - told)
    untold = sum(each.size_bytes for each in resident if each.gpu_bytes is None)
    on_gpu = min(told + untold, _used(own))
    return on_gpu, size - on_gpu


def _used(gpus: Sequence[Gpu]) -> int:
    """Bytes in use on GPUs; all of one that does not say."""
    return sum(max((gpu.total_bytes or 0) - (gpu.free_bytes or 0), 0) for gpu in gpus)


def _gpu_part(own: Sequence[Gpu], on_gpu: int, reserve: int) -> MemoryPart | None:
    """All GPUs together. One that does not say what is free counts as free."""
    if not own:
        return MemoryPart(on_gpu, on_gpu, is_sized=False) if on_gpu else None
    usable = sum(max((gpu.total_bytes or 0) - reserve, 0) for gpu in own)
    free = sum(max(_free(gpu) - reserve, 0) for gpu in own)
    is_told = all(gpu.free_bytes is not None for gpu in own)
    others = max(_used(own) - on_gpu, 0) if is_told else None
    return MemoryPart(min(free + on_gpu, usable), on_gpu, others)


def _free(gpu: Gpu) -> int:
    return (gpu.total_bytes or 0) if gpu.free_bytes is None else gpu.free_bytes


def _main_part(total: int, free: int | None, in_main: int) -> MemoryPart:
    """Pages of a model's file count as free already, so that the total is the limit."""
    if free is None:
        return MemoryPart(total, in_main)
    return MemoryPart(min(free + in_main, total), in_main, max(total - free - in_main, 0))


def _shown(devices: Devices, reported: int) -> tuple[DeviceMemory, ...]:
    main = DeviceMemory(MAIN, devices.main.total_bytes, devices.main.free_bytes, is_gpu=False)
    gpus = [
        DeviceMemory(gpu.name, gpu.total_bytes, gpu.free_bytes, shared=gpu.shared)
        for gpu in devices.gpus
    ]
    if reported and not gpus:
        gpus = [DeviceMemory(REPORTED)]
    return (main, *gpus)


# ---------------------------------------------------------------- making room


def missing_bytes(
    need_bytes: int, memory: MachineMemory, beside: Iterable[ResidentModel], *, on_gpus: bool
) -> int:
    """Bytes that are lacking for a model beside these, on the GPUs or altogether; 0 or less if it
    can be loaded as it is."""
    if on_gpus and memory.sized_gpus is not None:
        return need_bytes + sum(map(gpu_bytes, beside)) - memory.sized_gpus.capacity_bytes
    return need_bytes + sum(each.size_bytes for each in beside) - memory.capacity_bytes


def gpu_bytes(resident: ResidentModel) -> int:
    """Bytes on GPUs; all of a model whose server does not say."""
    return resident.size_bytes if resident.gpu_bytes is None else resident.gpu_bytes


def has_room(
    need_bytes: int,
    memory: MachineMemory,
    beside: Sequence[ResidentModel],
    staying: Sequence[ResidentModel],
) -> bool:
    """Whether a model can be loaded beside these, of which `staying` never make room.

    A model that GPUs could hold is to have its room there, as Ollama's scheduler sees to it: a
    server that is told to use the GPU fails without, and one that is not answers several times
    slower.
    """
    if missing_bytes(need_bytes, memory, beside, on_gpus=False) > 0:
        return False
    if memory.sized_gpus is None or missing_bytes(need_bytes, memory, staying, on_gpus=True) > 0:
        return True
    return missing_bytes(need_bytes, memory, beside, on_gpus=True) <= 0


def choose_evictions(
    need_bytes: int,
    memory: MachineMemory,
    beside: Sequence[ResidentModel],
    leaving: Sequence[ResidentModel],
    costs: Mapping[ModelKey, float],
) -> tuple[ResidentModel, ...]:
    """Which of `leaving` to unload, so that a model can be loaded beside the others: the least
    costly first, pinned ones last, none in vain. None where not even all of them make room.

    `costs` are the expected seconds that unloading a model costs; models of equal cost are taken
    in their order.
    """
    order = sorted(leaving, key=lambda each: (each.pinned, costs.get(each.key, 0.0)))
    staying = _without(beside, leaving)
    if not has_room(need_bytes, memory, staying, staying):
        return ()
    chosen: list[ResidentModel] = []
    for each in order:
        if has_room(need_bytes, memory, _without(beside, chosen), staying):
            break
        chosen.append(each)
    for each in tuple(chosen):  # the first ones may be too small to help
        fewer = _without(chosen, [each])
        if has_room(need_bytes, memory, _without(beside, fewer), staying):
            chosen = fewer
    return tuple(chosen)


def _without(models: Iterable[ResidentModel], gone: Iterable[ResidentModel]) -> list[ResidentModel]:
    keys = {each.key for each in gone}
    return [each for each in models if each.key not in keys]
