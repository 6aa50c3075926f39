"""What a recommendation reads of the machine: free memory and what loaded models would release, and
where Ollama is."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from orch import Orchestrator
from orch.execution.recommending.machine import capacity_of, is_here, ollama_of, store_of
from orch.routing.machine.placement import MachineMemory, MemoryPart
from orch.routing.recommendations.capacity import MachineCapacity
from tests.support.orchestrators import fake, over

GB = 10**9


async def capacity_with(
    monkeypatch: pytest.MonkeyPatch, memory: MachineMemory | None
) -> MachineCapacity:
    """The capacity where the registry reads this of the devices."""
    with fake("a:1b") as server:
        async with over({"ollama": server}) as orchestrator:
            runtime = orchestrator.runtime
            monkeypatch.setattr(runtime.registry, "devices", AsyncMock(return_value=memory))
            return await capacity_of(runtime, await runtime.registry.snapshot())


async def test_each_part_counts_with_what_loaded_models_would_release(
    home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = MemoryPart(8 * GB, 2 * GB), MemoryPart(10 * GB, 3 * GB)
    capacity = await capacity_with(monkeypatch, MachineMemory(18 * GB, *parts))
    assert (capacity.main_bytes, capacity.gpu_bytes) == (10 * GB, (8 * GB,))
    assert capacity.limit_bytes == 100 * GB  # memory_budget_gb of the test's routing


async def test_what_is_not_told_stays_unknown(
    home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    capacity = await capacity_with(monkeypatch, None)
    assert (capacity.main_bytes, capacity.gpu_bytes) == (None, ())
    alone = await capacity_with(monkeypatch, MachineMemory(9 * GB, None, MemoryPart(9 * GB)))
    assert (alone.main_bytes, alone.gpu_bytes) == (9 * GB, ())


def test_the_first_ollama_is_the_one_to_pull_into_and_may_be_elsewhere(home: object) -> None:
    providers = {
        "other": {"kind": "openai", "base_url": "http://127.0.0.1:1"},
        "far": {"kind": "ollama", "base_url": "http://gpu.example.lan:11434"},
        "near": {"kind": "ollama", "base_url": "http://127.0.0.1:11434"},
    }
    runtime = Orchestrator({"providers": providers, "models": []}).runtime
    assert ollama_of(runtime) == "far"
    assert (is_here(runtime, "far"), is_here(runtime, "near")) == (False, True)
    assert store_of(runtime, "far") is None
    assert is_here(runtime, "none") is False


def test_the_folder_of_ollamas_models_is_not_lm_studios(
    home: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    providers = {
        "ollama": {"kind": "ollama", "base_url": "http://127.0.0.1:11434"},
        "lm": {"kind": "lmstudio", "base_url": "http://127.0.0.1:1234"},
    }
    runtime = Orchestrator({"providers": providers, "models": []}).runtime
    assert store_of(runtime, "lm") is None
    assert store_of(runtime, "ollama") is not None
