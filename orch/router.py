"""Ranks the models for a task: hard requirements eliminate with a reason, then four weighted terms make a score (pure)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from orch.config.spec import ModelSpec, Routing, TaskTypeRule, Weights, canonical
from orch.model_state import ModelState, context_needed, memory_needed, num_ctx_for
from orch.remote_models import place
from orch.types import Candidate, Classification, Need, TaskType

_TYPES = frozenset(task_type.value for task_type in TaskType)
DEFAULT_RATING = 6.0
PREFER_BONUS = 0.1
FASTEST_S, SLOWEST_S = 0.5, 120.0
"""Expected seconds that give a speed of 1 and of 0, on a logarithmic scale between."""
ENOUGH_GRADED = 5
"""Graded answers to such tasks from which two models are compared by them: 20 a type settle an order, a quarter tell that two are near."""
LOAD_GB_PER_S = 1.2
"""Reading weights from an ordinary SSD, until a cold load was measured."""
LOAD_FIXED_S = 0.5
PREFILL_TO_DECODE = 10.0
"""Prompt tokens are read some ten times as fast as answer tokens are written, until measured."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What routing.yaml says for this task: the weights in force, the type's rule, and memory for models (None: no limit known)."""

    weights: Mapping[str, float]
    rule: TaskTypeRule
    memory_bytes: int | None = None
    quality_margin: float = 0.0
    places: Mapping[str, int] = field(init=False)
    """The place in `prefer`, from 1, by full model name."""

    def __post_init__(self) -> None:
        places = {canonical(name): place for place, name in reversed(tuple(enumerate(self.rule.prefer, 1)))}
        object.__setattr__(self, "places", places)

    @classmethod
    def of(cls, routing: Routing, task_type: TaskType, weights: Mapping[str, float], memory_bytes: int | None) -> Policy:
        """The policy for one task type."""
        return cls(weights, routing.task_types.get(task_type, TaskTypeRule()), memory_bytes, routing.quality_margin)


class Weighing(NamedTuple):
    """One model on the scales: what the terms look at. `num_ctx` in tokens, `expected_s` in seconds."""

    state: ModelState
    classification: Classification
    policy: Policy
    num_ctx: int
    expected_s: float
    place: int
    best: ModelState | None


def rank(classification: Classification, states: Sequence[ModelState], need: Need, policy: Policy) -> tuple[Candidate, ...]:
    """Every model as a Candidate: those that can take the task by falling score, then the eliminated ones.

    The order does not depend on the order of `states`: ties break by quality, then by id.
    """
    best = _best_measured(states)
    weighed = [(state, _weigh(state, classification, need, policy, best)) for state in states]
    floor = policy.rule.quality_floor
    if any(not candidate.eliminated and rating(state) >= floor and not state.spec.last_resort for state, candidate in weighed):
        # where no model reaches the floor, the best of them still beats no answer
        weighed = [(state, _below_floor(candidate, floor) if rating(state) < floor else candidate) for state, candidate in weighed]
    candidates = [candidate for _, candidate in weighed]
    able = sorted((c for c in candidates if not c.eliminated), key=lambda c: (-c.score, -c.terms["quality"], c.model_id, c.provider))
    return (*able, *sorted((c for c in candidates if c.eliminated), key=lambda c: (c.model_id, c.provider)))


def _best_measured(states: Sequence[ModelState]) -> ModelState | None:
    """The model that was measured to be the best at this task, of those that can be asked."""
    measured = [state for state in states if not state.unavailable and is_measured(state)]
    return max(measured, key=lambda state: (quality(state), state.spec.id), default=None)


def _below_floor(candidate: Candidate, floor: float) -> Candidate:
    """Out, but with its terms: a last resort comes back in."""
    if candidate.eliminated:
        return candidate
    return replace(candidate, eliminated=f"its quality is below {floor:g}, the floor of this type", eliminated_code="quality_floor")


# ---------------------------------------------------------------- hard requirements


def eliminate(state: ModelState, need: Need, policy: Policy, num_ctx: int) -> tuple[str, str] | None:
    """Why a model can't take the task with that context, as (code, reason), or None. Nothing here merely scores."""
    if state.unavailable:
        return state.unavailable
    if state.capabilities is not None and "completion" not in state.capabilities:
        return "capability", "it only embeds"
    missing = sorted(need.capabilities - {"completion"} - (state.capabilities or frozenset()))
    if missing and state.capabilities is not None:
        return "capability", f"it has no {' and no '.join(missing)}"
    limit = state.own_ctx if state.fixed_ctx else state.context_window
    tokens = context_needed(state, need, limit)
    if tokens > limit:
        return "context_overflow", f"needs {tokens:,} tokens of context, it holds {limit:,}"
    return _too_large(state, policy, num_ctx)


