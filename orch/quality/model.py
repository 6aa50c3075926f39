"""Predicts how good each model's answer to a text would be; fitting needs numpy, prediction does
not (pure)."""

from __future__ import annotations

import json
import math
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from orch.quality.features import BUCKETS, FeatureGroups, hash_text
from orch.quality.table import (
    GradedDataset,
    GradeTable,
    Kinds,
    Prior,
    Row,
    checked_prior,
    checked_score,
    fill_table,
    prior_at,
)
from orch.quality.weights import WeightColumns, column_sum, pack_column, unpack_column
from orch.types import Estimate, EstimateBasis

MAGIC = b"orchqua2"
RATING_FADES = 20
"""Graded answers from which on a rating is no longer mentioned."""
KIND_VARIANCE = 0.03
"""Variance of a model's means between kinds, for texts whose kind is uncertain."""
WORDS_WEIGHT = 10.0
"""Graded answers of a model at which half of the contribution of words is believed: with fewer, one
answer would move it by more than the table does."""
STEP = 50.0
"""Divisor of an online step; 30 to 60 are alike, 5 loses .01 (streams of the same set)."""


class TextFeatures(NamedTuple):
    """The features of a text: buckets with their values, shares of kinds, and how far words are
    trusted (0 to 1)."""

    groups: FeatureGroups
    shares: list[float]
    trust: float


