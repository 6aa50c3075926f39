"""What a model is worth for a task: four terms, each an expectation over the types that the task may be of, and the seconds to its answer (pure)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from orch.config.spec import ModelSpec, Routing, TaskTypeRule, canonical
from orch.model_state import ModelState, memory_needed
from orch.types import Classification, Need, TaskType

DEFAULT_RATING = 6.0
PREFER_BONUS = 0.1
CONFIDENCE_GAP = 0.05
"""How much worse than at the first type a model may be at another one and still be trusted there. .02 costs quality, over simulated days."""
NAMED_SHARE = 0.15
"""Probability from which a type beside the first one is named in the reason."""
FASTEST_S, SLOWEST_S = 0.5, 120.0
"""Expected seconds that give a speed of 1 and of 0, on a logarithmic scale between."""
ENOUGH_GRADED = 5
"""Graded answers to such tasks from which two models are compared by them: 20 a type settle an order, a quarter tell that two are near."""
LOAD_GB_PER_S = 1.2
"""Reading weights from an ordinary SSD, until a cold load was measured."""
LOAD_FIXED_S = 0.5
GUESSED_BYTES_PER_S = 390e9
"""Decoding reads the weights once a token: 4.9 GB (8B at 4 bits) give 80 tokens/s, which is about what one consumer GPU does, and the shipped ratings say."""
PREFILL_TO_DECODE = 10.0
"""Prompt tokens are read some ten times as fast as answer tokens are written, until measured."""
TASKS_PER_LOAD = 10
"""Tasks over which a load is spread where nothing is loaded: a model has to be loaded for them in any case. 1 and 5 are too few, over simulated days."""
TYPICAL_ANSWERS = 5
"""Answers at whose number the measured length of a type counts as much as `answer_tokens` of routing.yaml."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What routing.yaml says: the weights in force and the rules of all types; and what the providers can hold. No memory known: None."""

    weights: Mapping[str, float]
    rules: Mapping[TaskType, TaskTypeRule]
    memory_bytes: int | None = None
    quality_margin: float = 0.0
    neutral: frozenset[TaskType] = frozenset()
    """The types whose `prefer` counts for nothing."""
    most_loaded: Mapping[str, int] = field(default_factory=dict)
    """How many models a provider keeps loaded at once, where that is known."""

    @classmethod
    def of(cls, routing: Routing, weights: Mapping[str, float], memory_bytes: int | None) -> Policy:
        """The policy of a routing.yaml."""
        return cls(weights, routing.task_types, memory_bytes, routing.quality_margin)

    def rule(self, task_type: TaskType) -> TaskTypeRule:
        """What is said of one type."""
        return self.rules.get(task_type) or _NO_RULE

    def places(self, task_type: TaskType) -> Mapping[str, int]:
        """The places in `prefer`, from 1, by full model name."""
        return {} if task_type in self.neutral else _places(self.rule(task_type).prefer)


_NO_RULE = TaskTypeRule()


@lru_cache(maxsize=64)
def _places(prefer: tuple[str, ...]) -> Mapping[str, int]:
    """Kept from decision to decision: reading eight lists takes as long as weighing three models."""
    return {canonical(name): place for place, name in reversed(tuple(enumerate(prefer, 1)))}


class Seconds(NamedTuple):
    """Seconds to an answer by what they are spent on; `eviction` is what loading an unloaded model again will cost later, times how likely that is."""

    load: float
    prefill: float
    decode: float
    eviction: float = 0.0
    evicts: int = 0
    """How many models loading this one unloads."""

    @property
    def expected(self) -> float:
        """Until the answer is complete."""
        return self.load + self.prefill + self.decode


class Loaded(NamedTuple):
    """What a provider has loaded: how many models, their bytes, and the seconds that unloading all of them is expected to cost."""

    models: int
    size_bytes: int
    loss_s: float


