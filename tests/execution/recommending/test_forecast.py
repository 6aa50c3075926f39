"""What a download will take, before it begins: known and unknown sizes, the disk, and memory of
this machine or of another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from orch import OrchError, Orchestrator
from orch.execution.recommending import forecast as forecasting
from orch.execution.recommending.forecast import (
    FitForecast,
    check_disk,
    disk_warning,
    forecast_installed,
    forecast_pull,
    forecast_text,
    forecast_warning,
)
from orch.execution.recommending.model_store import RESERVE_BYTES, ModelStore
from orch.routing.model_state import UNKNOWN_CTX
from orch.routing.recommendations.capacity import MachineCapacity, Placement
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.server_lists import ListServer, models

GB = 10**9
STORE = ModelStore(Path("/models"), 10 * GB + RESERVE_BYTES)
KNOWN = FitForecast("a:4b", 5 * GB, 7 * GB, 8192, Placement.GPU, STORE, 9 * GB)


@pytest.fixture(autouse=True)
def machine(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve gigabytes of memory without a GPU, ten free on the disk."""
    capacity = MachineCapacity(12 * GB, (), 40e9)
    monkeypatch.setattr(forecasting, "capacity_of", AsyncMock(return_value=capacity))
    monkeypatch.setattr(forecasting, "store_of", lambda *_: STORE)


def orchestrator_at(url: str) -> Orchestrator:
    return Orchestrator(
        {"providers": {"ollama": {"kind": "ollama", "base_url": url}}, "models": []}
    )


async def forecast_of(name: str, *models: FakeModel) -> FitForecast:
    with FakeOllama(models) as server:
        async with orchestrator_at(server.url) as orchestrator:
            found = await forecast_pull(orchestrator.runtime, name)
        assert server.pulled == []
    return found


async def test_a_known_tag_has_a_size_and_a_place() -> None:
    found = await forecast_of("qwen3:8b")
    assert (found.size_bytes, found.placement) == (5_200_000_000, Placement.MEMORY)
    assert (found.lacks_bytes, forecast_warning(found)) == (0, "")
    assert forecast_text(found).startswith("qwen3:8b: 5.2 GB, 10.5 GB free on its disk; needs 6.9")


async def test_an_unknown_context_is_none_that_it_needs_memory_for(home: Path) -> None:
    listed = models({"id": "mine", "owned_by": "me", "size": 4})
    with ListServer({"/v1/models": listed}) as server:
        providers = {"server": {"kind": "openai", "base_url": server.url}}
        async with Orchestrator({"providers": providers, "models": []}) as orchestrator:
            inventory = await orchestrator.runtime.registry.snapshot()
            runtime, [state] = orchestrator.runtime, inventory.states
            found = await forecast_installed(runtime, inventory, state)
    assert (state.num_ctx, found.num_ctx) == (UNKNOWN_CTX, 8192)


async def test_a_model_that_is_too_large_is_warned_of_and_not_refused() -> None:
    found = await forecast_of("gpt-oss:20b")
    assert found.too_large
    assert "it needs 15.6 GB of memory, there are 12.0 GB" in forecast_warning(found)
    assert "orch models recommend" in forecast_warning(found)


async def test_a_disk_without_room_is_an_error_that_names_its_folder() -> None:
    found = await forecast_of("gpt-oss:20b")
    with pytest.raises(OrchError, match=r"needs 14\.0 GB, and the disk of /models has 10\.5 GB"):
        check_disk(found)
    check_disk(replace(found, is_installed=True))  # most of it is there
    check_disk(replace(found, store=None))
    assert disk_warning(found) == ""
    check_disk(replace(found, store=ModelStore(Path("/models"), 10 * GB, partial_bytes=5 * GB)))


async def test_a_disk_that_is_a_guess_is_warned_of() -> None:
    found = await forecast_of("gpt-oss:20b")
    assert found.store is not None
    guessed = replace(found, store=found.store._replace(is_guess=True))
    check_disk(guessed)
    assert disk_warning(guessed) == (
        "gpt-oss:20b needs 14.0 GB, and the disk of /models has 10.5 GB free,"
        " if Ollama keeps its models there"
    )


async def test_of_an_unknown_model_the_size_stays_unknown() -> None:
    found = await forecast_of("someone/thing:7b")
    assert (found.size_bytes, found.memory_bytes, found.placement) == (None, None, None)
    assert forecast_text(found) == (
        "someone/thing:7b: size unknown, 10.5 GB free on its disk;"
        " the memory that it needs is not known"
    )
    check_disk(found)


async def test_an_installed_model_is_told_by_its_server() -> None:
    found = await forecast_of("mine:8b", FakeModel("mine:8b", size=20 * GB))
    assert (found.is_installed, found.size_bytes, found.too_large) == (True, 20 * GB, True)
    assert "20.0 GB (installed)" in forecast_text(found)
    check_disk(found)


async def test_the_memory_of_another_machine_is_not_this_ones() -> None:
    async with orchestrator_at("http://gpu.invalid:1") as orchestrator:
        inventory = await Orchestrator({"providers": {}, "models": []}).runtime.registry.snapshot()
        capacity = MachineCapacity(64 * GB)
        found = forecasting._forecast_pull(
            orchestrator.runtime, inventory, "qwen3:8b", "ollama", capacity
        )
    assert found.is_elsewhere
    assert "another machine" in forecast_text(found)


async def test_an_added_model_is_told_with_its_own_context() -> None:
    with FakeOllama([FakeModel("mine:8b", size=5 * GB)]) as server:
        async with orchestrator_at(server.url) as orchestrator:
            inventory = await orchestrator.runtime.registry.snapshot()
            found = await forecast_installed(orchestrator.runtime, inventory, inventory.states[0])
    assert (found.num_ctx, found.placement) == (8192, Placement.MEMORY)
    assert found.memory_bytes is not None
    assert found.memory_bytes > 5 * GB


@pytest.mark.parametrize(
    ("placement", "words"),
    [
        (Placement.GPU, "fits the GPU"),
        (Placement.SPLIT, "slower than on the GPU alone"),
        (Placement.MEMORY, "fits main memory"),
        (Placement.UNKNOWN, "what there is is not known"),
    ],
)
def test_the_text_says_where_it_will_stand(placement: Placement, words: str) -> None:
    assert words in forecast_text(replace(KNOWN, placement=placement))


async def test_a_provider_that_is_not_there_is_an_error_before_anything_is_told() -> None:
    async with orchestrator_at("http://127.0.0.1:1") as orchestrator:
        with pytest.raises(OrchError, match="no provider 'other'"):
            await forecast_pull(orchestrator.runtime, "qwen3:8b", "other")
