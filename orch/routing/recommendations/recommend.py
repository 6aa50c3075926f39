"""Recommends models to pull: those that fit and are better at something than what is installed
(pure).

The order is by the gain in quality times the speed term of the router, for a usual answer of the
loaded model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import NamedTuple

from orch.config.spec import ModelSpec
from orch.routing.known_models.pullable import PullableModel
from orch.routing.model_state import ModelState
from orch.routing.recommendations.capacity import MachineCapacity, Placement
from orch.routing.recommendations.installed import PriorOf, Quality, expected
from orch.routing.scoring.expected_time import (
    GUESSED_BYTES_PER_S,
    MachinePace,
    TimeContext,
    estimate_time,
)
from orch.routing.scoring.policy import Policy
from orch.routing.scoring.score_terms import SLOWEST_S, speed_score
from orch.text.model_names import comparison_key
from orch.types import Need, TaskType

MOST_ROWS = 8
DEFAULT_CTX = 8_192
PROMPT_TOKENS = 300
"""Tokens of a usual prompt, for the expected seconds."""
WITHOUT_MODELS = 4.0
"""The quality, of 10, that a gain counts from where no model is installed: a judgement. Worse ones,
most models of 2023, help little."""
SLOW_S = SLOWEST_S
"""Seconds of a usual answer from which a row says that the model is slow: there its speed scores
0."""

SizesOf = Callable[[str], tuple[float | None, float | None]]
"""Billions of parameters by name, all and those that a token takes."""


class Drop(StrEnum):
    """Why a model is not recommended."""

    INSTALLED = "installed"
    CONTEXT = "context"
    MEMORY = "memory"
    DISK = "disk"
    NO_GAIN = "no_gain"
    DOMINATED = "dominated"


class Wishes(NamedTuple):
    """What was asked for: one type (None for all), and the context (None for the usual one)."""

    task_type: TaskType | None = None
    num_ctx: int | None = None

    @property
    def types(self) -> tuple[TaskType, ...]:
        """The types that count."""
        return (self.task_type,) if self.task_type else tuple(TaskType)


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine as a recommendation needs it: memory, free bytes on the disk of the models (None
    if unknown), installed names, the best quality by type, and how fast it answers."""

    capacity: MachineCapacity
    best: Mapping[TaskType, Quality]
    installed: frozenset[str] = frozenset()
    """Comparison keys."""
    disk_bytes: int | None = None
    pace: MachinePace = MachinePace(None, 1.0, 1.0, {}, 0)


