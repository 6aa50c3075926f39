"""Mean grade by kind of task and model, shrunk towards priors (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import NamedTuple

Row = tuple[str, str | None, str, float]
"""A graded answer: text, kind of task, model, score from 0 to 1."""
Kinds = Callable[[str], Mapping[str, float]]
"""P(kind | text) of a classifier."""
Prior = float | Mapping[str, float]
"""The expected score of a model without graded answers, 0 to 1: one for every kind, or by kind; a
missing kind has the mean of the others."""
RATED_WEIGHT, ASSUMED_WEIGHT = 10.0, 3.0
"""The number of graded answers that a rating, and the mean of all models, count as. At ten, one
answer moves a rated model by at most .2 at its own kind, and by .15 at any other, even if the text
may be of either."""
CELL_WEIGHT = 8.0
"""The number of graded answers that a model's mean counts as in one kind of task; 5 to 20 are alike
(cross-validated, as all below, on LLMRouter's prompts)."""
SCORE_VARIANCE = 0.2
"""Variance of one graded answer: most are right or wrong (assumed, like the next; only `sd` depends
on them)."""


@dataclass(slots=True)
class GradeTable:
    """Graded answers by kind and model (lines are kinds): their number, and how much better they
    are than the priors."""

    prior: list[float]
    weight: list[float]
    count: list[float]
    total: list[float]
    priors: list[list[float]]
    counts: list[list[float]]
    totals: list[list[float]]

    def base(self, model: int) -> float:
        """A model's mean over all kinds, shrunk towards its prior."""
        return self.prior[model] + self._better(model)

    def _better(self, model: int) -> float:
        """How much better a model is than its prior, over all kinds."""
        return self.total[model] / (self.weight[model] + self.count[model])

    def expected(self, shares: Sequence[float], model: int) -> float:
        """The prior of a model at these kinds."""
        prior = self.prior[model]
        return prior + sum(
            share * (priors[model] - prior)
            for share, priors in zip(shares, self.priors, strict=True)
        )

    def share(self, model: int, weight: float) -> float:
        """The weight of a model's graded answers beside `weight` other ones."""
        return self.count[model] / (self.count[model] + weight)

    def add_model(self, prior: Prior, labels: Iterable[str]) -> None:
        """Adds a model."""
        for line in (self.count, self.total, *self.counts, *self.totals):
            line.append(0.0)
        self.prior.append(prior_mean(prior))
        self.weight.append(RATED_WEIGHT)
        for line, label in zip(self.priors, labels, strict=True):
            line.append(prior_at(prior, label))

    def add_kind(self, priors: list[float]) -> None:
        """Adds a kind, with the prior of each model."""
        self.priors.append(priors)
        for lines in (self.counts, self.totals):
            lines.append([0.0] * len(priors))

    def add(self, shares: Sequence[float], model: int, score: float) -> None:
        """Adds one graded answer to a text of these kinds."""
        better = score - self.expected(shares, model)
        self.count[model] += 1
        self.total[model] += better
        for kind, share in enumerate(shares):
            self.counts[kind][model] += share
            self.totals[kind][model] += share * better

    def mean(self, shares: Sequence[float], model: int) -> float:
        """The mean at these kinds: the prior of each, plus the deviation over all kinds and at each
        kind."""
        better = self._better(model)
        return (
            self.expected(shares, model)
            + better
            + sum(
                share * (totals[model] - better * counts[model]) / (CELL_WEIGHT + counts[model])
                for share, counts, totals in zip(shares, self.counts, self.totals, strict=True)
            )
        )

    def evidence(self, shares: Sequence[float], model: int) -> float:
        """The number of graded answers at these kinds."""
        if not self.counts:
            return self.count[model]
        return sum(share * counts[model] for share, counts in zip(shares, self.counts, strict=True))

    def variance(self, shares: Sequence[float], model: int) -> float:
        """The variance of the mean at these kinds."""
        own = SCORE_VARIANCE / (self.weight[model] + self.count[model])
        return (
            sum(
                share * SCORE_VARIANCE / (CELL_WEIGHT + counts[model])
                for share, counts in zip(shares, self.counts, strict=True)
            )
            + own
        )


def checked_score(value: float) -> float:
    """The score as a float. Raises ValueError for anything but a number from 0 to 1."""
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"a score is from 0 to 1, not {value!r}")
    return float(value)


def checked_prior(prior: Prior) -> Prior:
    """The prior with its numbers checked. Raises ValueError for a number outside 0 to 1 and for an
    empty mapping of kinds."""
    if not isinstance(prior, Mapping):
        return checked_score(prior)
    if not prior:
        raise ValueError("a prior by kind has at least one kind")
    return {str(kind): checked_score(value) for kind, value in prior.items()}


def prior_mean(prior: Prior) -> float:
    """The mean over the kinds."""
    return sum(prior.values()) / len(prior) if isinstance(prior, Mapping) else prior


def prior_at(prior: Prior, label: str) -> float:
    """The prior of one kind."""
    return prior[label] if isinstance(prior, Mapping) and label in prior else prior_mean(prior)


class GradedDataset(NamedTuple):
    """Graded answers by text: the index of its kind (None: unknown), and the scores of each
    model."""

    texts: list[str]
    labels: list[str]
    kind: list[int | None]
    scores: list[dict[int, list[float]]]
    given: list[list[float]] | None
    size: int

    @classmethod
    def of(
        cls,
        rows: Iterable[Row],
        models: Sequence[str],
        kinds: Kinds | None,
        moves: Iterable[float] = (),
    ) -> GradedDataset:
        """The rows of these models, grouped by text in order of appearance; `moves` are added to
        their scores, 0 where there are no more."""
        at = {model: number for number, model in enumerate(models)}
        scores: dict[str, dict[int, list[float]]] = {}
        label: dict[str, str] = {}
        for (text, kind, model, score), move in zip(rows, chain(moves, repeat(0.0)), strict=False):
            if model in at:
                scores.setdefault(text, {}).setdefault(at[model], []).append(
                    checked_score(score) + move
                )
                if kind:
                    label.setdefault(text, kind)
        given = [kinds(text) for text in scores] if kinds else None
        labels = sorted(
            {name for each in given for name in each} if given is not None else set(label.values())
        )
        places = {name: place for place, name in enumerate(labels)}
        own = [None if kinds else places.get(label.get(text, "")) for text in scores]
        shares = (
            None
            if given is None
            else [[float(each.get(name, 0.0)) for name in labels] for each in given]
        )
        return cls(list(scores), labels, own, list(scores.values()), shares, len(models))


def fill_table(
    graded: GradedDataset,
    rated: list[Prior | None],
    shares: Sequence[Sequence[float]],
    labels: Sequence[str],
) -> GradeTable:
    """A table of all answers. The prior of a model without one is the mean of all answers, else of
    the priors, else a half."""
    seen = [score for each in graded.scores for many in each.values() for score in many]
    known = seen or [prior_mean(prior) for prior in rated if prior is not None] or [0.5]
    priors: list[Prior] = [sum(known) / len(known) if prior is None else prior for prior in rated]
    weight = [ASSUMED_WEIGHT if prior is None else RATED_WEIGHT for prior in rated]
    zeros = [0.0] * len(rated)
    table = GradeTable(
        [prior_mean(prior) for prior in priors], weight, zeros[:], zeros[:], [], [], []
    )
    for label in labels:
        table.add_kind([prior_at(prior, label) for prior in priors])
    for each, own in zip(graded.scores, shares, strict=True):
        for model, many in each.items():
            for score in many:
                table.add(own, model, score)
    return table
