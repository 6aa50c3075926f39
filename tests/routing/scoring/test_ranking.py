"""The choice: no order of the input changes it, no hard requirement is only a matter of score, and
every wish moves it the right way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch import OrchError, Orchestrator
from orch.config.spec import ModelSpec, TaskTypeRule
from orch.routing.model_state import ModelState
from orch.routing.scoring.policy import Policy
from orch.routing.scoring.ranking import profile_weights, rank_candidates
from orch.types import (
    Classification,
    Decision,
    Elimination,
    Estimate,
    EstimateBasis,
    Need,
    SpeedStats,
    TaskType,
)
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.scoring import EVEN, HI, best, policy_of, shipped, state, sure
from tests.support.untimed import untimed

SMALL, MIDDLE, LARGE = "small:3b", "middle:8b", "large:14b"
MODELS: list[dict[str, Any]] = [
    {"id": SMALL, "speed_rating": 9.5, "quality_rating": 5, "memory_gb": 2},
    {"id": MIDDLE, "speed_rating": 7.5, "quality_rating": 7.5, "memory_gb": 5},
    {"id": LARGE, "speed_rating": 4, "quality_rating": 8.5, "memory_gb": 9},
]
TASK = "Tell me about the sea"

# ---------------------------------------------------------------- whatever the models are

RATINGS = st.none() | st.integers(0, 100).map(lambda tenths: tenths / 10)
TYPES = st.lists(st.sampled_from([*map(str, TaskType), "debugging"]), unique=True, max_size=4).map(
    tuple
)
SPECS = st.builds(
    ModelSpec,
    id=st.sampled_from("abcdef"),
    provider=st.sampled_from(["here", "there"]),
    strengths=TYPES,
    weaknesses=TYPES,
    num_ctx=st.none() | st.integers(256, 65_536),
    max_tokens=st.none() | st.integers(1, 8_192),
    speed_rating=RATINGS,
    quality_rating=RATINGS,
    memory_gb=st.none() | st.floats(0, 50),
)
RATES = st.none() | st.floats(0.1, 1e4)
MEASURED = st.builds(
    SpeedStats,
    n=st.just(3),
    last_at=st.just(1e9),
    load_s=RATES,
    prefill_tps=RATES,
    decode_tps=RATES,
    token_ratio=RATES,
)
STATES = st.lists(
    st.builds(
        lambda **fields: ModelState(**fields),  # of a named tuple it would draw every field
        spec=SPECS,
        unavailable=st.sampled_from([None, None, None, Elimination("not_installed")]),
        local=st.booleans(),
        resident=st.booleans(),
        resident_ctx=st.none() | st.integers(256, 65_536),
        size_bytes=st.integers(0, 50_000_000_000),
        capabilities=st.sampled_from(
            [
                None,
                frozenset({"completion"}),
                frozenset({"completion", "vision", "tools"}),
                frozenset({"embedding"}),
            ]
        ),
        context_window=st.integers(256, 131_072),
        kv_bytes_per_token=st.none() | st.integers(0, 1_000_000),
        measured=st.none() | MEASURED,
        fixed_ctx=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda each: (each.spec.id, each.spec.provider),
)
NEEDS = st.builds(
    lambda **fields: Need(**fields),
    prompt_tokens=st.integers(0, 50_000),
    max_tokens=st.none() | st.integers(1, 8_192),
    capabilities=st.sampled_from([frozenset({"completion"}), frozenset({"completion", "vision"})]),
)
TOLD = st.builds(sure, st.floats(0, 1), st.sampled_from(TaskType))
WISHES = st.tuples(st.sampled_from(["balanced", "speed", "quality"]), st.none() | st.floats(0, 10))
RULES = st.builds(
    TaskTypeRule,
    prefer=st.lists(st.sampled_from("abcxyz"), unique=True, max_size=3).map(tuple),
    quality_floor=RATINGS.map(lambda r: r or 0.0),
)


POLICIES = st.builds(
    lambda wish, *rest: policy_of(rest[0], profile_weights(shipped(), *wish), rest[1]),
    WISHES,
    RULES,
    st.none() | st.integers(0, 10**11),
)


@untimed
@given(STATES, TOLD, NEEDS, POLICIES, st.randoms())
def test_the_order_of_the_models_changes_nothing(
    states: list[ModelState],
    told: Classification,
    need: Need,
    policy: Policy,
    chance: random.Random,
) -> None:
    shuffled = chance.sample(states, len(states))
    assert rank_candidates(told, shuffled, need, policy) == rank_candidates(
        told, states, need, policy
    )


@untimed
@given(STATES, TOLD, NEEDS, POLICIES)
def test_every_model_is_ranked_and_none_that_is_out_stands_above_one_that_can(
    states: list[ModelState], told: Classification, need: Need, policy: Policy
) -> None:
    ranked = rank_candidates(told, states, need, policy)
    out = [candidate.eliminated is not None for candidate in ranked]
    assert out == sorted(out)
    assert sorted((c.model_id, c.provider) for c in ranked) == sorted(
        (s.spec.id, s.spec.provider) for s in states
    )
    assert all(bool(c.eliminated) == bool(c.eliminated_code) for c in ranked)
    assert all(c.terms for c in ranked if not c.eliminated)


@untimed
@given(STATES, TOLD, NEEDS, POLICIES)
def test_the_terms_are_the_weights_by_name_and_sum_to_the_falling_score(
    states: list[ModelState], told: Classification, need: Need, policy: Policy
) -> None:
    able = [
        candidate
        for candidate in rank_candidates(told, states, need, policy)
        if not candidate.eliminated
    ]
    assert all(candidate.terms.keys() == policy.weights.keys() for candidate in able)
    assert [candidate.score for candidate in able] == pytest.approx(
        [sum(candidate.terms.values()) for candidate in able]
    )
    assert [candidate.score for candidate in able] == sorted(
        (candidate.score for candidate in able), reverse=True
    )


@untimed
@given(STATES, TOLD, NEEDS, POLICIES)
def test_whoever_can_take_a_task_holds_its_prompt(
    states: list[ModelState], told: Classification, need: Need, policy: Policy
) -> None:
    by_name = {(each.spec.id, each.spec.provider): each for each in states}
    for candidate in (
        each for each in rank_candidates(told, states, need, policy) if not each.eliminated
    ):
        model = by_name[candidate.model_id, candidate.provider]
        assert (
            model.corrected_tokens(need.prompt_tokens)
            < (candidate.num_ctx or 0)
            <= model.context_window
        )
        assert need.capabilities <= (model.capabilities or need.capabilities)


@untimed
@given(STATES.filter(bool), TOLD, NEEDS, POLICIES)
def test_a_model_never_loses_by_being_loaded(
    states: list[ModelState], told: Classification, need: Need, policy: Policy
) -> None:
    first, *others = states
    places = []
    for resident in (False, True):
        ranked = rank_candidates(
            told, [first._replace(resident=resident, resident_ctx=None), *others], need, policy
        )
        places.append(
            [(c.model_id, c.provider) for c in ranked].index((first.spec.id, first.spec.provider))
        )
    assert places[1] <= places[0]


# ---------------------------------------------------------------- the four terms


def test_equal_models_stand_in_the_order_of_their_names() -> None:
    assert best(state("b"), state("a"), state("c")).model_id == "a"


def test_an_equal_score_goes_to_the_better_model() -> None:
    fast, good = (
        state("fast", facts={"quality_rating": 5}),
        state("good", facts={"quality_rating": 7.5, "weaknesses": ("coding",)}),
    )
    ranked = rank_candidates(
        sure(),
        [fast, good],
        HI,
        policy_of(TaskTypeRule(), {"fit": 0.25, "quality": 0.5, "speed": 0.25, "confidence": 0.0}),
    )
    assert ranked[0].score == ranked[1].score
    assert ranked[0].model_id == "good"


def test_a_loaded_model_wins_unless_the_other_one_is_much_better() -> None:
    weights = shipped().weights.as_dict()
    warm, cold = state("warm", resident=True), {"memory_gb": 9.0}
    assert (
        best(warm, state("cold", facts={**cold, "quality_rating": 7.5}), weights=weights).model_id
        == "warm"
    )
    assert (
        best(
            state("warm"),
            state("cold", facts={**cold, "quality_rating": 7.5}, resident=True),
            weights=weights,
        ).model_id
        == "cold"
    )
    assert (
        best(warm, state("cold", facts={**cold, "quality_rating": 10}), weights=weights).model_id
        == "cold"
    )


def test_the_place_in_prefer_adds_to_fit_and_an_alias_counts() -> None:
    models = [state("a"), state("b"), state("c", facts={"aliases": ("short",)})]
    ranked = rank_candidates(
        sure(), models, HI, policy_of(TaskTypeRule(prefer=("short", "b", "missing")), EVEN)
    )
    fit = {candidate.model_id: candidate.terms["fit"] for candidate in ranked}
    assert fit["c"] > fit["b"] > fit["a"]
    assert ranked[0].reason.startswith("best for coding")


def test_a_term_without_a_weight_counts_nothing() -> None:
    """As in decisions that were recorded before the term existed."""
    policy = policy_of(TaskTypeRule(), {"fit": 0.0, "quality": 1.0, "speed": 0.0})
    (found,) = rank_candidates(sure(), [state("a")], HI, policy)
    assert (found.terms["confidence"], found.score) == (0.0, found.terms["quality"])


def _judged(name: str, mean: float, speed: float, n: int = 20) -> ModelState:
    return state(
        name,
        facts={"speed_rating": speed},
        estimate=Estimate(mean, 0.05, n, EstimateBasis.MEASURED),
    )


@pytest.mark.parametrize(
    ("mean", "n", "first"), [(0.79, 20, "sooner"), (0.70, 20, "better"), (0.79, 2, "better")]
)
def test_the_sooner_model_is_enough_where_it_was_measured_to_be_as_good(
    mean: float, n: int, first: str
) -> None:
    weights = {"fit": 0.0, "quality": 0.99, "speed": 0.01, "confidence": 0.0}
    policy = Policy.from_routing(shipped(), weights, None)
    found = rank_candidates(
        sure(), [_judged("better", 0.80, 7), _judged("sooner", mean, 8, n)], HI, policy
    )
    assert found[0].model_id == first
    assert ("as good as better here" in found[0].reason) == (first == "sooner")


def test_what_was_learned_goes_before_the_rating_and_is_said() -> None:
    found = rank_candidates(
        sure(),
        [_judged("rated-low", 0.9, 7), state("rated-high", facts={"quality_rating": 8})],
        HI,
        policy_of(TaskTypeRule(), EVEN),
    )
    assert found[0].model_id == "rated-low"
    assert found[0].provenance["quality"] == "measured (n=20)"
    assert found[1].provenance["quality"] == "rated"


def test_a_model_at_the_floor_is_not_below_it() -> None:
    for rating in (tenths / 10 for tenths in range(101)):
        at_floor, above = (
            state("at", facts={"quality_rating": rating}),
            state("above", facts={"quality_rating": 10}),
        )
        ranked = rank_candidates(
            sure(), [at_floor, above], HI, policy_of(TaskTypeRule(quality_floor=rating), EVEN)
        )
        assert [candidate.eliminated for candidate in ranked] == [None, None], rating


def test_a_model_below_the_floor_is_passed_over_unless_all_are() -> None:
    low, high = state("low", facts={"quality_rating": 3, "speed_rating": 10}), state("high")
    assert [
        c.eliminated_code
        for c in rank_candidates(
            sure(), [low, high], HI, policy_of(TaskTypeRule(quality_floor=5), EVEN)
        )
    ] == ["", "quality_floor"]
    assert best(low, quality_floor=5).eliminated is None


@pytest.mark.parametrize(("prompt_tokens", "code"), [(20, ""), (20_000, "memory")])
def test_memory_counts_the_cache_of_the_context_that_is_needed(
    prompt_tokens: int, code: str
) -> None:
    # 5 GB of weights; the cache takes 1 GB at 8,192 tokens and 4 GB at 32,768
    model = state("a", size_bytes=5 * 10**9, kv_bytes_per_token=131_072)
    ranked = rank_candidates(
        sure(),
        [model],
        Need(prompt_tokens),
        policy_of(TaskTypeRule(), EVEN, memory_bytes=7 * 10**9),
    )
    assert ranked[0].eliminated_code == code


# ---------------------------------------------------------------- decide


@pytest.fixture
def machine() -> Iterator[FakeOllama]:
    """A fake Ollama that has the three models."""
    with FakeOllama([FakeModel(str(model["id"])) for model in MODELS]) as server:
        yield server


def served(machine: FakeOllama, budget_gb: float = 100) -> Orchestrator:
    """An orchestrator with the three models."""
    models = {
        "providers": {"ollama": {"kind": "ollama", "base_url": machine.url}},
        "models": MODELS,
    }
    return Orchestrator(models, {"version": 1, "memory_budget_gb": budget_gb})


async def decide(machine: FakeOllama, budget_gb: float = 100, **wishes: Any) -> Decision:
    """The decision for TASK."""
    async with served(machine, budget_gb) as orchestrator:
        return orchestrator.decide(TASK, **wishes)


@pytest.mark.parametrize(
    ("wish", "first"),
    [
        ({"profile": "speed"}, SMALL),
        ({"profile": "quality"}, LARGE),
        ({"dial": 0}, SMALL),
        ({"dial": 5}, MIDDLE),
        ({"dial": 10}, LARGE),
        ({}, MIDDLE),
    ],
    ids=str,
)
async def test_profile_and_dial_change_the_choice(
    machine: FakeOllama, wish: dict[str, Any], first: str
) -> None:
    decision = await decide(machine, **wish)
    assert decision.model_id == first
    assert sum(decision.weights.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "wish",
    [
        {"profile": "speed", "dial": 2},
        {"profile": "best"},
        {"dial": 11},
        {"dial": float("nan")},
        {"task_type": "poem"},
    ],
    ids=str,
)
async def test_a_wish_that_makes_no_sense_is_a_usage_error(
    machine: FakeOllama, wish: dict[str, Any]
) -> None:
    with pytest.raises(OrchError) as caught:
        await decide(machine, **wish)
    assert caught.value.exit_code == 2


async def test_a_model_that_memory_can_not_hold_is_out_unless_it_is_loaded(
    machine: FakeOllama,
) -> None:
    out = {
        candidate.model_id: candidate.eliminated_code
        for candidate in (await decide(machine, budget_gb=7)).candidates
    }
    assert out == {SMALL: "", MIDDLE: "", LARGE: "memory"}
    machine.resident[LARGE] = 8_192
    assert (await decide(machine, budget_gb=7, profile="quality")).model_id == LARGE


async def test_naming_a_model_overrules_memory_and_says_so(machine: FakeOllama) -> None:
    async with served(machine, budget_gb=7) as orchestrator:
        result = await orchestrator.execute(TASK, model=LARGE)
    assert (result.decision.model_id, result.decision.pinned, result.decision.reason) == (
        LARGE,
        True,
        "named by you",
    )
    assert any("needs 9.0 GB, there are 7.0 GB" in warning for warning in result.warnings)


async def test_one_name_on_two_providers_is_two_models(machine: FakeOllama) -> None:
    with FakeOllama([FakeModel(SMALL)]) as other:
        servers = {
            "near": {"kind": "ollama", "base_url": machine.url},
            "far": {"kind": "ollama", "base_url": other.url},
        }
        async with Orchestrator(
            {"providers": servers}, {"version": 1, "memory_budget_gb": 100}
        ) as orchestrator:
            chosen = [
                orchestrator.decide(TASK, model=f"{name}/{SMALL}").provider for name in servers
            ]
    assert chosen == ["near", "far"]
