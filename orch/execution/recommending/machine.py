"""Reads what a recommendation needs of this machine: memory for models, disk, and what is
installed."""

from __future__ import annotations

from functools import lru_cache

from orch.config.urls import is_local_url
from orch.execution.recommending.model_store import ModelStore, find_model_store
from orch.execution.runtime import Runtime
from orch.hardware.bandwidth import main_bytes_per_s
from orch.routing.machine.placement import MachineMemory
from orch.routing.model_state import ModelState
from orch.routing.recommendations.capacity import MachineCapacity
from orch.routing.registry import Inventory

measured_bandwidth = lru_cache(maxsize=1)(main_bytes_per_s)
"""`main_bytes_per_s`, measured once in a process."""


async def capacity_of(runtime: Runtime, inventory: Inventory) -> MachineCapacity:
    """Memory for models if no other one is loaded: what is free, and what loaded models would
    release, in main memory and on GPUs. May run nvidia-smi."""
    memory = await runtime.registry.devices(inventory)
    return await runtime.offload(_capacity, runtime, inventory, memory)


def _capacity(
    runtime: Runtime, inventory: Inventory, memory: MachineMemory | None
) -> MachineCapacity:
    budget = runtime.config.routing.memory_budget_gb
    gpus = memory.gpus.capacity_bytes if memory and memory.gpus else 0
    capacity = MachineCapacity(
        memory.main.capacity_bytes if memory and memory.main else None,
        (gpus,) if gpus else (),
        measured_bandwidth(),
        limit_bytes=None if budget == "auto" else int(budget * 1e9),
    )
    return capacity.with_measured_speed(_measured(inventory))


def _measured(inventory: Inventory) -> list[ModelState]:
    return [state for state in inventory.states if state.local and not state.unavailable]


def ollama_of(runtime: Runtime) -> str:
    """The first Ollama provider of models.yaml; empty if there is none."""
    providers = runtime.config.models.providers
    return next((name for name, each in providers.items() if each.kind == "ollama"), "")


def is_here(runtime: Runtime, provider: str) -> bool:
    """Whether a provider runs on this machine."""
    known = runtime.config.models.providers.get(provider)
    return known is not None and all(map(is_local_url, known.urls))


def store_of(runtime: Runtime, provider: str) -> ModelStore | None:
    """Where an Ollama of this machine keeps its models; None if it is another server or runs
    elsewhere, or if that is not known."""
    known = runtime.config.models.providers.get(provider)
    is_ollama = known is not None and known.kind == "ollama"
    return find_model_store() if is_ollama and is_here(runtime, provider) else None
