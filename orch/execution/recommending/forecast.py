"""What a model that is about to be downloaded, or added, will take: bytes on the disk and in
memory, as far as they are known before."""

from __future__ import annotations

from dataclasses import dataclass

from orch.errors import OrchError
from orch.execution.pulling import pull_target
from orch.execution.recommending.machine import capacity_of, is_here, store_of
from orch.execution.recommending.model_store import ModelStore
from orch.execution.runtime import Runtime
from orch.routing.known_models.pullable import find_pullable
from orch.routing.model_state import DEFAULT_NUM_CTX, UNKNOWN_CTX, ModelState, required_memory
from orch.routing.recommendations.capacity import MachineCapacity, Placement
from orch.routing.recommendations.recommend import DEFAULT_CTX
from orch.routing.registry import Inventory
from orch.text.model_names import is_same_model

_FITS = {
    Placement.GPU: "fits the GPU",
    Placement.SPLIT: "fits GPU and main memory together, so it is slower than on the GPU alone",
    Placement.MEMORY: "fits main memory",
    Placement.UNKNOWN: "what there is is not known",
}


@dataclass(frozen=True, slots=True)
class FitForecast:
    """What a model takes. Unknown sizes are None; `store` is None where the disk of the models is
    not known, `placement` where the model's memory is not, or where it runs elsewhere."""

    name: str
    size_bytes: int | None
    memory_bytes: int | None
    num_ctx: int
    placement: Placement | None
    store: ModelStore | None = None
    capacity_bytes: int | None = None
    is_installed: bool = False
    is_elsewhere: bool = False

    @property
    def too_large(self) -> bool:
        """Whether it most likely can't be loaded."""
        return self.placement is Placement.NOWHERE

    @property
    def lacks_bytes(self) -> int:
        """Bytes that the disk lacks for the download; 0 if there is room, or not known."""
        known = self.store is not None and self.size_bytes is not None and not self.is_installed
        return self.store.lacks_bytes(self.size_bytes or 0) if known and self.store else 0


async def forecast_pull(runtime: Runtime, name: str, provider: str = "") -> FitForecast:
    """The forecast of a download into an Ollama, by default the first. Asks the providers what is
    installed and loaded, nobody else. Raises ConfigError if that provider can't download."""
    chosen = pull_target(runtime.providers, provider)
    inventory = await runtime.registry.snapshot(with_unlisted=True)
    capacity = await capacity_of(runtime, inventory)
    return await runtime.offload(_forecast_pull, runtime, inventory, name, chosen, capacity)


def _forecast_pull(
    runtime: Runtime,
    inventory: Inventory,
    name: str,
    provider: str,
    capacity: MachineCapacity,
) -> FitForecast:
    installed = next(
        (
            state
            for state in inventory.states
            if state.is_installed
            and state.spec.provider == provider
            and is_same_model(state.spec.id, name)
        ),
        None,
    )
    store = store_of(runtime, provider)
    if installed is not None:
        return _of_state(runtime, installed, store, capacity)
    if not is_here(runtime, provider):
        return FitForecast(name, None, None, DEFAULT_CTX, None, is_elsewhere=True)
    known = find_pullable(name)
    if known is None:
        return FitForecast(name, None, None, DEFAULT_CTX, None, store)
    num_ctx = min(DEFAULT_CTX, known.context)
    needed = known.memory_bytes(num_ctx)
    return FitForecast(
        name,
        known.size_bytes,
        needed,
        num_ctx,
        capacity.place(needed),
        store,
        capacity.total_bytes,
    )


async def forecast_installed(
    runtime: Runtime, inventory: Inventory, state: ModelState
) -> FitForecast:
    """The forecast of an installed model."""
    return _of_state(runtime, state, None, await capacity_of(runtime, inventory))


def _of_state(
    runtime: Runtime, state: ModelState, store: ModelStore | None, capacity: MachineCapacity
) -> FitForecast:
    size = state.size_bytes or None
    # without a known context, that of a usual task
    num_ctx = state.num_ctx if state.num_ctx < UNKNOWN_CTX else DEFAULT_NUM_CTX
    needed = required_memory(state, num_ctx) if size else None
    here = state.local and is_here(runtime, state.spec.provider)
    return FitForecast(
        state.spec.id,
        size,
        needed,
        num_ctx,
        capacity.place(needed) if needed and here else None,
        store,
        capacity.total_bytes if here else None,
        is_installed=True,
        is_elsewhere=not here,
    )


def forecast_text(forecast: FitForecast) -> str:
    """What is known before it begins, in one line."""
    return f"{forecast.name}: {'; '.join([_disk_text(forecast), *_memory_text(forecast)])}"


def _disk_text(forecast: FitForecast) -> str:
    size = f"{forecast.size_bytes / 1e9:.1f} GB" if forecast.size_bytes else "size unknown"
    free = f", {forecast.store.free_bytes / 1e9:.1f} GB free on its disk" if forecast.store else ""
    return f"{size}{' (installed)' if forecast.is_installed else ''}{free}"


def _memory_text(forecast: FitForecast) -> list[str]:
    if forecast.is_elsewhere:
        return ["it runs on another machine, whose memory is not known here"]
    if forecast.memory_bytes is None or forecast.placement is None:
        return ["the memory that it needs is not known"]
    needs = f"needs {forecast.memory_bytes / 1e9:.1f} GB of memory with {forecast.num_ctx:,} tokens"
    fits = _FITS.get(forecast.placement)
    return [f"{needs}: {fits}" if fits else needs]


def forecast_warning(forecast: FitForecast) -> str:
    """What speaks against the model; empty if nothing does."""
    if not forecast.too_large:
        return ""
    there = f"{(forecast.capacity_bytes or 0) / 1e9:.1f} GB"
    return (
        f"{forecast.name} is too large for this machine: it needs"
        f" {(forecast.memory_bytes or 0) / 1e9:.1f} GB of memory, there are {there};"
        " orch models recommend shows what fits"
    )


def check_disk(forecast: FitForecast) -> None:
    """Raises OrchError if the disk of Ollama's models has no room for the download. Where that disk
    is a guess, `disk_warning` says so instead."""
    if forecast.lacks_bytes and forecast.store and not forecast.store.is_guess:
        raise OrchError(
            _lack_text(forecast, forecast.store),
            "make room there (ollama rm MODEL), or name another disk with OLLAMA_MODELS",
        )


def disk_warning(forecast: FitForecast) -> str:
    """What speaks against the download where the disk is a guess; empty if nothing does."""
    if not forecast.lacks_bytes or forecast.store is None or not forecast.store.is_guess:
        return ""
    return f"{_lack_text(forecast, forecast.store)}, if Ollama keeps its models there"


def _lack_text(forecast: FitForecast, store: ModelStore) -> str:
    return (
        f"{forecast.name} needs {(forecast.size_bytes or 0) / 1e9:.1f} GB, and the disk of"
        f" {store.folder} has {store.free_bytes / 1e9:.1f} GB free"
    )
