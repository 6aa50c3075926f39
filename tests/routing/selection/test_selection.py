"""When a loaded model is left for another one: never for a slower one that is no better, and only
by a margin where one must be unloaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.orchestrator import build_task
from orch.routing.selection import prefer_loaded
from orch.types import Candidate, ModelKey, Reason, TaskType
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.orch_command import orch
from tests.support.orchestrators import fake, over

MARGIN = 0.05


def one(name: str, score: float = 0.5, **more: Any) -> Candidate:
    """A model that scores so."""
    return Candidate(
        name, name.upper(), "ollama", **{"score": score, "quality": 0.5, "expected_s": 5.0, **more}
    )


def first(
    *order: Candidate, margin: float = MARGIN, passed_over: frozenset[ModelKey] = frozenset()
) -> Candidate:
    """Who goes first of models in the order of their scores."""
    return prefer_loaded(order, margin, passed_over)[0]


# ---------------------------------------------------------------- slower and no better


@pytest.mark.parametrize(
    ("quality", "expected_s", "taken"),
    [(0.5, 4.9, "loaded"), (0.51, 4.9, "loaded"), (0.49, 4.9, "best"), (0.5, 5.0, "best")],
)
def test_a_loaded_model_that_is_sooner_and_no_worse_goes_before_the_best_score(
    quality: float, expected_s: float, taken: str
) -> None:
    loaded = one(
        "loaded",
        0.4,
        resident=True,
        quality=quality,
        expected_s=expected_s,
        reasons=(Reason("general"), Reason("loaded")),
    )
    found = first(one("best", 0.9), loaded)
    assert found.model_id == taken
    assert taken == "best" or found.reason == "general, loaded; BEST would be slower and no better"


def test_a_model_that_is_not_loaded_takes_no_place_by_that() -> None:
    assert (
        first(one("best", 0.9), one("other", 0.4, quality=0.9, expected_s=1.0)).model_id == "best"
    )


def test_a_loaded_model_is_left_for_a_loaded_one_that_is_sooner_and_no_worse() -> None:
    slow, middle, fast = (
        one(name, 0.9 - n / 10, resident=True, expected_s=9.0 - n)
        for n, name in enumerate(("slow", "middle", "fast"))
    )
    assert first(slow, middle, fast).model_id == "fast"


def test_a_loaded_model_that_is_out_is_not_put_first() -> None:
    assert (
        first(
            one("best"), one("out", 0.4, resident=True, expected_s=1.0, eliminated="it only embeds")
        ).model_id
        == "best"
    )


def test_a_last_resort_is_never_put_first_for_being_loaded() -> None:
    resort = one("resort", 0.1, resident=True, expected_s=1.0)
    assert first(one("best"), resort, passed_over=frozenset({resort.key})).model_id == "best"


CANDIDATES = st.lists(
    st.builds(
        one,
        st.sampled_from("abcdef"),
        st.floats(0, 1),
        quality=st.floats(0, 1),
        expected_s=st.floats(0, 100),
        resident=st.booleans(),
        evicts=st.integers(0, 1),
    ),
    min_size=1,
    unique_by=lambda each: each.model_id,
)


@settings(deadline=None)
@given(CANDIDATES, st.floats(0, 1))
def test_whoever_is_taken_no_loaded_model_is_sooner_and_no_worse(
    candidates: list[Candidate], margin: float
) -> None:
    order = tuple(sorted(candidates, key=lambda each: -each.score))
    ordered = prefer_loaded(order, margin)
    taken = ordered[0]
    assert not [
        each
        for each in order
        if each.resident and each.quality >= taken.quality and each.expected_s < taken.expected_s
    ]
    assert sorted(each.model_id for each in ordered) == sorted(each.model_id for each in order)
    assert [each.model_id for each in ordered[1:]] == [
        each.model_id for each in order if each.key != taken.key
    ]


# ---------------------------------------------------------------- by a margin


@pytest.mark.parametrize(
    ("better_by", "evicts", "taken"), [(0.049, 1, "loaded"), (0.051, 1, "best"), (0.001, 0, "best")]
)
def test_another_model_is_unloaded_only_for_one_that_scores_better_by_swap_margin(
    better_by: float, evicts: int, taken: str
) -> None:
    loaded = one(
        "loaded", 0.5, resident=True, quality=0.4, reasons=(Reason("general"), Reason("loaded"))
    )
    found = first(one("best", 0.5 + better_by, quality=0.9, evicts=evicts), loaded)
    assert found.model_id == taken
    assert (
        taken == "best"
        or found.reason
        == "general, loaded; BEST is better by less than 0.05, which loading it would take"
    )


def test_the_margin_is_over_the_best_of_the_loaded_models() -> None:
    low, high = (
        one("low", 0.2, resident=True, quality=0.1),
        one("high", 0.48, resident=True, quality=0.1),
    )
    assert first(one("best", 0.5, quality=0.9, evicts=1), high, low).model_id == "high"


# ---------------------------------------------------------------- as a user meets it

TASK, A, B = "Tell me about the sea", "a:1b", "b:1b"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """Two models on one server, the first one rated best."""
    with fake(A, B) as running:
        yield running


def listed(**of_a: Any) -> list[dict[str, Any]]:
    """Both models, rated alike but for what is said of the first."""
    return [{"id": A, "quality_rating": 7, **of_a}, {"id": B, "quality_rating": 7}]


async def decided(server: FakeOllama, models: list[dict[str, Any]], **routing: Any) -> Any:
    """The decision for a task."""
    async with over({"ollama": server}, models=models, **routing) as orchestrator:
        return await orchestrator.decide_task(build_task(TASK))


@pytest.mark.parametrize("excuse", [{"strengths": [each.value for each in TaskType]}, {}])
async def test_neither_strengths_nor_prefer_excuse_a_slower_model_that_is_no_better(
    server: FakeOllama, excuse: dict[str, Any]
) -> None:
    server.resident = {B: 8_192}
    types = {} if excuse else {"task_types": {each.value: {"prefer": [A]} for each in TaskType}}
    fit = {"fit": 1, "quality": 0, "speed": 0, "confidence": 0}
    found = await decided(server, listed(**excuse), weights=fit, **types)
    assert found.model_id == B
    assert "would be slower and no better" in found.reason
    assert found.candidates[0].model_id == B
    server.resident.clear()
    assert (await decided(server, listed(**excuse), weights=fit, **types)).model_id == A


async def test_swap_margin_of_routing_yaml_keeps_a_loaded_model(server: FakeOllama) -> None:
    server.resident = {B: 8_192}
    taken = {}
    for margin in (0.0, 1.0):
        found = await decided(
            server,
            listed(quality_rating=10),
            swap_margin=margin,
            memory_budget_gb=6,
            weights={"fit": 0, "quality": 1, "speed": 0, "confidence": 0},
        )
        taken[margin] = found.model_id, "which loading it would take" in found.reason
    assert taken == {0.0: (A, False), 1.0: (B, True)}


async def test_a_model_that_is_named_is_asked_whatever_is_loaded(server: FakeOllama) -> None:
    server.resident = {B: 8_192}
    async with over({"ollama": server}, models=listed()) as orchestrator:
        assert (await orchestrator.decide_task(build_task(TASK, model=A))).model_id == A


async def test_a_conversation_too_leaves_its_model_for_a_loaded_one_that_is_sooner_and_no_worse(
    server: FakeOllama,
) -> None:
    server.resident = {B: 8_192}
    async with over({"ollama": server}, models=listed(), session_margin=1) as orchestrator:
        assert (
            await orchestrator.decide_task(build_task(TASK, stay_with=ModelKey("ollama", A)))
        ).model_id == B


async def test_loaded_under_another_name_of_its_digest_is_loaded() -> None:
    with FakeOllama(
        [
            FakeModel("qwen3:8b", digest="d" * 64),
            FakeModel("qwen3:latest", digest="d" * 64),
            FakeModel("other:8b"),
        ]
    ) as server:
        server.resident = {"qwen3:8b": 8_192}
        async with over(
            {"ollama": server},
            models=[{"id": "qwen3", "quality_rating": 7}, {"id": "other:8b", "quality_rating": 7}],
        ) as it:
            found = await it.decide_task(build_task(TASK))
    assert {each.model_id: each.seconds["load"] > 0 for each in found.candidates} == {
        "qwen3": False,
        "qwen3:8b": False,
        "other:8b": True,
    }


def test_the_journal_s_answers_say_how_likely_a_loaded_model_is_wanted_next(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reload of a model that answered of late costs more than that of one that did not."""
    monkeypatch.setenv("OLLAMA_MAX_LOADED_MODELS", "1")
    costs = []
    for asked in (1, 3):
        for _ in range(asked):
            assert orch("run", "--fresh", "-m", next(iter(ollama.models)), "hello").returncode == 0
        told = json.loads(orch("route", "--json", "hello").stdout)
        costs.append(
            max(each["seconds"].get("eviction", 0.0) for each in told["decision"]["candidates"])
        )
    assert 0 < costs[0] < costs[1]


def test_route_shows_what_the_seconds_are_spent_on(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_MAX_LOADED_MODELS", "1")
    monkeypatch.setenv("COLUMNS", "300")
    first_model = next(iter(ollama.models))
    assert orch("run", "-m", first_model, "hello").returncode == 0
    shown = orch("route", "hello").stdout.decode()
    assert " = load " in shown
    assert "unloads 1 (" in shown


def test_replay_takes_for_loaded_what_was_loaded_then(ollama: FakeOllama) -> None:
    assert orch("run", "hello").returncode == 0
    ollama.resident.clear()
    assert json.loads(orch("replay", "--json").stdout)["changed"] == 0