@dataclass(frozen=True, slots=True)
class ScoringContext:
    """What is the same for all models of one ranking: computed once."""

    classification: Classification
    need: Need
    policy: Policy
    shares: tuple[tuple[TaskType, float], ...]
    """The types with a probability above 0; these sum to 1."""
    named: str
    """`coding .65, analysis .30` where more than one type is likely, else empty."""
    floor: float
    """What a model must reach, 0 to 10; 0 where none does, since the best of them still beats no answer."""
    preferred: Mapping[str, tuple[float, int]]
    """By full model name, what the places in `prefer` of all types add to fit, and the place at the first type (0: none)."""
    answers: tuple[Mapping[TaskType, float], Mapping[TaskType, float]]
    """Tokens of a usual answer, by type: of models that do not think, and of those that do."""
    usual: tuple[float, float]
    """The same over all types."""
    decode_pace: float
    load_pace: float
    loaded: Mapping[str, Loaded]
    loaded_bytes: int
    loads_spread: bool
    best: ModelState | None

    @classmethod
    def of(cls, classification: Classification, states: Sequence[ModelState], able: Sequence[ModelState], need: Need, policy: Policy) -> ScoringContext:
        """The context of a ranking of these models, of which some meet the task's hard requirements."""
        shares = likely(classification)
        there = [state for state in states if not state.unavailable]
        measured = [state for state in there if state.measured]
        answers = _answers(measured, policy, shares)
        loaded = _loaded(there)
        floor = sum(share * policy.rule(each).quality_floor for each, share in shares)
        if all(is_below(state, shares, floor) for state in able if not state.spec.last_resort):
            floor = 0.0
        return cls(
            classification=classification,
            need=need,
            policy=policy,
            shares=shares,
            named=_named(shares),
            floor=floor,
            preferred=_preferred(classification.task_type, policy, shares),
            answers=answers,
            usual=(_expected(shares, answers[0]), _expected(shares, answers[1])),
            decode_pace=_pace((state.measured.decode_tps, rated_tps(state)) for state in measured if state.local and state.measured),
            load_pace=_pace((state.measured.load_s, _rated_load(state)) for state in measured if state.local and state.measured),
            loaded=loaded,
            loaded_bytes=sum(each.size_bytes for each in loaded.values()),
            loads_spread=not any(state.resident and not is_below(state, shares, floor) for state in able),
            best=_best_measured(states),
        )


def likely(classification: Classification) -> tuple[tuple[TaskType, float], ...]:
    """Each type with its probability where that is above 0, the likeliest first; the one type where nothing is told."""
    found = sorted(((share, each) for each, share in classification.scores.items() if share > 0), key=lambda pair: -pair[0])
    total = sum(share for share, _ in found)
    return tuple((each, share / total) for share, each in found) or ((classification.task_type, 1.0),)


def _named(shares: Sequence[tuple[TaskType, float]]) -> str:
    said = [f"{each} {share:.2f}".replace(" 0.", " .") for each, share in shares if share >= NAMED_SHARE]
    return ", ".join(said) if len(said) > 1 else ""


def _expected(shares: Sequence[tuple[TaskType, float]], values: Mapping[TaskType, float]) -> float:
    return sum(share * values[each] for each, share in shares)


# ---------------------------------------------------------------- fit


def base_fit(spec: ModelSpec, shares: Sequence[tuple[TaskType, float]]) -> float:
    """1 for a strength, 0 for a weakness, else .5; over the likely types."""
    if not spec.strengths and not spec.weaknesses:
        return 0.5
    return sum([share * (1.0 if each in spec.strengths else 0.0 if each in spec.weaknesses else 0.5) for each, share in shares])


def _preferred(first: TaskType, policy: Policy, shares: Sequence[tuple[TaskType, float]]) -> dict[str, tuple[float, int]]:
    found: dict[str, tuple[float, int]] = {}
    for each, share in shares:
        most = len(policy.rule(each).prefer)
        for name, place in policy.places(each).items():
            bonus, at_first = found.get(name, (0.0, 0))
            found[name] = bonus + share * PREFER_BONUS * (most - place + 1) / most, place if each is first else at_first
    return found


def preference(spec: ModelSpec, context: ScoringContext) -> tuple[float, int]:
    """What its places in `prefer` add to a model's fit, and its place at the first type; a model counts under its id, else under an alias."""
    if context.preferred:
        for name in (spec.id, *spec.aliases):
            found = context.preferred.get(canonical(name))
            if found:
                return found
    return 0.0, 0


# ---------------------------------------------------------------- quality


def rated(state: ModelState, shares: Sequence[tuple[TaskType, float]]) -> float:
    """How good the model is believed to be at such a task before anything was graded, 0 to 1."""
    prior = state.prior
    if prior is not None:
        qualities = prior.quality
        return round(sum([share * qualities[each] for each, share in shares]), 9)  # shares sum to 1 but for rounding
    return (state.spec.quality_rating if state.spec.quality_rating is not None else DEFAULT_RATING) / 10


def quality(state: ModelState, shares: Sequence[tuple[TaskType, float]]) -> float:
    """How good the model is at such a task, 0 to 1: what was learned, else its prior."""
    return state.judged.mean if state.judged else rated(state, shares)


def is_measured(state: ModelState) -> bool:
    """Whether enough answers to such tasks were graded to compare the model with others."""
    return state.judged is not None and state.judged.n >= ENOUGH_GRADED


def floor_rating(state: ModelState, shares: Sequence[tuple[TaskType, float]]) -> float:
    """How good the model is for a floor, 0 to 10 on the scale of ratings: as measured where enough was graded, else its prior."""
    gap = state.prior.floor_gap if state.prior else 0.0
    return (quality(state, shares) if is_measured(state) else rated(state, shares)) * 10 + gap