class KnownQuality(NamedTuple):
    """What is known of a model by its name: its prior and its sizes."""

    prior_of: PriorOf
    sizes_of: SizesOf


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One model to pull. Qualities and gains are of 10; a gain within the error of both estimates
    is left out. Without an installed model the gains are empty."""

    model: PullableModel
    num_ctx: int
    memory_bytes: int
    placement: Placement
    tokens_per_s: float
    answer_s: float
    quality: Mapping[TaskType, float]
    gains: Mapping[TaskType, float]
    beside: Mapping[TaskType, Quality]
    score: float


@dataclass(frozen=True, slots=True)
class Recommendations:
    """The recommended models, the first one first, and how many others were left out and why."""

    rows: tuple[Recommendation, ...]
    dropped: Mapping[Drop, int]


def recommend(
    models: Sequence[PullableModel],
    machine: Machine,
    known: KnownQuality,
    policy: Policy,
    wishes: Wishes = Wishes(),
) -> Recommendations:
    """The models to pull, at most MOST_ROWS."""
    dropped: dict[Drop, int] = {}
    rows: list[Recommendation] = []
    for model in models:
        found = _weigh(model, machine, known, policy, wishes)
        if isinstance(found, Drop):
            dropped[found] = dropped.get(found, 0) + 1
        else:
            rows.append(found)
    best = [row for row in rows if not any(_dominates(other, row) for other in rows)]
    if len(best) < len(rows):
        dropped[Drop.DOMINATED] = len(rows) - len(best)
    best.sort(key=_order)
    return Recommendations(tuple(best[:MOST_ROWS]), dropped)


def _order(row: Recommendation) -> tuple[float, ...]:
    """The best score first; where answers take minutes, which scores 0, the faster model."""
    return -row.score, row.answer_s, row.model.size_bytes


def _weigh(
    model: PullableModel,
    machine: Machine,
    known: KnownQuality,
    policy: Policy,
    wishes: Wishes,
) -> Recommendation | Drop:
    """The row of a model, or why it gets none."""
    num_ctx = min(wishes.num_ctx or DEFAULT_CTX, model.context)
    needed = model.memory_bytes(num_ctx)
    placement = machine.capacity.place(needed)
    if reason := _unfit(model, machine, placement, wishes):
        return reason
    prior = known.prior_of(model.tag)
    quality = {each: expected(prior, each, model.tag) for each in wishes.types}
    gains = {
        each: gain
        for each, own in quality.items()
        if (gain := significant_gain(own, machine.best.get(each)))
    }
    if machine.best and not gains:
        return Drop.NO_GAIN
    tokens_per_s = machine.capacity.tokens_per_s(_read_bytes(model, known.sizes_of), needed)
    seconds = _answer_seconds(model, tokens_per_s, machine.pace, policy, wishes)
    mean_gain = (
        sum(gains.values()) / len(quality)
        if machine.best
        else fmean(own.value for own in quality.values()) - WITHOUT_MODELS
    )
    return Recommendation(
        model,
        num_ctx,
        needed,
        placement,
        tokens_per_s,
        seconds,
        {each: own.value for each, own in quality.items()},
        gains,
        {each: machine.best[each] for each in gains},
        max(mean_gain, 0.0) * speed_score(seconds),
    )


def _unfit(
    model: PullableModel, machine: Machine, placement: Placement, wishes: Wishes
) -> Drop | None:
    if comparison_key(model.tag) in machine.installed:
        return Drop.INSTALLED
    if wishes.num_ctx and wishes.num_ctx > model.context:
        return Drop.CONTEXT
    if placement in (Placement.NOWHERE, Placement.UNKNOWN):
        return Drop.MEMORY
    if machine.disk_bytes is not None and model.size_bytes > machine.disk_bytes:
        return Drop.DISK
    return None


def significant_gain(own: Quality, best: Quality | None) -> float | None:
    """How much better it is than the best installed model; None within the error of the two."""
    if best is None:
        return None
    gain = own.value - best.value
    return gain if gain > math.hypot(own.sd, best.sd) else None


def _read_bytes(model: PullableModel, sizes_of: SizesOf) -> int:
    """Bytes of weights that a token reads: the active share of a mixture of experts."""
    size_b, active_b = sizes_of(model.tag)
    share = min(active_b / size_b, 1.0) if size_b and active_b else 1.0
    return int(model.size_bytes * share)


def _answer_seconds(
    model: PullableModel, tokens_per_s: float, pace: MachinePace, policy: Policy, wishes: Wishes
) -> float:
    """Seconds of a usual answer once the model is loaded, as the router expects them; the mean of
    the types."""
    state = ModelState(
        ModelSpec(id=model.tag),
        resident=True,
        size_bytes=model.size_bytes,
        bytes_per_token=max(int(GUESSED_BYTES_PER_S / tokens_per_s), 1),
    )
    # the tokens per second are those of this machine already
    steady = pace._replace(decode_factor=1.0)
    need = Need(PROMPT_TOKENS)
    times = (TimeContext.of(steady, need, policy, ((each, 1.0),)) for each in wishes.types)
    return fmean(estimate_time(state, DEFAULT_CTX, each).expected for each in times)


def _dominates(one: Recommendation, other: Recommendation) -> bool:
    """Whether `one` is on average as good, as fast and as small, and as good where `other` is
    best."""
    strength = max(other.quality, key=lambda each: (other.quality[each], each))
    mine, its = _merits(one), _merits(other)
    return (
        one.quality[strength] >= other.quality[strength]
        and all(a >= b for a, b in zip(mine, its, strict=True))
        and (mine != its or one.model.tag < other.model.tag)
    )


def _merits(row: Recommendation) -> tuple[float, ...]:
    return fmean(row.quality.values()), row.tokens_per_s, -row.model.size_bytes
