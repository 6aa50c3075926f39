"""Scores a model for a task by four terms, each an expectation over the types that the task may
have (pure)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from orch.config.spec import DEFAULT_RATING, ModelSpec
from orch.routing.model_state import ModelState
from orch.routing.scoring.expected_time import MachinePace, TimeContext, TimeEstimate
from orch.routing.scoring.policy import Policy, TypeShares
from orch.text.model_names import comparison_key
from orch.types import Classification, Need, TaskType

PREFER_BONUS = 0.1
CONFIDENCE_GAP = 0.05
"""How much worse than at the first type a model may be at another one and still count as trusted
there. .02 costs quality, over simulated days."""
MIN_NAMED_SHARE = 0.15
"""The probability from which a type beside the first one is named in the reason."""
FASTEST_S, SLOWEST_S = 0.5, 120.0
"""Expected seconds that give a speed of 1 and of 0, on a logarithmic scale between."""
MIN_GRADES = 5
"""Graded answers to such tasks from which two models are compared by them: 20 a type settle an
order, a quarter of that tells that two are close."""
TASKS_PER_LOAD = 10
"""Tasks over which a load is spread if nothing is loaded: some model must be loaded in any case. 1
and 5 are too few, over simulated days."""


class ScoringContext(NamedTuple):
    """What all models of one ranking share: computed once."""

    classification: Classification
    policy: Policy
    shares: TypeShares
    named_shares: Mapping[str, float]
    """The likely types with their probability, if there is more than one, else empty."""
    floor: float
    """The least quality, 0 to 10; 0 if no model reaches it, since the best of them still beats no
    answer."""
    preferred: Mapping[str, tuple[float, int]]
    """By full model name: what its places in `prefer` add to fit, over all types, and its place at
    the first type (0: none)."""
    times: TimeContext
    loads_spread: bool
    best: ModelState | None

    @classmethod
    def of(
        cls,
        classification: Classification,
        states: Sequence[ModelState],
        able: Sequence[ModelState],
        need: Need,
        policy: Policy,
        pace: MachinePace | None = None,
    ) -> ScoringContext:
        """The context of a ranking of these models; `able` meet the hard requirements of the
        task, `pace` is theirs if it is known."""
        shares = type_shares(classification)
        pace = pace or MachinePace.of([state for state in states if not state.unavailable])
        rules = policy.rules_of(shares)
        floor = sum([one[1] * rule.quality_floor for one, rule in zip(shares, rules, strict=True)])
        if floor and all(
            is_below_floor(state, shares, floor) for state in able if not state.spec.last_resort
        ):
            floor = 0.0
        return cls(
            classification=classification,
            policy=policy,
            shares=shares,
            named_shares=_named_shares(shares),
            floor=floor,
            preferred=_preferred(classification.task_type, policy, shares),
            times=TimeContext.of(pace, need, policy, shares),
            loads_spread=not any(
                state.resident and not is_below_floor(state, shares, floor) for state in able
            ),
            best=_best_measured(states),
        )


def type_shares(classification: Classification) -> TypeShares:
    """Each type with a probability above 0, the likeliest first; the task's one type if there are
    no scores."""
    # of lists, not of generators, which take twice as long
    likely = [pair for pair in classification.scores.items() if pair[1] > 0]
    likely.sort(key=itemgetter(1), reverse=True)
    total = sum([share for _, share in likely])
    return tuple([(each, share / total) for each, share in likely]) or (
        (classification.task_type, 1.0),
    )


def _named_shares(shares: TypeShares) -> dict[str, float]:
    named = {str(each): share for each, share in shares if share >= MIN_NAMED_SHARE}
    return named if len(named) > 1 else {}


# ---------------------------------------------------------------- fit


def base_fit(spec: ModelSpec, shares: TypeShares) -> float:
    """1 for a strength, 0 for a weakness, else .5; over the likely types."""
    if not spec.strengths and not spec.weaknesses:
        return 0.5
    return sum(
        [
            share * (1.0 if each in spec.strengths else 0.0 if each in spec.weaknesses else 0.5)
            for each, share in shares
        ]
    )


def _preferred(first: TaskType, policy: Policy, shares: TypeShares) -> dict[str, tuple[float, int]]:
    preferred: dict[str, tuple[float, int]] = {}
    for (each, share), rule in zip(shares, policy.rules_of(shares), strict=True):
        most = len(rule.prefer)
        places = policy.preference_ranks(each) if most else {}
        for name, place in places.items():
            bonus, at_first = preferred.get(name, (0.0, 0))
            preferred[name] = (
                bonus + share * PREFER_BONUS * (most - place + 1) / most,
                place if each is first else at_first,
            )
    return preferred


def preference_of(spec: ModelSpec, context: ScoringContext) -> tuple[float, int]:
    """What the places in `prefer` add to a model's fit, and its place at the first type. A model is
    listed under its id, else under an alias."""
    if context.preferred:
        for name in (spec.id, *spec.aliases):
            preference = context.preferred.get(comparison_key(name))
            if preference:
                return preference
    return 0.0, 0


# ---------------------------------------------------------------- quality


def prior_quality(state: ModelState, shares: TypeShares) -> float:
    """The expected quality at such a task before any grade, 0 to 1."""
    prior = state.prior
    if prior is not None:
        qualities = prior.quality
        return round(
            sum([share * qualities[each] for each, share in shares]), 9
        )  # shares sum to 1 but for rounding
    return (
        state.spec.quality_rating if state.spec.quality_rating is not None else DEFAULT_RATING
    ) / 10


def expected_quality(state: ModelState, shares: TypeShares) -> float:
    """The expected quality at such a task, 0 to 1: learned, else the prior."""
    return state.estimate.mean if state.estimate else prior_quality(state, shares)


def has_enough_grades(state: ModelState) -> bool:
    """Whether enough answers to such tasks were graded to compare the model with others."""
    return state.estimate is not None and state.estimate.n >= MIN_GRADES


def floor_rating(state: ModelState, shares: TypeShares) -> float:
    """The quality that a floor is compared with, 0 to 10 on the scale of ratings: measured if
    enough was graded, else the prior."""
    estimate = state.estimate
    is_measured = estimate is not None and estimate.n >= MIN_GRADES
    quality = estimate.mean if estimate and is_measured else prior_quality(state, shares)
    return quality * 10 + (state.prior.floor_gap if state.prior else 0.0)


def is_below_floor(state: ModelState, shares: TypeShares, floor: float) -> bool:
    """Whether the model does not reach a floor; sums of shares are not exact."""
    return floor > 0 and floor_rating(state, shares) < floor - 1e-9


def _best_measured(states: Sequence[ModelState]) -> ModelState | None:
    """The available model with the best measured quality at this task."""
    measured = [
        state
        for state in states
        if state.estimate and not state.unavailable and has_enough_grades(state)
    ]
    return max(
        measured,
        key=lambda state: (state.estimate.mean if state.estimate else 0.0, state.spec.id),
        default=None,
    )


def trusted_share(state: ModelState, shares: TypeShares) -> float:
    """The probability of the types at which the model is about as good as at the first one, or
    better; 1 for a forced type."""
    if state.prior is None:
        return 1.0
    qualities = state.prior.quality
    least = qualities[shares[0][0]] - CONFIDENCE_GAP
    return sum([share for each, share in shares if qualities[each] >= least])


# ---------------------------------------------------------------- speed


def speed_score(felt_s: float) -> float:
    """Seconds as 0 to 1: 1 at half a second, 0 at two minutes, logarithmic between."""
    span = math.log(SLOWEST_S / FASTEST_S)
    return min(max(1.0 - math.log(max(felt_s, 1e-3) / FASTEST_S) / span, 0.0), 1.0)


def felt_seconds(time: TimeEstimate, context: ScoringContext) -> float:
    """The seconds that the speed term rates: this answer and the next reload. If nothing is loaded,
    the load is spread over the following tasks."""
    load = time.load / TASKS_PER_LOAD if context.loads_spread else time.load
    return load + time.prefill + time.decode + time.eviction


# ---------------------------------------------------------------- the four terms, each 0 to 1 (fit
# to 1.1)


class TermInput(NamedTuple):
    """One model as the terms see it. `quality` is 0 to 1; the preference comes from `prefer` of
    routing.yaml."""

    state: ModelState
    context: ScoringContext
    quality: float
    seconds: TimeEstimate
    preference_bonus: float
    preference_rank: int


def _fit_term(term_input: TermInput) -> float:
    return base_fit(term_input.state.spec, term_input.context.shares) + term_input.preference_bonus


def _quality_term(term_input: TermInput) -> float:
    """The quality; models within the margin of the measured best one count as equal to it."""
    best = term_input.context.best
    return (
        best.estimate.mean
        if best and best.estimate and within_quality_margin(term_input)
        else term_input.quality
    )


def within_quality_margin(term_input: TermInput) -> bool:
    """Whether a measured model, other than the measured best one, is within the margin of it."""
    state, best = term_input.state, term_input.context.best
    if best is None or best.estimate is None or state is best or not has_enough_grades(state):
        return False
    return term_input.quality >= best.estimate.mean - term_input.context.policy.quality_margin


def _speed_term(term_input: TermInput) -> float:
    return speed_score(felt_seconds(term_input.seconds, term_input.context))


def _confidence_term(term_input: TermInput) -> float:
    return trusted_share(term_input.state, term_input.context.shares)


TERM_FUNCTIONS: dict[str, Callable[[TermInput], float]] = {
    "fit": _fit_term,
    "quality": _quality_term,
    "speed": _speed_term,
    "confidence": _confidence_term,
}
"""The terms of the score by their names in `config.spec.TERMS`."""