def is_below(state: ModelState, shares: Sequence[tuple[TaskType, float]], floor: float) -> bool:
    """Whether the model does not reach a floor; sums of shares are not exact."""
    return floor > 0 and floor_rating(state, shares) < floor - 1e-9


def _best_measured(states: Sequence[ModelState]) -> ModelState | None:
    """The model that was measured to be the best at this task, of those that can be asked."""
    measured = [state for state in states if state.judged and not state.unavailable and is_measured(state)]
    return max(measured, key=lambda state: (state.judged.mean if state.judged else 0.0, state.spec.id), default=None)


def trusted(state: ModelState, shares: Sequence[tuple[TaskType, float]]) -> float:
    """The probability of the types at which the model is about as good as at the first one, or better: 1 for a type that was forced."""
    if state.prior is None:
        return 1.0
    qualities = state.prior.quality
    least = qualities[shares[0][0]] - CONFIDENCE_GAP
    return sum([share for each, share in shares if qualities[each] >= least])


# ---------------------------------------------------------------- seconds


def rated_tps(state: ModelState) -> float:
    """Tokens/s of decode by the size, or by a rating: r stands for 3 * 1.5^r, 115 at 9 and 34 at 6, what 8B and 14B models at 4 bits give on one GPU."""
    if state.bytes_per_token:
        return GUESSED_BYTES_PER_S / state.bytes_per_token
    rating = state.spec.speed_rating
    return 3.0 * math.pow(1.5, DEFAULT_RATING if rating is None else rating)


def seconds(state: ModelState, num_ctx: int, context: ScoringContext) -> Seconds:
    """Seconds of this answer with that context: measured, else rated and corrected by how fast this machine proved with other models."""
    measured, need = state.measured, context.need
    decode = (measured and measured.decode_tps) or rated_tps(state) * context.decode_pace
    prefill = (measured and measured.prefill_tps) or decode * PREFILL_TO_DECODE
    load = load_seconds(state, num_ctx, context.load_pace)
    gone = evicted(state, num_ctx, context) if load else 0
    eviction = eviction_seconds(state, gone, context) if gone else 0.0
    return Seconds(load, state.tokens(need.prompt_tokens) / prefill, answer_tokens(state, context) / decode, eviction, gone)


def answer_tokens(state: ModelState, context: ScoringContext) -> float:
    """Tokens of the answer that is expected: of its type as measured of the model, as far as there is evidence, else as usual; never more than it may be."""
    thinks = _thinks(state)
    tokens = context.usual[thinks]
    if state.measured and state.measured.answers:
        usual, own = context.answers[thinks], state.measured.answers
        counted = ((share, usual[each], *own.get(each, (0, 0.0))) for each, share in context.shares)
        tokens = sum(share * _shrunk(as_usual, n, n * mean) for share, as_usual, n, mean in counted)
    return min(tokens, context.need.max_tokens or tokens, state.spec.max_tokens or tokens)


def _thinks(state: ModelState) -> bool:
    return state.capabilities is not None and "thinking" in state.capabilities


def _answers(measured: Sequence[ModelState], policy: Policy, shares: Sequence[tuple[TaskType, float]]) -> tuple[dict[TaskType, float], dict[TaskType, float]]:
    """By likely type what routing.yaml says and what was measured here, of models that do not think and of those that do: their answers are longer."""
    said = {each: float(policy.rule(each).answer_tokens) for each, _ in shares}
    if not measured:
        return said, said
    counts: tuple[Counter[TaskType], Counter[TaskType]] = (Counter(), Counter())
    totals: tuple[dict[TaskType, float], dict[TaskType, float]] = ({}, {})
    for state in sorted(measured, key=lambda state: state.key):  # sums depend on the order
        thinks = _thinks(state)
        for each, (n, mean) in state.measured.answers.items() if state.measured else ():
            counts[thinks][each] += n
            totals[thinks][each] = totals[thinks].get(each, 0.0) + n * mean
    plain, thinking = ({each: _shrunk(usual, counts[at][each], totals[at].get(each, 0.0)) for each, usual in said.items()} for at in (0, 1))
    return plain, thinking


def _shrunk(usual: float, n: int, total: float) -> float:
    return (TYPICAL_ANSWERS * usual + total) / (TYPICAL_ANSWERS + n)


def load_seconds(state: ModelState, num_ctx: int, pace: float = 1.0) -> float:
    """Seconds of a cold load: 0 for a model that is loaded with that context."""
    if state.remote_host or (state.resident and (state.resident_ctx is None or num_ctx == state.resident_ctx)):
        return 0.0
    return reload_seconds(state, pace)