class QualityModel:
    """Means by kind and model, and what the words of a text add to them."""

    def __init__(
        self,
        models: Sequence[str],
        labels: Sequence[str],
        table: GradeTable,
        lines: WeightColumns,
        rated: Mapping[str, Prior],
        kinds: Kinds | None,
    ) -> None:
        self._at = {model: at for at, model in enumerate(models)}
        self._labels = {label: at for at, label in enumerate(labels)}
        self._table, self._lines, self._rated, self._kinds = table, lines, dict(rated), kinds

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models, in the order they were given."""
        return tuple(self._at)

    @classmethod
    def fit(
        cls,
        rows: Iterable[Row],
        models: Sequence[str],
        priors: Mapping[str, Prior] | None = None,
        *,
        kinds: Kinds | None = None,
        moves: Iterable[float] = (),
    ) -> QualityModel:
        """Fits a model to graded answers, of which there may be none. Answers of models that are
        not in `models` are ignored.

        `priors` are from 0 to 1: a number, or numbers by kind, for each model; without any, a model
        starts at the mean of all answers. `kinds`, if given, is P(kind | text); otherwise it is
        learned from the kinds of the rows, which needs numpy.

        `moves` are added to the scores of the first rows to bring them to the scale of the ratings.

        Raises ValueError for scores and priors outside 0 to 1 and for a model that is named twice.
        """
        models = list(models)
        if len(set(models)) != len(models):
            raise ValueError("a model is named twice")
        graded = GradedDataset.of(rows, models, kinds, moves)
        given = priors or {}
        rated = {model: checked_prior(given[model]) for model in models if model in given}
        lines, shares = _learned(graded) or (
            WeightColumns(),
            graded.given or [[]] * len(graded.texts),
        )
        labels = graded.labels if kinds or lines.kinds else []
        table = fill_table(graded, [rated.get(model) for model in models], shares, labels)
        return cls(models, labels, table, lines, rated, kinds)

    def predict(self, text: str) -> dict[str, Estimate]:
        """An estimate for every model. Accepts any text; a bounded part of it is read."""
        features = self._features(text)
        return {model: self._estimate(features, model, at) for model, at in self._at.items()}

    def update(self, text: str, model_name: str, score: float) -> None:
        """Learns one more graded answer, in constant time. Raises ValueError for an unknown
        model."""
        if model_name not in self._at:
            raise ValueError(f"unknown model {model_name!r}")
        model, score = self._at[model_name], checked_score(score)
        for label in self._kinds(text) if self._kinds else ():
            self._add_kind(label)
        features = self._features(text)
        error = score - self._mean(features, model)
        self._table.add(features.shares, model, score)
        if self._lines.models:
            column = self._lines.models[model]
            for at, value in features.groups:
                for bucket in at:
                    column[bucket] += error * value / STEP

    def meet(self, model_name: str, prior: Prior) -> None:
        """Adds a model with a prior, unless it is known. Raises ValueError as `fit` does."""
        if model_name not in self._at:
            believed = checked_prior(prior)
            self._at[model_name] = len(self._at)
            self._rated[model_name] = believed
            self._table.add_model(believed, self._labels)
            if self._lines.models:
                self._lines.models.append(array("f", bytes(4 * BUCKETS)))

    def _add_kind(self, label: str) -> None:
        """Adds a kind that the graded answers did not have."""
        if label not in self._labels:
            self._labels[label] = len(self._labels)
            self._table.add_kind(
                [
                    prior_at(self._rated.get(model, self._table.prior[at]), label)
                    for model, at in self._at.items()
                ]
            )

    def choose(self, text: str, costs: Mapping[str, float], dial: float = 0.0) -> str:
        """The model with the largest mean - dial * cost / largest cost; of equals the cheapest.
        `costs` are in seconds; a missing one counts as the median.

        Raises ValueError if there is no model, and for a cost or a dial that is negative or not
        finite.
        """
        if not self._at:
            raise ValueError("there is no model to choose from")
        shares = _cost_shares(costs, list(self._at))
        if not 0 <= dial < math.inf:
            raise ValueError("the dial is a number from 0 up")
        means = {model: each.mean for model, each in self.predict(text).items()}
        return max(means, key=lambda model: (means[model] - dial * shares[model], -shares[model]))

    def _features(self, text: str) -> TextFeatures:
        """Sums the columns over the buckets of the text."""
        lines = self._lines
        groups = hash_text(text) if lines.columns() else []
        scores = lines.scores(groups)
        shares = self._shares(text, scores)
        newness = (
            column_sum(lines.newness[0], groups, square=True) / len(groups)
            if lines.newness
            else 0.0
        )
        flat, by_kind, by_newness = lines.trust
        return TextFeatures(
            groups,
            shares,
            _sigmoid(flat + by_kind * max(scores, default=0.0) + by_newness * newness),
        )

    def _shares(self, text: str, scores: list[float]) -> list[float]:
        if self._kinds is None:
            return self._lines.shares(scores)
        given = self._kinds(text)
        return [float(given.get(label, 0.0)) for label in self._labels]

    def _mean(self, features: TextFeatures, model: int) -> float:
        """The model's own mean, plus the contributions of kind and words as far as they are
        trusted."""
        base = self._table.base(model)
        words = (
            column_sum(self._lines.models[model], features.groups)
            * self._table.share(model, WORDS_WEIGHT)
            if self._lines.models
            else 0.0
        )
        kind = (self._table.mean(features.shares, model) - base) * (
            features.trust if self._kinds is None else 1.0
        )
        return min(max(base + kind + features.trust * words, 0.0), 1.0)

    def _estimate(self, features: TextFeatures, name: str, model: int) -> Estimate:
        n = round(self._table.evidence(features.shares, model))
        variance = (
            self._table.variance(features.shares, model) + (1 - features.trust) * KIND_VARIANCE
        )
        basis = self._basis(name, model, n)
        return Estimate(self._mean(features, model), math.sqrt(variance), n, basis)

    def _basis(self, name: str, model: int, n: int) -> EstimateBasis:
        rated = name in self._rated
        if not self._table.count[model]:
            return EstimateBasis.RATED if rated else EstimateBasis.ASSUMED
        if not n:
            return EstimateBasis.MEASURED_ELSEWHERE
        few = rated and n < RATING_FADES
        return EstimateBasis.MEASURED_AND_RATED if few else EstimateBasis.MEASURED

    def to_bytes(self) -> bytes:
        """A head of JSON and the columns as 32-bit floats, with a checksum."""
        table, lines = self._table, self._lines
        head = {
            "models": list(self._at),
            "labels": list(self._labels),
            "rated": dict(sorted(self._rated.items())),
            "given": self._kinds is not None,
            "table": [
                table.prior,
                table.weight,
                table.count,
                table.total,
                table.priors,
                table.counts,
                table.totals,
            ],
            "lines": [
                len(lines.kinds),
                lines.offsets,
                lines.temperature,
                len(lines.models),
                len(lines.newness),
                lines.trust,
            ],
        }
        text = json.dumps(head).encode()
        body = (
            len(text).to_bytes(4, "little")
            + text
            + b"".join(pack_column(column) for column in lines.columns())
        )
        return MAGIC + zlib.crc32(body).to_bytes(4, "little") + body

    @classmethod
    def from_bytes(cls, data: bytes, kinds: Kinds | None = None) -> QualityModel:
        """A model from `to_bytes`. A model fitted with `kinds` needs them again. Raises ValueError
        for other data."""
        body = memoryview(data)[12:]
        if (
            data[:8] != MAGIC
            or not body
            or zlib.crc32(body) != int.from_bytes(data[8:12], "little")
        ):
            raise ValueError("not a quality model of this version")
        size = 4 + int.from_bytes(body[:4], "little")
        head = json.loads(bytes(body[4:size]))
        try:
            return cls._read_back(head, body[size:], kinds)
        except (KeyError, TypeError, StopIteration) as error:
            raise ValueError("not a quality model of this version") from error

    @classmethod
    def _read_back(
        cls, head: Mapping[str, Any], body: memoryview, kinds: Kinds | None
    ) -> QualityModel:
        if head["given"] and kinds is None:
            raise ValueError(
                "this quality model was fitted with a classifier's kinds, and needs them"
            )
        columns = iter(
            [
                unpack_column(body[start : start + 4 * BUCKETS])
                for start in range(0, len(body), 4 * BUCKETS)
            ]
        )
        of_kinds, offsets, temperature, of_models, of_newness, trust = head["lines"]
        parts = [
            [next(columns) for _ in range(count)] for count in (of_kinds, of_models, of_newness)
        ]
        lines = WeightColumns(parts[0], offsets, temperature, parts[1], parts[2], trust)
        return cls(
            head["models"], head["labels"], GradeTable(*head["table"]), lines, head["rated"], kinds
        )


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-min(max(x, -30.0), 30.0)))


def _learned(graded: GradedDataset) -> tuple[WeightColumns, list[list[float]]] | None:
    if not graded.texts:
        return None
    try:
        from orch.quality.ridge import (
            fit_columns,  # numpy: a tenth of a second, and not installed everywhere
        )
    except ImportError:
        return None
    return fit_columns(graded)


def _cost_shares(costs: Mapping[str, float], models: list[str]) -> dict[str, float]:
    """Costs as shares of the largest."""
    known = [costs[model] for model in models if model in costs]
    if not all(0 <= cost < math.inf for cost in known):
        raise ValueError("a cost is a number of seconds from 0 up")
    ordered, half = sorted(known), len(known) // 2
    median = (ordered[half] + ordered[~half]) / 2 if known else 0.0
    largest = max(known, default=0.0) or 1.0
    return {model: costs.get(model, median) / largest for model in models}
