"""What a recommendation reads of the machine: free memory and what loaded models would release, and
where Ollama is."""

from __future__ import annotations

import pytest

from orch import Orchestrator
from orch.execution.recommending.machine import capacity_of, is_here, ollama_of, store_of
from orch.hardware import devices
from tests.support.orchestrators import fake, over

GB = 10**9


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten gigabytes are free, and there is a card of eight."""
    monkeypatch.setattr(devices, "free_memory_bytes", lambda: 10 * GB)
    monkeypatch.setattr(devices, "gpus", lambda: (("RTX", 8 * GB),))


async def test_a_loaded_model_would_release_its_memory(home: object) -> None:
    with fake("a:1b", "b:1b") as server:
        server.resident["a:1b"] = 8192
        async with over({"ollama": server}) as orchestrator:
            runtime = orchestrator.runtime
            inventory = await runtime.registry.snapshot()
            capacity = capacity_of(runtime, inventory)
    held = sum(state.resident_bytes for state in inventory.states)
    assert held > 0
    assert capacity.main_bytes == 10 * GB + held
    assert capacity.gpu_bytes == (8 * GB,)
    assert capacity.limit_bytes == 100 * GB  # memory_budget_gb of the test's routing


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