def _too_large(state: ModelState, policy: Policy, num_ctx: int) -> tuple[str, str] | None:
    if policy.memory_bytes is None or state.resident or not state.local:
        return None
    bytes_needed = memory_needed(state, num_ctx)
    if bytes_needed <= policy.memory_bytes:
        return None
    return "memory", f"needs {bytes_needed / 1e9:.1f} GB, there are {policy.memory_bytes / 1e9:.1f} GB"


# ---------------------------------------------------------------- the four terms, each 0 to 1 (fit to 1.1)


def base_fit(state: ModelState, task_type: TaskType) -> float:
    """1 for a strength, 0 for a weakness, else .5."""
    return 1.0 if task_type in state.spec.strengths else 0.0 if task_type in state.spec.weaknesses else 0.5


def place_in(policy: Policy, spec: ModelSpec) -> int:
    """The model's place in `prefer`, from 1; 0 where it is not there."""
    for name in (spec.id, *spec.aliases):
        place = policy.places.get(canonical(name))
        if place:
            return place
    return 0


def quality(state: ModelState) -> float:
    """How good the model is at this task, 0 to 1: what was learned, else its rating."""
    return state.judged.mean if state.judged else rated(state) / 10


def is_measured(state: ModelState) -> bool:
    """Whether enough answers to such tasks were graded to compare the model with others."""
    return state.judged is not None and state.judged.n >= ENOUGH_GRADED


def rating(state: ModelState) -> float:
    """How good the model is, 0 to 10, for a floor: as measured where enough was graded, else as rated or guessed."""
    if state.judged and is_measured(state):
        return state.judged.mean * 10
    return rated(state)


def rated(state: ModelState) -> float:
    """How good the model is said to be, 0 to 10."""
    return state.spec.quality_rating if state.spec.quality_rating is not None else DEFAULT_RATING


def generality(state: ModelState) -> float:
    """The share of the eight types that a model is as good at as at its best one: 1 for a model without strengths and weaknesses."""
    strong = len(_TYPES.intersection(state.spec.strengths))
    ordinary = len(_TYPES) - len(_TYPES.intersection(state.spec.weaknesses))
    return (strong or ordinary or len(_TYPES)) / len(_TYPES)


def expected_seconds(state: ModelState, need: Need, answer_tokens: int, num_ctx: int) -> float:
    """Seconds until the answer stands there: load (0 if resident with that context) + prefill + decode; measured, else from the rating.

    A rated speed r stands for 3 * 1.5^r tokens/s: 115 at 9, 34 at 6, which is about what 8B and 14B models at 4 bits give on one consumer GPU.
    """
    rating = state.spec.speed_rating if state.spec.speed_rating is not None else DEFAULT_RATING
    measured = state.measured
    decode = (measured.decode_tps if measured else None) or 3.0 * 1.5**rating
    prefill = (measured.prefill_tps if measured else None) or decode * PREFILL_TO_DECODE
    tokens = min(answer_tokens, need.max_tokens or answer_tokens, state.spec.max_tokens or answer_tokens)
    return load_seconds(state, num_ctx) + state.tokens(need.prompt_tokens) / prefill + tokens / decode


def load_seconds(state: ModelState, num_ctx: int) -> float:
    """Seconds of a cold load: 0 for a model that is loaded with that context."""
    if state.remote_host or (state.resident and (state.resident_ctx is None or num_ctx == state.resident_ctx)):
        return 0.0
    if state.measured and state.measured.load_s:
        return state.measured.load_s
    weights_gb = (state.spec.memory_gb or 0) or state.size_bytes / 1e9
    return LOAD_FIXED_S + weights_gb / LOAD_GB_PER_S


def speed(expected_s: float) -> float:
    """Expected seconds as 0 to 1: 1 at half a second, 0 at two minutes, logarithmic between."""
    span = math.log(SLOWEST_S / FASTEST_S)
    return min(max(1.0 - math.log(max(expected_s, 1e-3) / FASTEST_S) / span, 0.0), 1.0)


def _fit_term(weighing: Weighing) -> float:
    prefer = len(weighing.policy.rule.prefer)
    bonus = PREFER_BONUS * (prefer - weighing.place + 1) / prefer if weighing.place else 0.0
    return base_fit(weighing.state, weighing.classification.task_type) + bonus


