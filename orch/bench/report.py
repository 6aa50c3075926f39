"""What graded answers add up to: each model at each type, and the router beside the best single
model and the oracle (pure)."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from orch.storage.feedback import GradedAnswer, is_evidence
from orch.types import ModelKey

FOLDS = 5
RESAMPLES = 2_000
SEED = 4
Z = 1.96
DIALS = tuple(range(11))

ChooseModels = Callable[[Sequence[GradedAnswer], Sequence[str], float | None], dict[str, ModelKey]]
"""From graded answers to learn from, ids of tasks to decide, and a dial: the model that the router
takes for each task."""


@dataclass(frozen=True, slots=True)
class MeanScore:
    """A mean score with its 95 % interval, and how many answers it is of."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class StrategyScore:
    """One way to choose: its mean score and mean seconds an answer."""

    name: str
    quality: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is shown of a bench. `gain` is the router's score less the best single
    model's, with its interval; `curve` is by dial."""

    by_model: dict[ModelKey, dict[str, MeanScore]]
    strategies: tuple[StrategyScore, ...]
    gain: MeanScore | None
    curve: tuple[tuple[int, StrategyScore], ...]
    tasks: int
    best: ModelKey | None


def make_report(graded: Sequence[GradedAnswer], choose: ChooseModels | None) -> Report:
    """The report. The three lines and the curve are of tasks that every model answered, by a router
    that never saw the task it decides."""
    scored = [row for row in graded if is_evidence(row)]
    models = sorted({ModelKey(row.provider, row.model) for row in graded if row.score is not None})
    table = {
        model: _cells(
            [
                row
                for row in graded
                if row.score is not None and ModelKey(row.provider, row.model) == model
            ]
        )
        for model in models
    }
    outcome = ScoreTable.from_rows(scored, models)
    if choose is None or len(models) < 2 or len(outcome.tasks) < FOLDS:
        return Report(
            table, (), None, (), len(outcome.tasks), models[0] if len(models) == 1 else None
        )
    best = max(models, key=lambda model: (outcome.mean(outcome.all_to(model))[0], model))
    single, oracle = (
        outcome.all_to(best),
        {task: outcome.best_model(task) for task in outcome.tasks},
    )
    router = _routed(scored, outcome, choose, None)
    lines = tuple(
        StrategyScore(name, *outcome.mean(chosen))
        for name, chosen in (
            ("router", router),
            (f"best single: {best[1]}", single),
            ("oracle", oracle),
        )
    )
    curve = tuple(
        (
            dial,
            StrategyScore(str(dial), *outcome.mean(_routed(scored, outcome, choose, float(dial)))),
        )
        for dial in DIALS
    )
    return Report(table, lines, outcome.gain(router, single), curve, len(outcome.tasks), best)


def conclusion(found: Report) -> str:
    """What to make of it, plainly."""
    if not found.by_model:
        return "nothing was graded yet: orch bench --quality asks every model"
    if found.best is None or found.gain is None:
        return (
            "there is nothing to choose between: one model was graded"
            if len(found.by_model) == 1
            else "too few tasks were answered by every model to compare"
        )
    gain = found.gain
    bounds = f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
    if gain.low > 0:
        return f"routing pays in quality: {bounds} over {found.best[1]} alone"
    router, single = found.strategies[0], found.strategies[1]
    if router.seconds < 0.9 * single.seconds and gain.high > -0.02:
        share = f"{router.seconds / single.seconds:.0%}"
        return (
            f"one model is enough for quality: {found.best[1]} (the router's gain is {bounds}), but"
            f" the router takes {share} of its time"
        )
    return f"one model is enough: {found.best[1]} alone; the router's gain is {bounds}"


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Score and seconds of each task by each model, for tasks that every model answered."""

    tasks: tuple[str, ...]
    score: Mapping[tuple[str, ModelKey], float]
    seconds: Mapping[tuple[str, ModelKey], float]
    models: tuple[ModelKey, ...]

    @classmethod
    def from_rows(cls, scored: Sequence[GradedAnswer], models: Sequence[ModelKey]) -> ScoreTable:
        """The complete part of the rows."""
        score = {
            (row.task_id, ModelKey(row.provider, row.model)): float(row.score or 0.0)
            for row in scored
        }
        seconds = {
            (row.task_id, ModelKey(row.provider, row.model)): float(row.seconds or 0.0)
            for row in scored
        }
        ids = dict.fromkeys(row.task_id for row in scored)
        whole = tuple(task for task in ids if all((task, model) in score for model in models))
        return cls(whole, score, seconds, tuple(models))

    def all_to(self, model: ModelKey) -> dict[str, ModelKey]:
        """Every task given to one model."""
        return {task: model for task in self.tasks}

    def best_model(self, task: str) -> ModelKey:
        """The best model of a task, of equals the fastest."""
        return max(
            self.models, key=lambda model: (self.score[task, model], -self.seconds[task, model])
        )

    def mean(self, chosen: Mapping[str, ModelKey]) -> tuple[float, float]:
        """Score and seconds when each task is given to its chosen model."""
        pairs = [(task, chosen[task]) for task in self.tasks]
        return sum(self.score[pair] for pair in pairs) / len(pairs), sum(
            self.seconds[pair] for pair in pairs
        ) / len(pairs)

    def gain(self, one: Mapping[str, ModelKey], other: Mapping[str, ModelKey]) -> MeanScore:
        """How much better one choice is, with a paired bootstrap over tasks."""
        differences = [
            self.score[task, one[task]] - self.score[task, other[task]] for task in self.tasks
        ]
        chance, n = random.Random(SEED), len(differences)
        means = sorted(sum(chance.choices(differences, k=n)) / n for _ in range(RESAMPLES))
        return MeanScore(
            sum(differences) / n, means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES)], n
        )


def _routed(
    scored: Sequence[GradedAnswer], outcome: ScoreTable, choose: ChooseModels, dial: float | None
) -> dict[str, ModelKey]:
    """Each task's model, chosen by what the other folds' answers teach."""
    order = list(outcome.tasks)
    random.Random(SEED).shuffle(order)
    chosen: dict[str, ModelKey] = {}
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        chosen |= choose([row for row in scored if row.task_id not in set(held)], held, dial)
    return chosen


def _cells(rows: Sequence[GradedAnswer]) -> dict[str, MeanScore]:
    """By type, and `all`; code that was not run stands apart, and is not part of all."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        kinds = (row.task_type, "all") if is_evidence(row) else (f"{row.task_type} (form)",)
        for kind in kinds:
            groups.setdefault(kind, []).append(float(row.score or 0.0))
    return {kind: wilson_interval(scores) for kind, scores in sorted(groups.items())}


def wilson_interval(scores: Iterable[float]) -> MeanScore:
    """Mean and 95 % interval of scores from 0 to 1: Wilson (1927), with the sum of the scores as
    successes."""
    values = list(scores)
    n, share = len(values), sum(values) / len(values)
    middle, half = (
        share + Z * Z / (2 * n),
        Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)),
    )
    return MeanScore(
        share,
        max((middle - half) / (1 + Z * Z / n), 0.0),
        min((middle + half) / (1 + Z * Z / n), 1.0),
        n,
    )
