"""Estimates the seconds to a model's complete answer: load, prefill, decode, and the reload of what
the load evicts; measured here, else from a rating or the size (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from orch.config.spec import DEFAULT_RATING
from orch.routing.machine.placement import missing_bytes
from orch.routing.model_state import ModelState, held_memory, required_memory
from orch.routing.scoring.policy import Policy, TypeShares
from orch.types import Need, TaskType

LOAD_GB_PER_S = 1.2
"""Reading weights from an ordinary SSD, until a cold load was measured."""
LOAD_FIXED_S = 0.5
GUESSED_BYTES_PER_S = 390e9
"""Decoding reads the weights once per token: 4.9 GB (8B at 4 bits) give 80 tokens/s, about what one
consumer GPU does and what the shipped ratings say."""
GPU_TO_MAIN = 8.0
"""How much faster a GPU reads weights than the processor: 390 GB/s against the 50 GB/s that two
channels of DDR5 give in practice."""
PREFILL_TO_DECODE = 10.0
"""Prompt tokens are processed about ten times as fast as answer tokens, until measured."""
_NONE = (0, 0.0)
PRIOR_ANSWERS = 5
"""The number of answers at which the measured length of a type weighs as much as `answer_tokens` of
routing.yaml."""


class TimeEstimate(NamedTuple):
    """Seconds to an answer by phase. `eviction` is the later reload of the evicted models, times
    the probability that they are used next."""

    load: float
    prefill: float
    decode: float
    eviction: float = 0.0
    evicts: int = 0
    """The number of models that loading this one evicts."""

    @property
    def parts(self) -> dict[str, float]:
        """The seconds by name, as a candidate holds them."""
        return {
            "load": self.load,
            "prefill": self.prefill,
            "decode": self.decode,
            "eviction": self.eviction,
        }

    @property
    def expected(self) -> float:
        """Seconds until the answer is complete."""
        return self.load + self.prefill + self.decode


class ResidentModels(NamedTuple):
    """The loaded models of a provider: their number, their bytes, and the expected seconds that
    evicting all of them costs."""

    models: int
    size_bytes: int
    loss_s: float


Lengths = Mapping[TaskType, tuple[int, float]]
"""By task type: the number of measured answers, and their tokens together."""


class MachinePace(NamedTuple):
    """What all estimates share while the models stay as they are: measured answers (of models that
    do not think, and of those that do), how fast this machine is, and what is loaded."""

    lengths: tuple[Lengths, Lengths] | None
    """None if nothing was measured."""
    decode_factor: float
    load_factor: float
    loaded: Mapping[str, ResidentModels]
    loaded_bytes: int

    @classmethod
    def of(cls, available: Sequence[ModelState]) -> MachinePace:
        """The pace of the models that are available now."""
        measured = [state for state in available if state.measured]
        loaded = _loaded(available)
        return cls(
            lengths=_measured_lengths(measured) if measured else None,
            decode_factor=_pace(
                (state.measured.decode_tps, rated_tps(state))
                for state in measured
                if state.local and state.measured
            ),
            load_factor=_pace(
                (state.measured.load_s, _rated_load(state))
                for state in measured
                if state.local and state.measured
            ),
            loaded=loaded,
            loaded_bytes=sum(each.size_bytes for each in loaded.values()),
        )


class TimeContext(NamedTuple):
    """What the estimates of one ranking share: computed once."""

    need: Need
    policy: Policy
    shares: TypeShares
    answers: tuple[Mapping[TaskType, float], Mapping[TaskType, float]]
    """Tokens of a usual answer by type: of models that do not think, and of those that do."""
    usual_tokens: tuple[float, float]
    """The same over all types."""
    pace: MachinePace

    @classmethod
    def of(cls, pace: MachinePace, need: Need, policy: Policy, shares: TypeShares) -> TimeContext:
        """The context of one task on a machine of this pace."""
        plain, thinking = _answers(pace.lengths, policy, shares)
        usual = _expected(shares, plain)
        return cls(
            need=need,
            policy=policy,
            shares=shares,
            answers=(plain, thinking),
            usual_tokens=(usual, usual if thinking is plain else _expected(shares, thinking)),
            pace=pace,
        )


def _expected(shares: TypeShares, values: Mapping[TaskType, float]) -> float:
    return sum([share * values[each] for each, share in shares])


def rated_tps(state: ModelState) -> float:
    """Tokens/s of decode from the size, or from a rating: r stands for 3 * 1.5^r, 115 at 9 and 34
    at 6, which 8B and 14B models at 4 bits reach on one GPU."""
    if state.bytes_per_token:
        return GUESSED_BYTES_PER_S / state.bytes_per_token
    rating = state.spec.speed_rating
    return 3.0 * math.pow(1.5, DEFAULT_RATING if rating is None else rating)


def estimate_time(state: ModelState, num_ctx: int, times: TimeContext) -> TimeEstimate:
    """Seconds of the answer with that context: measured, else rated and corrected by how fast this
    machine is with other models."""
    measured, need = state.measured, times.need
    decode = (measured and measured.decode_tps) or _guessed_tps(state, num_ctx, times)
    prefill = (measured and measured.prefill_tps) or decode * PREFILL_TO_DECODE
    load = load_seconds(state, num_ctx, times.pace.load_factor)
    evicts = eviction_count(state, num_ctx, times) if load else 0
    eviction = eviction_seconds(state, evicts, times) if evicts else 0.0
    return TimeEstimate(
        load,
        new_tokens(state, need, loads=load > 0) / prefill,
        answer_tokens(state, times) / decode,
        eviction,
        evicts,
    )


def new_tokens(state: ModelState, need: Need, *, loads: bool) -> int:
    """Tokens of the prompt that the server must read: all but those that it holds from the turns
    before, which a load throws away."""
    tokens = state.corrected_tokens(need.prompt_tokens)
    return tokens if loads else max(tokens - state.cached_tokens, 0)


def _guessed_tps(state: ModelState, num_ctx: int, times: TimeContext) -> float:
    """Tokens/s of decode as rated, corrected by this machine's pace; slower where a part of the
    model is in main memory although there are GPUs."""
    tps = rated_tps(state) * times.pace.decode_factor
    memory = times.policy.memory
    if memory is None or memory.gpus is None or not state.local:
        return tps
    share = memory.on_gpus(required_memory(state, num_ctx))
    if state.resident and state.resident_bytes and state.vram_bytes is not None:
        share = min(state.vram_bytes / state.resident_bytes, 1.0)
    return tps / (share + (1 - share) * GPU_TO_MAIN)


def answer_tokens(state: ModelState, times: TimeContext) -> float:
    """Expected tokens of the answer: the model's own mean of the type as far as it is measured,
    else the usual length; never more than the limits allow."""
    thinks = state.thinks
    tokens = times.usual_tokens[thinks]
    if state.measured and state.measured.answers:
        usual, own = times.answers[thinks], state.measured.answers
        counted = [(share, usual[each], *own.get(each, _NONE)) for each, share in times.shares]
        tokens = sum(
            [share * _shrunk(as_usual, n, n * mean) for share, as_usual, n, mean in counted]
        )
    return min(tokens, times.need.max_tokens or tokens, state.spec.max_tokens or tokens)


def _measured_lengths(measured: Sequence[ModelState]) -> tuple[Lengths, Lengths]:
    """Of models that do not think, and of those that do."""
    sums: tuple[dict[TaskType, tuple[int, float]], dict[TaskType, tuple[int, float]]] = ({}, {})
    for state in sorted(measured, key=lambda state: state.key):  # sums depend on the order
        own = sums[state.thinks]
        for each, (n, mean) in state.measured.answers.items() if state.measured else ():
            count, total = own.get(each, (0, 0.0))
            own[each] = (count + n, total + n * mean)
    return sums


def _answers(
    lengths: tuple[Lengths, Lengths] | None, policy: Policy, shares: TypeShares
) -> tuple[dict[TaskType, float], dict[TaskType, float]]:
    """Usual tokens by likely type, from routing.yaml and from measured answers: of models that do
    not think, and of those that do, whose answers are longer."""
    rules = policy.rules_of(shares)
    usual_tokens = {
        one[0]: float(rule.answer_tokens) for one, rule in zip(shares, rules, strict=True)
    }
    if lengths is None:
        return usual_tokens, usual_tokens
    plain, thinking = [
        {
            each: _shrunk(usual, *own[each]) if each in own else usual
            for each, usual in usual_tokens.items()
        }
        for own in lengths
    ]
    return plain, thinking


def _shrunk(usual: float, n: int, total: float) -> float:
    return (PRIOR_ANSWERS * usual + total) / (PRIOR_ANSWERS + n)


def load_seconds(state: ModelState, num_ctx: int, pace: float = 1.0) -> float:
    """Seconds of a cold load; 0 for a model that is loaded with that context, and where it is
    not known whether it is loaded."""
    if (
        state.remote_host
        or state.resident is None
        or (state.resident and (state.resident_ctx is None or num_ctx == state.resident_ctx))
    ):
        return 0.0
    return reload_seconds(state, pace)


def reload_seconds(state: ModelState, pace: float = 1.0) -> float:
    """Seconds to load the model if it were not loaded: measured, else from its size and the speed
    at which this machine loaded others."""
    return (state.measured and state.measured.load_s) or _rated_load(state) * pace


def _rated_load(state: ModelState) -> float:
    return LOAD_FIXED_S + (state.size_bytes / 1e9 or state.spec.memory_gb or 0) / LOAD_GB_PER_S


def _pace(pairs: Iterable[tuple[float | None, float]]) -> float:
    """The geometric mean of measured by expected, shrunk towards 1 if few models were measured."""
    logs = [math.log(measured / expected) for measured, expected in pairs if measured]
    return math.exp(math.fsum(logs) / (len(logs) + 1)) if logs else 1.0


def _loaded(available: Sequence[ModelState]) -> dict[str, ResidentModels]:
    """What occupies this machine's memory, by provider; names that share a digest are one model."""
    by_provider: dict[str, ResidentModels] = {}
    resident = sorted(
        (state for state in available if state.resident and state.local),
        key=lambda state: state.key,
    )  # sums depend on the order
    for state in {state.identity: state for state in resident}.values():
        models, size, loss = by_provider.get(state.spec.provider, (0, 0, 0.0))
        own = held_memory(state)
        by_provider[state.spec.provider] = ResidentModels(
            models + 1, size + own, loss + reload_seconds(state) * state.next_use_probability
        )
    return by_provider


