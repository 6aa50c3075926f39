"""Summarizes graded answers: each model at each task type, and the router compared with the best
single model and the oracle (pure)."""

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
"""The model that the router chooses for each task, from graded answers to learn from, task ids and
a dial."""


@dataclass(frozen=True, slots=True)
class MeanScore:
    """A mean score of n answers, with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class StrategyScore:
    """A way to choose models: its mean score and mean seconds per answer."""

    name: str
    quality: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """The results of a quality bench. `gain`: the router's score minus the best single model's;
    `curve`: by dial."""

    by_model: dict[ModelKey, dict[str, MeanScore]]
    strategies: tuple[StrategyScore, ...]
    gain: MeanScore | None
    curve: tuple[tuple[int, StrategyScore], ...]
    tasks: int
    best: ModelKey | None


def make_report(graded: Sequence[GradedAnswer], choose: ChooseModels | None) -> Report:
    """The report. Strategies and curve cover the tasks that every model answered; the router never
    learns from the task that it decides."""
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


def conclusion(report: Report) -> str:
    """The conclusion as a sentence."""
    if not report.by_model:
        return "nothing was graded yet: orch bench --quality runs the suite"
    if report.best is None or report.gain is None:
        return (
            "there is nothing to choose between: one model was graded"
            if len(report.by_model) == 1
            else "too few tasks were answered by every model to compare"
        )
    gain = report.gain
    bounds = f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
    if gain.low > 0:
        return f"routing pays in quality: {bounds} over {report.best[1]} alone"
    router, single = report.strategies[0], report.strategies[1]
    if router.seconds < 0.9 * single.seconds and gain.high > -0.02:
        share = f"{router.seconds / single.seconds:.0%}"
        return (
            f"one model is enough for quality: {report.best[1]} (the router's gain is {bounds}),"
            f" but the router takes {share} of its time"
        )
    return f"one model is enough: {report.best[1]} alone; the router's gain is {bounds}"


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Score and seconds of each task and model, for tasks that every model answered."""

    tasks: tuple[str, ...]
    score: Mapping[tuple[str, ModelKey], float]
    seconds: Mapping[tuple[str, ModelKey], float]
    models: tuple[ModelKey, ...]

    @classmethod
    def from_rows(cls, scored: Sequence[GradedAnswer], models: Sequence[ModelKey]) -> ScoreTable:
        """The table of the tasks that every model answered."""
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
        """One model for every task."""
        return {task: model for task in self.tasks}

    def best_model(self, task: str) -> ModelKey:
        """The best model of a task; of equals, the fastest."""
        return max(
            self.models, key=lambda model: (self.score[task, model], -self.seconds[task, model])
        )

    def mean(self, chosen: Mapping[str, ModelKey]) -> tuple[float, float]:
        """Mean score and seconds of a choice of models."""
        pairs = [(task, chosen[task]) for task in self.tasks]
        return sum(self.score[pair] for pair in pairs) / len(pairs), sum(
            self.seconds[pair] for pair in pairs
        ) / len(pairs)

    def gain(self, one: Mapping[str, ModelKey], other: Mapping[str, ModelKey]) -> MeanScore:
        """The score difference of two choices, with a paired bootstrap over tasks."""
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
    """Each task's model, chosen by a router that learned from the other folds."""
    order = list(outcome.tasks)
    random.Random(SEED).shuffle(order)
    chosen: dict[str, ModelKey] = {}
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        chosen |= choose([row for row in scored if row.task_id not in set(held)], held, dial)
    return chosen


def _cells(rows: Sequence[GradedAnswer]) -> dict[str, MeanScore]:
    """Mean scores by type and for `all`; code that was not run is listed apart and not part of
    `all`."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        kinds = (row.task_type, "all") if is_evidence(row) else (f"{row.task_type} (form)",)
        for kind in kinds:
            groups.setdefault(kind, []).append(float(row.score or 0.0))
    return {kind: wilson_interval(scores) for kind, scores in sorted(groups.items())}


def wilson_interval(scores: Iterable[float]) -> MeanScore:
    """Mean and 95 % Wilson (1927) interval of scores from 0 to 1, with their sum as successes."""
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