def _quality_term(weighing: Weighing) -> float:
    """Where the measured best model is not better by more than the margin, the two count as equals."""
    return quality(weighing.best) if weighing.best and is_as_good(weighing) else quality(weighing.state)


def is_as_good(weighing: Weighing) -> bool:
    """Whether a measured model is within the margin of the measured best one, and is not that one."""
    state, best = weighing.state, weighing.best
    if best is None or state is best or not is_measured(state):
        return False
    return quality(state) >= quality(best) - weighing.policy.quality_margin


def _speed_term(weighing: Weighing) -> float:
    return speed(weighing.expected_s)


def _confidence_term(weighing: Weighing) -> float:
    state = weighing.state
    sure = 0.0 if weighing.classification.unsure else weighing.classification.confidence
    return sure * base_fit(state, weighing.classification.task_type) + (1.0 - sure) * generality(state)


TERMS: dict[str, Callable[[Weighing], float]] = {
    "fit": _fit_term,
    "quality": _quality_term,
    "speed": _speed_term,
    "confidence": _confidence_term,
}


def _weigh(state: ModelState, classification: Classification, need: Need, policy: Policy, best: ModelState | None) -> Candidate:
    spec, num_ctx = state.spec, num_ctx_for(state, need)
    code, reason = eliminate(state, need, policy, num_ctx) or ("", None)
    if state.unavailable:
        return Candidate(spec.id, spec.label, spec.provider, eliminated=reason, eliminated_code=code, unlisted=state.unlisted, remote_host=state.remote_host)
    expected_s = expected_seconds(state, need, policy.rule.answer_tokens, num_ctx)
    weighing = Weighing(state, classification, policy, num_ctx, expected_s, place_in(policy, spec), best)
    terms = {name: policy.weights[name] * term(weighing) for name, term in TERMS.items()}
    return Candidate(
        spec.id,
        spec.label,
        spec.provider,
        score=sum(terms.values()),
        terms=terms,
        eliminated=reason,
        eliminated_code=code,
        reason=explain(weighing),
        expected_s=expected_s,
        provenance=provenance(state),
        resident=state.resident,
        unlisted=state.unlisted,
        num_ctx=num_ctx,
        remote_host=state.remote_host,
    )


# ---------------------------------------------------------------- words


def explain(weighing: Weighing) -> str:
    """Why this model, in a few words: `best for coding, loaded`."""
    state, task_type, place = weighing.state, weighing.classification.task_type, weighing.place
    parts = []
    if place == 1:
        parts.append(f"best for {task_type}")
    elif place:
        parts.append(f"choice {place} for {task_type}")
    if task_type in state.spec.strengths and not place:
        parts.append(f"good at {task_type}")
    if task_type in state.spec.weaknesses:
        parts.append(f"weak at {task_type}")
    if weighing.best and is_as_good(weighing):
        parts.append(f"as good as {weighing.best.spec.label} here")
    if not parts:
        parts.append("general")
    parts.append(runs_at(state.remote_host) or ("loaded" if state.resident else "not loaded"))
    if state.unlisted:
        parts.append("unlisted")
    return ", ".join(parts)


def runs_at(host: str) -> str:
    """That a model runs elsewhere, and where; empty for one that does not."""
    return f"remote, {place(host)}" if host else ""


def provenance(state: ModelState) -> dict[str, str]:
    """Where the numbers come from: `rated`, or `measured (n=5, 2026-11-24)`."""
    said = {"quality": state.judged.source if state.judged else "rated", "speed": "rated"}
    if state.measured and state.measured.decode_tps:
        said["speed"] = f"measured (n={state.measured.n}, {_day(state.measured.last_at)})"
    return said


def _day(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).date().isoformat()


# ---------------------------------------------------------------- weights


def weights_for(routing: Routing, profile: str, dial: float | None) -> dict[str, float]:
    """The weights of a profile, or of the dial: 0 is speed alone, 5 the balanced weights, 10 quality alone, straight lines between.

    Raises KeyError for a profile that routing.yaml does not have.
    """
    balanced = routing.weights.as_dict()
    if dial is not None:
        end: dict[str, float] = dict.fromkeys(balanced, 0.0) | ({"quality": 1.0} if dial > 5 else {"speed": 1.0})
        share = abs(dial - 5) / 5
        return {term: balanced[term] * (1 - share) + end[term] * share for term in balanced}
    chosen: Weights = routing.weights if profile == "balanced" and profile not in routing.profiles else routing.profiles[profile]
    return chosen.as_dict()