def eviction_count(state: ModelState, num_ctx: int, times: TimeContext) -> int:
    """How many models the provider evicts to load this one: for lack of memory, or because it keeps
    no more loaded."""
    beside = times.pace.loaded.get(state.spec.provider)
    if beside is None or state.resident is not False or not state.local:
        return 0
    over = 0
    if (memory := times.policy.room) is not None:
        need = required_memory(state, num_ctx)
        over = times.pace.loaded_bytes + need - memory.capacity_bytes
        if memory.sized_gpus is not None:  # the server makes room on the GPUs, as far as it can
            over = max(over, missing_bytes(need, memory, memory.resident, on_gpus=True))
    by_memory = math.ceil(over * beside.models / max(beside.size_bytes, 1)) if over > 0 else 0
    by_count = (
        beside.models + 1 - times.policy.max_loaded.get(state.spec.provider, beside.models + 1)
    )
    return min(max(by_memory, by_count), beside.models)


def eviction_seconds(state: ModelState, evicts: int, times: TimeContext) -> float:
    """Seconds of reloading what loading this model evicts, times the probability that it is used
    next.

    Which models are evicted is Ollama's own choice (the shortest keep_alive first, then by file
    name), so that each counts by its chance.
    """
    beside = times.pace.loaded[state.spec.provider]
    return beside.loss_s * evicts / beside.models
