"""Each sentence of routing.yaml's keys about the score, as a test that fails when the sentence is
no longer true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from orch.classifier.keyword_rules import forced_classification
from orch.config.discovery import packaged_file
from orch.config.spec import TERMS, TaskTypeRule
from orch.routing.model_state import ModelState
from orch.routing.scoring.expected_time import load_seconds
from orch.routing.scoring.policy import Policy
from orch.routing.scoring.ranking import profile_weights, rank_candidates
from orch.routing.scoring.score_terms import (
    TERM_FUNCTIONS,
    ScoringContext,
    base_fit,
    expected_quality,
    floor_rating,
    speed_score,
)
from orch.server.web.components.i18n import catalogue
from orch.server.web.components.terms import TERM_LABELS
from orch.types import (
    Candidate,
    Classification,
    Elimination,
    Estimate,
    EstimateBasis,
    Need,
    SpeedStats,
    TaskType,
)
from tests.support.scoring import EVEN, HI, policy_of, prior, shipped, state, sure

CODING = ((TaskType.CODING, 1.0),)


def alone(term: str) -> dict[str, float]:
    """Weights that let one term decide."""
    return dict.fromkeys(TERMS, 0.0) | {term: 1.0}


def ranked(
    *states: ModelState,
    rule: TaskTypeRule | None = None,
    weights: dict[str, float] | None = None,
    told: Classification | None = None,
    need: Need = HI,
) -> dict[str, Candidate]:
    """Every candidate by its id, best first."""
    return {
        each.model_id: each
        for each in rank_candidates(
            told or sure(), states, need, policy_of(rule or TaskTypeRule(), weights or EVEN)
        )
    }


# ---------------------------------------------------------------- fit


def test_fit_is_one_for_a_strength_a_half_for_nothing_and_zero_for_a_weakness() -> None:
    models = [
        state("strong", facts={"strengths": ("coding",)}),
        state("plain"),
        state("weak", facts={"weaknesses": ("coding",)}),
    ]
    assert [base_fit(each.spec, CODING) for each in models] == [1.0, 0.5, 0.0]
    assert {
        name: each.terms["fit"] for name, each in ranked(*models, weights=alone("fit")).items()
    } == {"strong": 1.0, "plain": 0.5, "weak": 0.0}


def test_the_first_place_in_prefer_adds_a_tenth_and_each_later_place_less() -> None:
    models = [state("a"), state("b"), state("c")]
    found = ranked(*models, rule=TaskTypeRule(prefer=("a", "b")), weights=alone("fit"))
    assert [found[name].terms["fit"] for name in "abc"] == pytest.approx([0.6, 0.55, 0.5])


# ---------------------------------------------------------------- quality


def test_quality_is_a_tenth_of_the_rating_until_something_was_learned() -> None:
    assert expected_quality(state("a", facts={"quality_rating": 8.5}), CODING) == 0.85
    assert (
        expected_quality(
            state(
                "a",
                facts={"quality_rating": 8.5},
                estimate=Estimate(0.4, 0.1, 9, EstimateBasis.MEASURED),
            ),
            CODING,
        )
        == 0.4
    )
    assert floor_rating(state("a", facts={"quality_rating": None}), CODING) == 6.0


@pytest.mark.parametrize(("difference", "equal"), [(0.0, True), (0.02, True), (0.021, False)])
def test_measured_qualities_within_quality_margin_count_as_equal(
    difference: float, equal: bool
) -> None:
    """At the margin itself two models are still equal."""
    top = state("top", estimate=Estimate(0.5, 0.05, 20, EstimateBasis.MEASURED))
    near = state("near", estimate=Estimate(0.5 - difference, 0.05, 20, EstimateBasis.MEASURED))
    policy = replace(policy_of(TaskTypeRule(), alone("quality")), quality_margin=0.02)
    terms = {
        each.model_id: each.terms["quality"]
        for each in rank_candidates(sure(), [top, near], HI, policy)
    }
    assert (terms["near"] == terms["top"]) is equal


@pytest.mark.parametrize(("n", "counts"), [(4, False), (5, True)])
def test_a_quality_counts_as_measured_from_five_graded_answers_on(n: int, counts: bool) -> None:
    top = state("top", estimate=Estimate(0.5, 0.05, 20, EstimateBasis.MEASURED))
    near = state("near", estimate=Estimate(0.49, 0.05, n, EstimateBasis.MEASURED))
    policy = replace(policy_of(TaskTypeRule(), alone("quality")), quality_margin=0.02)
    terms = {
        each.model_id: each.terms["quality"]
        for each in rank_candidates(sure(), [top, near], HI, policy)
    }
    assert (terms["near"] == terms["top"]) is counts


def test_a_model_that_can_not_be_asked_is_no_yardstick_for_the_others() -> None:
    gone = state(
        "gone",
        estimate=Estimate(0.9, 0.05, 20, EstimateBasis.MEASURED),
        unavailable=Elimination("not_installed"),
    )
    here = state("here", estimate=Estimate(0.89, 0.05, 20, EstimateBasis.MEASURED))
    assert ranked(gone, here, weights=alone("quality"))["here"].terms["quality"] == 0.89


# ---------------------------------------------------------------- the floor


def test_a_model_at_the_floor_holds_those_below_it_out() -> None:
    at, below = (
        state("at", facts={"quality_rating": 5}),
        state("below", facts={"quality_rating": 4.9, "speed_rating": 10}),
    )
    assert {
        name: each.eliminated_code
        for name, each in ranked(at, below, rule=TaskTypeRule(quality_floor=5)).items()
    } == {"at": "", "below": "quality_floor"}


def test_a_model_that_is_out_for_another_reason_holds_nobody_below_the_floor() -> None:
    good = state("good", unavailable=Elimination("provider_down"))
    low = state("low", facts={"quality_rating": 3})
    assert ranked(good, low, rule=TaskTypeRule(quality_floor=5))["low"].eliminated_code == ""


def test_a_last_resort_above_the_floor_holds_nobody_out() -> None:
    resort = state("resort", facts={"quality_rating": 9, "last_resort": True})
    low = state("low", facts={"quality_rating": 3})
    assert ranked(resort, low, rule=TaskTypeRule(quality_floor=5))["low"].eliminated_code == ""


def test_whoever_is_out_already_keeps_its_own_reason_below_the_floor() -> None:
    gone = state("gone", facts={"quality_rating": 3}, unavailable=Elimination("not_installed"))
    assert (
        ranked(gone, state("good"), rule=TaskTypeRule(quality_floor=5))["gone"].eliminated_code
        == "not_installed"
    )


# ---------------------------------------------------------------- speed


@pytest.mark.parametrize(
    ("seconds", "worth"),
    [(0.5, 1.0), (0.1, 1.0), (120.0, 0.0), (500.0, 0.0), ((0.5 * 120) ** 0.5, 0.5)],
)
def test_speed_falls_from_half_a_second_to_two_minutes_on_a_logarithmic_scale(
    seconds: float, worth: float
) -> None:
    assert speed_score(seconds) == pytest.approx(worth)


def test_expected_seconds_are_load_and_reading_and_writing_as_measured() -> None:
    model = state(
        "a", measured=SpeedStats(n=3, last_at=0.0, load_s=4.0, prefill_tps=100.0, decode_tps=10.0)
    )
    found = ranked(model, rule=TaskTypeRule(answer_tokens=50), need=Need(prompt_tokens=200))["a"]
    assert found.seconds == pytest.approx({"load": 4, "prefill": 2, "decode": 5, "eviction": 0})
    assert found.expected_s == pytest.approx(4 + 2 + 5)


def test_a_speed_rating_of_nine_is_115_tokens_a_second_and_ten_times_as_many_read() -> None:
    model = state("a", facts={"speed_rating": 9}, resident=True)
    decode = 3.0 * 1.5**9
    assert decode == pytest.approx(115, abs=1)
    found = ranked(model, rule=TaskTypeRule(answer_tokens=115), need=Need(prompt_tokens=100))["a"]
    assert found.expected_s == pytest.approx(100 / (10 * decode) + 115 / decode)


def test_a_load_takes_half_a_second_and_its_gigabytes_until_it_was_measured() -> None:
    assert load_seconds(state("a", facts={"memory_gb": 6.0}), 8_192) == pytest.approx(0.5 + 6 / 1.2)
    assert load_seconds(state("a", size_bytes=6 * 10**9), 8_192) == pytest.approx(0.5 + 6 / 1.2)
    assert load_seconds(state("a", measured=SpeedStats(n=1, last_at=0.0, load_s=2.5)), 8_192) == 2.5


def test_another_num_ctx_costs_a_load_of_its_own_and_the_loaded_one_costs_nothing() -> None:
    model = state(
        "a", resident=True, resident_ctx=8_192, measured=SpeedStats(n=1, last_at=0.0, load_s=2.5)
    )
    assert load_seconds(model, 8_192) == 0.0
    assert load_seconds(model, 16_384) == 2.5
    assert load_seconds(model._replace(resident_ctx=None), 16_384) == 0.0, (
        "a server that tells no context keeps its own"
    )


def test_a_long_prompt_that_needs_a_reload_is_charged_for_it_in_the_ranking() -> None:
    model = state(
        "a",
        resident=True,
        resident_ctx=8_192,
        measured=SpeedStats(n=1, last_at=0.0, load_s=60.0, prefill_tps=1e6, decode_tps=1e6),
    )
    short, long = (ranked(model, need=Need(prompt_tokens=tokens))["a"] for tokens in (100, 20_000))
    assert short.expected_s < 1
    assert 60 < long.expected_s < 61


def test_answer_tokens_of_the_type_are_what_a_usual_answer_takes() -> None:
    model = state(
        "a", resident=True, measured=SpeedStats(n=1, last_at=0.0, prefill_tps=1e6, decode_tps=10.0)
    )
    seconds = {
        tokens: ranked(model, rule=TaskTypeRule(answer_tokens=tokens))["a"].expected_s
        for tokens in (100, 400)
    }
    assert seconds == pytest.approx({100: 10.0, 400: 40.0}, abs=0.1)


@pytest.mark.parametrize(
    ("wished", "own", "seconds"),
    [(50, None, 5.0), (None, 30, 3.0), (1_000, None, 40.0), (50, 30, 3.0)],
)
def test_no_answer_is_expected_to_be_longer_than_it_may_be(
    wished: int | None, own: int | None, seconds: float
) -> None:
    model = state(
        "a",
        facts={"max_tokens": own},
        resident=True,
        measured=SpeedStats(n=1, last_at=0.0, prefill_tps=1e6, decode_tps=10.0),
    )
    assert ranked(model, rule=TaskTypeRule(answer_tokens=400), need=Need(20, max_tokens=wished))[
        "a"
    ].expected_s == pytest.approx(seconds, abs=0.1)


# ---------------------------------------------------------------- confidence


@pytest.mark.parametrize(("other", "term"), [(0.70, 1.0), (0.65, 1.0), (0.649, 0.6)])
def test_confidence_is_the_probability_of_the_types_at_which_the_model_is_as_good(
    other: float, term: float
) -> None:
    told = Classification(TaskType.CODING, 0.6, {TaskType.CODING: 0.6, TaskType.WRITING: 0.4})
    model = state("a", prior=prior(coding=0.7, writing=other))
    assert ranked(model, weights=alone("confidence"), told=told)["a"].terms[
        "confidence"
    ] == pytest.approx(term)


def test_a_type_that_was_forced_can_be_trusted_whatever_the_model() -> None:
    model = state("a", prior=prior(coding=0.2), facts={"weaknesses": ("coding",)})
    assert (
        ranked(
            model, weights=alone("confidence"), told=forced_classification(TaskType.CODING, "x")
        )["a"].terms["confidence"]
        == 1.0
    )


def test_a_strength_counts_in_fit_and_not_in_confidence() -> None:
    found = ranked(
        state("specialist", facts={"strengths": ("coding",)}),
        state("plain"),
        weights=alone("confidence"),
        told=sure(0.5),
    )
    assert {name: each.terms["confidence"] for name, each in found.items()} == pytest.approx(
        {"specialist": 1.0, "plain": 1.0}
    )


# ---------------------------------------------------------------- over all likely types


def test_fit_quality_floor_and_prefer_are_expectations_over_the_likely_types() -> None:
    told = Classification(TaskType.CODING, 0.6, {TaskType.CODING: 0.6, TaskType.WRITING: 0.4})
    model = state(
        "a",
        prior=prior(coding=0.8, writing=0.3),
        facts={"strengths": ("coding",), "weaknesses": ("writing",)},
    )
    rules = {
        TaskType.CODING: TaskTypeRule(quality_floor=6, prefer=("b", "a")),
        TaskType.WRITING: TaskTypeRule(quality_floor=6, prefer=("a",)),
    }
    context = ScoringContext.of(told, [model], [model], HI, Policy(EVEN, rules))
    assert context.floor == pytest.approx(6)
    (found,) = rank_candidates(told, [model], HI, Policy(EVEN, rules))
    assert found.quality == pytest.approx(0.6 * 0.8 + 0.4 * 0.3)
    assert found.terms["fit"] == pytest.approx(
        0.25 * (0.6 * 1.0 + 0.4 * 0.0 + 0.6 * 0.05 + 0.4 * 0.1)
    )


def test_the_floor_is_the_mean_of_the_likely_types_floors() -> None:
    told = Classification(TaskType.CODING, 0.5, {TaskType.CODING: 0.5, TaskType.SIMPLE: 0.5})
    rules = {
        TaskType.CODING: TaskTypeRule(quality_floor=6),
        TaskType.SIMPLE: TaskTypeRule(quality_floor=2),
    }
    models = [
        state("low", facts={"quality_rating": 3.9}),
        state("at", facts={"quality_rating": 4.0}),
    ]
    assert {
        each.model_id: each.eliminated_code
        for each in rank_candidates(told, models, HI, Policy(EVEN, rules))
    } == {"at": "", "low": "quality_floor"}


def test_a_floor_adds_to_a_prior_how_far_its_scale_lies_below_that_of_ratings() -> None:
    def found(gap: float) -> str:
        low = state("low", prior=replace(prior(coding=0.37), floor_gap=gap))
        return ranked(low, state("good"), rule=TaskTypeRule(quality_floor=5))["low"].eliminated_code

    assert (found(1.4), found(1.2)) == ("", "quality_floor")


def test_the_second_likely_type_can_decide_between_two_models() -> None:
    told = Classification(TaskType.CODING, 0.55, {TaskType.CODING: 0.55, TaskType.WRITING: 0.45})
    coder, writer = (
        state("coder", prior=prior(coding=0.8, writing=0.2)),
        state("writer", prior=prior(coding=0.75, writing=0.8)),
    )
    found = ranked(coder, writer, weights=alone("quality"), told=told)
    assert next(iter(found)) == "writer"
    assert next(iter(ranked(coder, writer, weights=alone("quality"), told=sure()))) == "coder"


@pytest.mark.parametrize(
    ("share", "reason"),
    [(0.85, "general, not loaded"), (0.65, "coding .65, writing .35, not loaded")],
)
def test_the_reason_names_the_likely_types_where_there_are_several(
    share: float, reason: str
) -> None:
    told = Classification(
        TaskType.CODING,
        share,
        {TaskType.CODING: share, TaskType.WRITING: 0.35 if share < 0.7 else 0.1},
    )
    assert ranked(state("a"), told=told)["a"].reason == reason


# ---------------------------------------------------------------- hard requirements


def test_a_model_that_only_embeds_is_never_asked_to_chat() -> None:
    found = ranked(state("embeds", capabilities=frozenset({"embedding"})))["embeds"]
    assert (found.eliminated_code, found.eliminated) == ("capability", "it only embeds")


def test_a_lacking_capability_eliminates_and_an_unknown_one_does_not() -> None:
    need = HI._replace(capabilities=frozenset({"completion", "tools", "vision"}))
    models = [
        state("plain", capabilities=frozenset({"completion"})),
        state("sees", capabilities=frozenset({"completion", "vision"})),
        state("unknown"),
    ]
    found = ranked(*models, need=need)
    assert {name: each.eliminated for name, each in found.items()} == {
        "plain": "it has no tools and no vision",
        "sees": "it has no tools",
        "unknown": None,
    }


def test_a_prompt_that_the_window_can_not_hold_eliminates_and_says_the_numbers() -> None:
    found = ranked(state("a"), need=Need(prompt_tokens=40_000))["a"]
    assert found.eliminated_code == "context_overflow"
    assert "it holds 32,768" in str(found.eliminated)


@pytest.mark.parametrize("exempt", [{"resident": True}, {"local": False}])
def test_memory_is_asked_of_models_on_this_machine_that_are_not_loaded(
    exempt: dict[str, Any],
) -> None:
    policy = policy_of(TaskTypeRule(), EVEN, memory_bytes=10**9)
    large = state("a", facts={"memory_gb": 9.0})
    assert (
        rank_candidates(sure(), [large], HI, policy)[0].eliminated
        == "needs 9.0 GB, there are 1.0 GB"
    )
    assert rank_candidates(sure(), [large._replace(**exempt)], HI, policy)[0].eliminated is None


def test_a_model_that_just_fits_into_memory_fits() -> None:
    policy = policy_of(TaskTypeRule(), EVEN, memory_bytes=9 * 10**9)
    assert (
        rank_candidates(sure(), [state("a", facts={"memory_gb": 9.0})], HI, policy)[0].eliminated
        is None
    )


# ---------------------------------------------------------------- ties and weights


def test_a_tie_goes_to_the_better_then_to_the_first_name_then_to_the_first_provider() -> None:
    near, far = state("a", facts={"provider": "near"}), state("a", facts={"provider": "far"})
    first = rank_candidates(sure(), [near, far, state("b")], HI, policy_of(TaskTypeRule(), EVEN))
    assert [(each.model_id, each.provider) for each in first] == [
        ("a", "far"),
        ("a", "near"),
        ("b", "ollama"),
    ]


@pytest.mark.parametrize(
    ("dial", "quality_weight", "speed_weight"),
    [(0, 0.0, 1.0), (2.5, 0.2, 0.65), (5, 0.4, 0.3), (7.5, 0.7, 0.15), (10, 1.0, 0.0)],
)
def test_the_dial_goes_in_straight_lines_from_speed_by_the_weights_to_quality(
    dial: float, quality_weight: float, speed_weight: float
) -> None:
    weights = profile_weights(shipped(), "balanced", dial)
    assert (weights["quality"], weights["speed"]) == pytest.approx((quality_weight, speed_weight))
    assert sum(weights.values()) == pytest.approx(1.0)


def test_balanced_are_the_weights_themselves_unless_a_profile_of_that_name_is_written() -> None:
    routing = shipped()
    assert profile_weights(routing, "balanced", None) == routing.weights.as_dict()
    own = replace(routing, profiles={"balanced": routing.profiles["speed"]})
    assert profile_weights(own, "balanced", None) == routing.profiles["speed"].as_dict()
    with pytest.raises(KeyError):
        profile_weights(routing, "best", None)


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("facts", "more", "reason"),
    [
        ({}, {}, "general, not loaded"),
        ({"strengths": ("coding",)}, {"resident": True}, "good at coding, loaded"),
        ({"weaknesses": ("coding",)}, {}, "weak at coding, not loaded"),
        ({"id": "first"}, {}, "best for coding, not loaded"),
        ({"id": "second"}, {}, "choice 2 for coding, not loaded"),
        (
            {"id": "second", "strengths": ("coding",)},
            {"unlisted": True},
            "choice 2 for coding, not loaded, unlisted",
        ),
    ],
)
def test_the_reason_says_what_the_score_was_made_of(
    facts: dict[str, object], more: dict[str, bool], reason: str
) -> None:
    model = state("a", facts=facts, **more)
    assert (
        ranked(model, rule=TaskTypeRule(prefer=("first", "second")))[model.spec.id].reason == reason
    )


def test_the_measured_best_model_is_not_called_as_good_as_itself() -> None:
    top = state("top", estimate=Estimate(0.5, 0.05, 20, EstimateBasis.MEASURED))
    found = ranked(top, state("other"))
    assert "as good as" not in found["top"].reason


# ---------------------------------------------------------------- one definition of the terms


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_complete(term: str) -> None:
    missing = _missing_parts(term)
    assert not missing, f"{term} still needs: {'; '.join(missing)}"


def test_there_is_no_part_of_a_term_that_is_not_a_weight() -> None:
    assert list(TERM_FUNCTIONS) == [term for term in TERMS if term in TERM_FUNCTIONS]
    assert set(TERM_LABELS) <= set(TERMS)


def _missing_parts(term: str) -> list[str]:
    """What a term still needs, by the steps of docs/architecture.md."""
    routing = yaml.safe_load(packaged_file("routing").read_text(encoding="utf-8"))
    rows = {"weights": routing["weights"], **routing["profiles"]}
    label = TERM_LABELS.get(term)
    texts = (label.name, label.description) if label else ()
    needs = {
        "a function in TERM_FUNCTIONS of orch/routing/scoring/score_terms.py": term
        in TERM_FUNCTIONS,
        "a label and colors in TERM_LABELS of orch/server/web/components/terms.py": label,
        "its texts in es.po: uv run python -m tests.support.catalogues": all(
            catalogue("es").gettext(text) != text for text in texts
        ),
        **{f"a weight in {name} of routing.yaml": term in row for name, row in rows.items()},
    }
    return [need for need, is_there in needs.items() if not is_there]
