"""The cached inventory: how old it may be, and what makes the providers be asked again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orch.server import cached_registry
from orch.server.cached_registry import FRESH_S, STALE_S, CachedRegistry
from orch.server.service import Service
from orch.types import ModelKey
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama


class Clock:
    """A manual clock, in place of the module's `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(cached_registry, "time", clock)
    return clock


@pytest.fixture
async def registry(ollama: FakeOllama) -> AsyncIterator[CachedRegistry]:
    service = Service.create(None)
    cached = service.orchestrator.runtime.registry
    assert isinstance(cached, CachedRegistry)
    yield cached
    await service.aclose()


def listings(ollama: FakeOllama) -> int:
    """How often the provider was asked for its models."""
    return sum(request.path == "/api/tags" for request in ollama.requests)


async def test_an_inventory_is_used_again_while_it_is_fresh(
    registry: CachedRegistry, ollama: FakeOllama, clock: Clock
) -> None:
    first = await registry.snapshot()
    clock.now += FRESH_S / 2
    assert await registry.snapshot() is first
    assert listings(ollama) == 1


async def test_a_stale_inventory_is_used_while_a_new_one_is_made(
    registry: CachedRegistry, ollama: FakeOllama, clock: Clock
) -> None:
    first = await registry.snapshot()
    clock.now += FRESH_S
    assert await registry.snapshot() is first
    refresh = registry._refresh
    assert refresh is not None
    await refresh
    assert await registry.snapshot() is not first
    assert listings(ollama) == 2


async def test_an_old_inventory_is_not_used(
    registry: CachedRegistry, ollama: FakeOllama, clock: Clock
) -> None:
    first = await registry.snapshot()
    clock.now += STALE_S
    assert await registry.snapshot() is not first


async def test_an_invalid_inventory_is_not_used(
    registry: CachedRegistry, ollama: FakeOllama, clock: Clock
) -> None:
    first = await registry.snapshot()
    registry.invalidate()
    assert await registry.snapshot() is not first
    assert listings(ollama) == 2


async def test_a_refresh_that_was_invalidated_meanwhile_is_not_kept(
    registry: CachedRegistry, clock: Clock
) -> None:
    refresh = registry._start_refresh()
    registry.invalidate()
    await refresh
    assert registry._cached is None


async def test_a_model_that_has_answered_counts_as_loaded_until_the_next_inventory(
    registry: CachedRegistry, clock: Clock
) -> None:
    await registry.snapshot()
    registry.note_loaded(ModelKey("ollama", CODER), 8_192)
    states = {state.spec.id: state for state in (await registry.snapshot()).states}
    assert (states[CODER].resident, states[CODER].resident_ctx) == (True, 8_192)
    assert not states[LLAMA].resident


async def test_unlisted_models_are_left_out_on_request(
    registry: CachedRegistry, ollama: FakeOllama, clock: Clock
) -> None:
    ollama.add(FakeModel("zebra"))
    everything = await registry.snapshot(with_unlisted=True)
    listed = await registry.snapshot(with_unlisted=False)
    assert "zebra:latest" in {state.spec.id for state in everything.states}
    assert "zebra:latest" not in {state.spec.id for state in listed.states}


async def test_a_model_whose_use_ended_while_the_providers_were_asked_counts_as_being_loaded(
    registry: CachedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = [frozenset({ModelKey("ollama", CODER)})]
    monkeypatch.setattr(registry, "in_use", lambda: used.pop() if used else frozenset())
    inventory = await registry.snapshot()
    assert inventory.memory is not None
    assert [each.key.model for each in inventory.memory.resident] == [CODER]
