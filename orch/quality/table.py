"""Graded answers by kind of task and model, drawn to what is believed without them (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

Row = tuple[str, str | None, str, float]
"""A graded answer: text, kind of task, model, score from 0 to 1."""
Kinds = Callable[[str], Mapping[str, float]]
"""P(kind | text) of a classifier."""
RATED_WEIGHT, ASSUMED_WEIGHT = 10.0, 3.0
"""Graded answers that a rating, and the mean of all models, count as. At ten, one answer moves a rated model by at most .2 at its own kind, and by .15 at any
other, also where the text may be of either."""
CELL_WEIGHT = 8.0
"""Graded answers that a model's mean counts as in one kind of task; 5 to 20 are alike (cross-validated, as all below, on LLMRouter's prompts)."""
SCORE_VARIANCE = 0.2
"""Of one graded answer about its mean: most are right or wrong (assumed, like the next; only `sd` depends on them)."""


@dataclass(slots=True)
class Table:
    """Sums of graded answers by kind and model (lines of kinds), and what is believed without them."""

    prior: list[float]
    weight: list[float]
    count: list[float]
    total: list[float]
    counts: list[list[float]]
    totals: list[list[float]]

    def base(self, model: int) -> float:
        """A model's mean over all kinds, drawn to its prior."""
        prior = self.prior[model]
        return prior + (self.total[model] - prior * self.count[model]) / (self.weight[model] + self.count[model])

    def share(self, model: int, weight: float) -> float:
        """How much of what is known of a model are its graded answers, beside so many others."""
        return self.count[model] / (self.count[model] + weight)

    def meet(self, rating: float) -> None:
        """Makes room for one more model."""
        for line, value in ((self.prior, rating), (self.weight, RATED_WEIGHT), *((line, 0.0) for line in (self.count, self.total, *self.counts, *self.totals))):
            line.append(value)

    def add(self, shares: Sequence[float], model: int, score: float) -> None:
        """One graded answer to a text of these kinds."""
        self.count[model] += 1
        self.total[model] += score
        for kind, share in enumerate(shares):
            self.counts[kind][model] += share
            self.totals[kind][model] += share * score

    def mean(self, shares: Sequence[float], model: int) -> float:
        """The mean in these kinds, each drawn to the model's own."""
        base = self.base(model)
        return base + sum(
            share * (totals[model] - base * counts[model]) / (CELL_WEIGHT + counts[model])
            for share, counts, totals in zip(shares, self.counts, self.totals, strict=True)
        )

    def evidence(self, shares: Sequence[float], model: int) -> float:
        """Graded answers in these kinds."""
        if not self.counts:
            return self.count[model]
        return sum(share * counts[model] for share, counts in zip(shares, self.counts, strict=True))

    def variance(self, shares: Sequence[float], model: int) -> float:
        """Of the mean in these kinds."""
        own = SCORE_VARIANCE / (self.weight[model] + self.count[model])
        return sum(share * SCORE_VARIANCE / (CELL_WEIGHT + counts[model]) for share, counts in zip(shares, self.counts, strict=True)) + own


def checked(value: float) -> float:
    """Raises ValueError outside 0 to 1, and for what is not a number."""
    if not 0 <= value <= 1:
        raise ValueError(f"a score is from 0 to 1, not {value!r}")
    return float(value)


@dataclass(frozen=True, slots=True)
class Graded:
    """Graded answers by text: its label of kind (None: not told), and for each model the scores."""

    texts: list[str]
    labels: list[str]
    kind: list[int | None]
    scores: list[dict[int, list[float]]]
    given: list[list[float]] | None
    size: int

    @classmethod
    def of(cls, rows: Iterable[Row], models: Sequence[str], kinds: Kinds | None, moves: Iterable[float] = ()) -> Graded:
        """The rows of these models, gathered by text in the order they come; `moves` are added to their scores, 0 where there are none left."""
        at = {model: number for number, model in enumerate(models)}
        scores: dict[str, dict[int, list[float]]] = {}
        label: dict[str, str] = {}
        for (text, kind, model, score), move in zip(rows, chain(moves, repeat(0.0)), strict=False):
            if model in at:
                scores.setdefault(text, {}).setdefault(at[model], []).append(checked(score) + move)
                if kind:
                    label.setdefault(text, kind)
        given = [kinds(text) for text in scores] if kinds else None
        labels = sorted({name for each in given for name in each} if given is not None else set(label.values()))
        places = {name: place for place, name in enumerate(labels)}
        own = [None if kinds else places.get(label.get(text, "")) for text in scores]
        shares = None if given is None else [[float(each.get(name, 0.0)) for name in labels] for each in given]
        return cls(list(scores), labels, own, list(scores.values()), shares, len(models))


def filled(graded: Graded, rated: list[float | None], shares: Sequence[Sequence[float]], kinds: int) -> Table:
    """All answers. Before any, a rating is believed, or the mean of all answers, or of the ratings, or a half."""
    seen = [score for each in graded.scores for many in each.values() for score in many]
    known = seen or [rating for rating in rated if rating is not None] or [0.5]
    prior = [sum(known) / len(known) if rating is None else rating for rating in rated]
    weight = [ASSUMED_WEIGHT if rating is None else RATED_WEIGHT for rating in rated]
    zeros = [0.0] * len(rated)
    table = Table(prior, weight, zeros[:], zeros[:], [zeros[:] for _ in range(kinds)], [zeros[:] for _ in range(kinds)])
    for each, own in zip(graded.scores, shares, strict=True):
        for model, many in each.items():
            for score in many:
                table.add(own, model, score)
    return table