def reload_seconds(state: ModelState, pace: float = 1.0) -> float:
    """Seconds to load the model, were it not loaded: as measured, else by its size and how fast this machine loaded others."""
    return (state.measured and state.measured.load_s) or _rated_load(state) * pace


def _rated_load(state: ModelState) -> float:
    return LOAD_FIXED_S + (state.size_bytes / 1e9 or state.spec.memory_gb or 0) / LOAD_GB_PER_S


def _pace(pairs: Iterable[tuple[float | None, float]]) -> float:
    """The geometric mean of measured by expected, shrunk towards 1 where few models were measured."""
    logs = [math.log(measured / expected) for measured, expected in pairs if measured]
    return math.exp(math.fsum(logs) / (len(logs) + 1)) if logs else 1.0


def _loaded(there: Sequence[ModelState]) -> dict[str, Loaded]:
    """What takes this machine's memory now, by provider; names that share a digest are one model."""
    found: dict[str, Loaded] = {}
    resident = sorted((state for state in there if state.resident and state.local), key=lambda state: state.key)  # sums depend on the order
    for state in {state.identity: state for state in resident}.values():
        models, size, loss = found.get(state.spec.provider, (0, 0, 0.0))
        own = state.resident_bytes or memory_needed(state, state.num_ctx)
        found[state.spec.provider] = Loaded(models + 1, size + own, loss + reload_seconds(state) * state.wanted)
    return found


def evicted(state: ModelState, num_ctx: int, context: ScoringContext) -> int:
    """How many models its provider unloads so that this one can be loaded: for want of memory, or since it keeps no more at once."""
    beside = context.loaded.get(state.spec.provider)
    if beside is None or state.resident or not state.local:
        return 0
    over = 0
    if context.policy.memory_bytes is not None:
        over = context.loaded_bytes + memory_needed(state, num_ctx) - context.policy.memory_bytes
    by_memory = math.ceil(over * beside.models / max(beside.size_bytes, 1)) if over > 0 else 0
    by_count = beside.models + 1 - context.policy.most_loaded.get(state.spec.provider, beside.models + 1)
    return min(max(by_memory, by_count), beside.models)


def eviction_seconds(state: ModelState, gone: int, context: ScoringContext) -> float:
    """Seconds of loading again what loading this one unloads, times how likely that is wanted next.

    Which of several goes is Ollama's own choice (the shortest keep_alive first, then by the name of the file), so that each counts by its chance.
    """
    beside = context.loaded[state.spec.provider]
    return beside.loss_s * gone / beside.models


def speed(felt_s: float) -> float:
    """Seconds as 0 to 1: 1 at half a second, 0 at two minutes, logarithmic between."""
    span = math.log(SLOWEST_S / FASTEST_S)
    return min(max(1.0 - math.log(max(felt_s, 1e-3) / FASTEST_S) / span, 0.0), 1.0)


def felt_seconds(spent: Seconds, context: ScoringContext) -> float:
    """What the speed term looks at: the seconds of this answer and of the next reload; where nothing is loaded the load is spread over the tasks to come."""
    load = spent.load / TASKS_PER_LOAD if context.loads_spread else spent.load
    return load + spent.prefill + spent.decode + spent.eviction


# ---------------------------------------------------------------- the four terms, each 0 to 1 (fit to 1.1)


class Weighing(NamedTuple):
    """One model on the scales: what the terms look at. `quality` from 0 to 1; `bonus` and `place` by `prefer`."""

    state: ModelState
    context: ScoringContext
    quality: float
    seconds: Seconds
    bonus: float
    place: int


def _fit_term(weighing: Weighing) -> float:
    return base_fit(weighing.state.spec, weighing.context.shares) + weighing.bonus


def _quality_term(weighing: Weighing) -> float:
    """Where the measured best model is not better by more than the margin, the two count as equals."""
    best = weighing.context.best
    return best.judged.mean if best and best.judged and is_as_good(weighing) else weighing.quality


def is_as_good(weighing: Weighing) -> bool:
    """Whether a measured model is within the margin of the measured best one, and is not that one."""
    state, best = weighing.state, weighing.context.best
    if best is None or best.judged is None or state is best or not is_measured(state):
        return False
    return weighing.quality >= best.judged.mean - weighing.context.policy.quality_margin


def _speed_term(weighing: Weighing) -> float:
    return speed(felt_seconds(weighing.seconds, weighing.context))


def _confidence_term(weighing: Weighing) -> float:
    return trusted(weighing.state, weighing.context.shares)


TERMS: dict[str, Callable[[Weighing], float]] = {
    "fit": _fit_term,
    "quality": _quality_term,
    "speed": _speed_term,
    "confidence": _confidence_term,
}
