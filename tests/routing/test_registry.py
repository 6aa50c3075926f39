"""What there is to choose from: listed and unlisted models, what their servers and the journal say
of them, and what is guessed where neither does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orch import Orchestrator
from orch.hardware.device import Gpu, MainMemory
from orch.routing.machine.placement import GPU_RESERVE_BYTES
from orch.routing.model_state import DEFAULT_NUM_CTX, ModelState
from orch.routing.registry import Inventory, guess_speed_rating
from orch.routing.wording import elimination_text
from orch.types import Elimination
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.orchestrators import Json

LISTED, OTHER = "listed:8b", "other:8b"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """One model that models.yaml lists and one that it does not."""
    with FakeOllama([FakeModel(LISTED), FakeModel(OTHER)]) as running:
        yield running


async def survey(
    server: FakeOllama,
    *,
    facts: Json | None = None,
    named: bool | None = None,
    budget: Any = 100,
    **models: Any,
) -> Inventory:
    """What is there, with these facts about the listed model."""
    data = {
        "providers": {"ollama": {"kind": "ollama", "base_url": server.url}},
        "models": [{"id": LISTED, **(facts or {})}],
        **models,
    }
    async with Orchestrator(data, {"version": 1, "memory_budget_gb": budget}) as orchestrator:
        return await orchestrator.runtime.registry.snapshot(with_unlisted=named)


def of(found: Inventory, name: str) -> ModelState:
    """The state of one model."""
    (state,) = (state for state in found.states if state.spec.id == name)
    return state


# ---------------------------------------------------------------- who is there


@pytest.mark.parametrize(
    ("rule", "named", "there"),
    [("use", None, True), ("ignore", None, False), ("ignore", True, True), ("use", False, False)],
)
async def test_unlisted_models_take_part_as_models_yaml_says_and_always_where_one_is_named(
    server: FakeOllama, rule: str, named: bool | None, there: bool
) -> None:
    found = await survey(server, named=named, unlisted=rule)
    assert (OTHER in {state.spec.id for state in found.states}) is there
    assert found.use_unlisted is (rule == "use")


async def test_an_unlisted_model_is_marked_and_a_listed_one_is_there_once(
    server: FakeOllama,
) -> None:
    found = await survey(server)
    assert {state.spec.id: state.unlisted for state in found.states} == {LISTED: False, OTHER: True}


async def test_a_listed_model_that_is_not_installed_says_so(server: FakeOllama) -> None:
    server.remove(LISTED)
    assert of(await survey(server), LISTED).unavailable == Elimination("not_installed")


async def test_where_a_server_is_down_its_models_say_why_and_so_does_the_survey(
    server: FakeOllama,
) -> None:
    server.stop()
    found = await survey(server)
    elimination = of(found, LISTED).unavailable
    assert elimination is not None
    assert elimination.code == "provider_down"
    assert elimination_text(elimination).startswith("provider ollama is down: ")
    assert list(found.unreachable) == ["ollama"]


async def test_names_are_compared_with_their_tags(server: FakeOllama) -> None:
    server.add(FakeModel("plain:latest"))
    found = await survey(server, models=[{"id": "plain"}])
    assert [
        (state.spec.id, state.unavailable) for state in found.states if "plain" in state.spec.id
    ] == [("plain", None)]


# ---------------------------------------------------------------- what servers say


async def test_a_loaded_model_is_told_from_one_that_is_not(server: FakeOllama) -> None:
    server.resident[LISTED] = 16_384
    found = await survey(server)
    assert (of(found, LISTED).resident, of(found, LISTED).resident_ctx) == (True, 16_384)
    assert of(found, LISTED).resident_bytes > 0
    assert (
        of(found, OTHER).resident,
        of(found, OTHER).resident_ctx,
        of(found, OTHER).resident_bytes,
    ) == (False, None, 0)


@pytest.mark.parametrize(
    ("said", "window"),
    [({}, 32_768), ({"context_window": 4_096}, 4_096), ({"context_window": 131_072}, 32_768)],
)
async def test_a_window_is_never_larger_than_the_server_says(
    server: FakeOllama, said: Json, window: int
) -> None:
    assert of(await survey(server, facts=said), LISTED).context_window == window


async def test_where_the_server_says_nothing_the_default_is_the_window(server: FakeOllama) -> None:
    server.remove(LISTED)
    assert of(await survey(server), LISTED).context_window == DEFAULT_NUM_CTX


async def test_capabilities_and_cache_size_are_the_server_s_and_asked_once_a_digest(
    server: FakeOllama,
) -> None:
    server.models[LISTED].capabilities = ["completion", "tools"]
    first, again = await survey(server), await survey(server)
    assert (
        of(first, LISTED).capabilities
        == of(again, LISTED).capabilities
        == frozenset({"completion", "tools"})
    )
    # 32 layers, 8 KV heads of 128 wide, key and value, two bytes each
    assert of(first, LISTED).kv_bytes_per_token == 32 * 8 * (128 + 128) * 2
    assert len([request for request in server.requests if request.path == "/api/show"]) == 2
    server.models[LISTED].digest = "f" * 64
    server.models[LISTED].capabilities = ["completion"]
    assert of(await survey(server), LISTED).capabilities == frozenset({"completion"})


# ---------------------------------------------------------------- memory


async def test_a_budget_in_routing_yaml_is_gigabytes(server: FakeOllama) -> None:
    assert (await survey(server, budget=7.5)).memory_bytes == 7_500_000_000


async def test_auto_counts_what_is_free_and_what_loaded_models_would_give_back(
    server: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orch.hardware.devices.main_memory", lambda: MainMemory(10**13, 10**12))
    alone = (await survey(server, budget="auto")).memory_bytes
    server.resident[OTHER] = 8_192
    found = await survey(server, budget="auto")
    assert (alone, found.memory_bytes) == (10**12, 10**12 + of(found, OTHER).resident_bytes)


@pytest.mark.parametrize(("free", "budget"), [(10**12, 10**12), (10**6, 10**6 + 10**9)])
async def test_the_graphics_cards_are_asked_only_where_what_is_free_does_not_do(
    server: FakeOllama, monkeypatch: pytest.MonkeyPatch, free: int, budget: int
) -> None:
    monkeypatch.setattr("orch.hardware.devices.main_memory", lambda: MainMemory(10**13, free))
    gpus = (Gpu("card", 10**9 + GPU_RESERVE_BYTES, 10**9 + GPU_RESERVE_BYTES),)
    monkeypatch.setattr("orch.hardware.devices.read_gpus", lambda env: gpus)
    assert (await survey(server, budget="auto")).memory_bytes == budget


async def test_where_free_memory_is_not_known_there_is_no_limit(
    server: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orch.hardware.devices.main_memory", MainMemory)
    assert (await survey(server, budget="auto")).memory_bytes is None


# ---------------------------------------------------------------- what is guessed


def test_guessed_speeds_meet_the_shipped_ratings_and_stay_within_bounds() -> None:
    assert [guess_speed_rating(size) for size in (8.0, 14.8, 0.001, 9000.0, None)] == [
        7.8,
        6.5,
        9.5,
        1.0,
        6.0,
    ]


async def test_a_mixture_of_experts_is_as_fast_as_its_active_part(server: FakeOllama) -> None:
    server.add(FakeModel("gpt-oss:20b", parameter_size="20.9B"))
    assert of(await survey(server), "gpt-oss:20b").spec.speed_rating == guess_speed_rating(3.6)


async def test_a_speed_is_guessed_from_the_bytes_of_the_active_weights(
    server: FakeOllama,
) -> None:
    for name, size, gigabytes in (
        ("qwen3:8b", "8.2B", 5.2),
        ("qwen3:8b-q8_0", "8.2B", 8.9),
        ("qwen3:30b-a3b", "30.5B", 18.6),
    ):
        server.add(FakeModel(name, parameter_size=size, size=int(gigabytes * 1e9)))
    read = {
        name: of(await survey(server), name).bytes_per_token / 1e9
        for name in ("qwen3:8b", "qwen3:8b-q8_0", "qwen3:30b-a3b")
    }
    assert read == pytest.approx(
        {"qwen3:8b": 5.2, "qwen3:8b-q8_0": 8.9, "qwen3:30b-a3b": 18.6 * 3.3 / 30.5}, rel=0.02
    )
    assert of(await survey(server, facts={"speed_rating": 2}), LISTED).bytes_per_token == 0


async def test_a_speed_that_a_person_wrote_is_never_guessed(server: FakeOllama) -> None:
    assert of(await survey(server, facts={"speed_rating": 2}), LISTED).spec.speed_rating == 2
