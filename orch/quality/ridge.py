"""Fits the weight columns to graded answers by ridge regression: needs numpy (pure)."""

from __future__ import annotations

import math
import zlib
from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np

from orch.quality.features import BUCKETS, FeatureGroups, hash_text
from orch.quality.table import CELL_WEIGHT, GradedDataset
from orch.quality.weights import WeightColumns, unpack_column

KIND_RIDGE, REST_RIDGE = 1.0, 30.0
"""For kinds, .1 to 1 are alike; for the rest, 10 and 30 are alike, and at 30 one answer moves a
text of the same words a third as much."""
TEMPERATURES = (3.0, 4.0, 6.0, 8.0, 10.0, 13.0, 17.0)
CAUTION = 0.8
"""Share of the temperature that fits known kinds best: on unseen kinds every softmax is
overconfident (gains .001 of quality there, costs .001 on known kinds)."""
REST_SHARE = 0.7
"""Share of the best-fitting scale of the differences between models: the apparent best is partly
lucky (.002 of quality)."""
UNPROVEN = 1.0
"""Squared sum of predictions from words at which half of them is believed: with few answers they
agree by chance."""
SEEN_MASS = 2.0
"""Squared values at which a bucket counts as half new; .05 recognizes unseen kinds a little
worse."""
STEEPNESS, KNOWN_ODDS = 2.5, 4.0
"""Trust falls steeply, and four of five texts are assumed to be of known kinds; odds of 2 and 8
move .002 from unseen kinds to known ones."""
NEWTON_STEPS = 12
LEARNED_TEXTS, DENSE_COLUMNS = 3_200, 2_048
"""Texts that the columns are fitted to (memory grows with their square, time with their cube; the
table takes all), and columns held at a time."""


def fit_columns(graded: GradedDataset) -> tuple[WeightColumns, list[list[float]]]:
    """Columns by two ridge regressions, and each text's shares of kinds: its label, else the
    prediction without it."""
    order = sorted(
        range(len(graded.texts)),
        key=lambda at: (zlib.crc32(graded.texts[at].encode("utf-8", "replace")), at),
    )[:LEARNED_TEXTS]
    design = DesignMatrix.of([hash_text(graded.texts[at]) for at in order])
    gram = design.gram()
    lines = WeightColumns()
    given = None if graded.given is None else np.array([graded.given[at] for at in order])
    wanted = (
        given
        if given is not None
        else _one_hot([graded.kind[at] for at in order], len(graded.labels))
    )
    shares, tops = wanted, np.zeros((2, len(order)))
    if given is None and graded.labels:
        shares, tops = _learn_kinds(lines, design, gram, wanted)
    _learn_trust(lines, design, wanted, tops)
    scores, known = _scores(graded, order)
    _learn_models(
        lines, design, gram, (scores, known), _left_out_means(scores, known, shares, wanted)
    )
    if graded.given is not None:
        return lines, graded.given
    predicted = {at: share for at, share in zip(order, shares.tolist(), strict=True)}
    return lines, [
        _one_hot_line(kind, len(graded.labels))
        or predicted.get(at)
        or lines.shares(lines.scores(hash_text(text)))
        for at, (text, kind) in enumerate(zip(graded.texts, graded.kind, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class DesignMatrix:
    """Texts as a sparse matrix: line, bucket and value of each entry, as numpy arrays."""

    line: Any
    bucket: Any
    value: Any
    size: int

    @classmethod
    def of(cls, texts: list[FeatureGroups]) -> DesignMatrix:
        """One line for each text."""
        entries = [
            (line, bucket, value)
            for line, groups in enumerate(texts)
            for at, value in groups
            for bucket in at
        ]
        line, bucket, value = np.array(entries).reshape(-1, 3).T
        return cls(line.astype(int), bucket.astype(int), value, len(texts))

    def gram(self) -> Any:
        """Products of all pairs of texts, (n, n). Buckets of a single text only count on the
        diagonal."""
        shared = np.bincount(self.bucket, minlength=BUCKETS) > 1
        place = np.cumsum(shared) - 1
        alone = ~shared[self.bucket]
        gram: Any = np.diag(_sums(self.line[alone], self.value[alone] ** 2, self.size))
        for start in range(0, int(shared.sum()), DENSE_COLUMNS):
            inside = ~alone & (place[self.bucket] // DENSE_COLUMNS == start // DENSE_COLUMNS)
            dense = np.zeros((self.size, DENSE_COLUMNS), dtype=np.float32)
            np.add.at(
                dense,
                (self.line[inside], place[self.bucket[inside]] - start),
                self.value[inside].astype(np.float32),
            )
            gram += dense @ dense.T
        return gram

    def column(self, weights: Any) -> array[float]:
        """Turns weights of texts into weights of buckets."""
        return unpack_column(
            memoryview(
                _sums(self.bucket, self.value * weights[self.line], BUCKETS).astype("<f4").tobytes()
            )
        )

    def newness(self, without: Any) -> Any:
        """How new each text is to the others, 0 to 1, without those of its own group in
        `without`."""
        square = self.value**2
        mass = _sums(self.bucket, square, BUCKETS)
        keys = without[self.line] * BUCKETS + self.bucket
        _, inverse = np.unique(keys, return_inverse=True)
        own_mass = _sums(inverse, square)[inverse]
        new = square / (1 + np.maximum(mass[self.bucket] - own_mass, 0) / SEEN_MASS)
        return _sums(self.line, new, self.size) / np.maximum(
            _sums(self.line, square, self.size), 1e-9
        )


def _sums(places: Any, values: Any, size: int = 0) -> Any:
    """Sums of values by index, as floats: numpy's bincount of an empty array has integers whatever
    the weights, and no float can be added in place."""
    return np.bincount(places, values, minlength=size).astype(float)


def _one_hot_line(kind: int | None, count: int) -> list[float]:
    return [] if kind is None else [float(at == kind) for at in range(count)]


def _one_hot(kinds: list[int | None], count: int) -> Any:
    """A line for each text; the mean where the kind is unknown."""
    wanted = np.array([_one_hot_line(kind, count) or [0.0] * count for kind in kinds]).reshape(
        len(kinds), count
    )
    known = np.array([kind is not None for kind in kinds])
    wanted[~known] = wanted[known].mean(axis=0) if known.any() else 0.0
    return wanted


def _learn_kinds(
    lines: WeightColumns, design: DesignMatrix, gram: Any, wanted: Any
) -> tuple[Any, Any]:
    """Fits the columns of kinds. Returns shares predicted without the text itself, and the highest
    score without the text (line 0) and without its whole kind (line 1)."""
    inverse = np.linalg.inv(gram + KIND_RIDGE * np.eye(design.size))
    mean = wanted.mean(axis=0)
    weights = inverse @ (wanted - mean)
    left_out = wanted - weights / np.diag(inverse)[:, None]
    lines.offsets = mean.tolist()
    lines.kinds = [design.column(each) for each in weights.T]
    fits = [float((wanted * _log_softmax(left_out * each)).sum()) for each in TEMPERATURES]
    lines.temperature = CAUTION * TEMPERATURES[fits.index(max(fits))]
    tops = np.stack([left_out.max(axis=1), left_out.max(axis=1)])
    own = wanted.argmax(axis=1)
    for kind in range(wanted.shape[1]):
        inside, outside = own == kind, own != kind
        if inside.any() and outside.any():
            kept = wanted[outside].mean(axis=0)
            apart = wanted[inside] - np.linalg.solve(
                inverse[np.ix_(inside, inside)], (inverse @ (wanted - kept))[inside]
            )
            tops[1, inside] = np.delete(apart, kind, axis=1).max(axis=1)
    return np.exp(_log_softmax(left_out * lines.temperature)), tops


def _learn_trust(lines: WeightColumns, design: DesignMatrix, wanted: Any, tops: Any) -> None:
    """Fits a logistic regression that separates texts of known kinds from those of held-out kinds,
    by highest score and newness."""
    mass = _sums(design.bucket, design.value**2, BUCKETS)
    lines.newness = [array("f", (1 / (1 + mass / SEEN_MASS)).tolist())]
    if wanted.shape[1] < 2:
        return
    near, far = design.newness(np.arange(design.size)), design.newness(wanted.argmax(axis=1))
    x = np.stack([np.ones(2 * design.size), tops.ravel(), np.concatenate([near, far])], axis=1)
    y = np.repeat([1.0, 0.0], design.size)
    trust = np.zeros(3)
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ trust, -30, 30)))
        trust += np.linalg.solve(
            (x.T * (p * (1 - p))) @ x + np.eye(3) * 0.1, x.T @ (y - p) - 0.1 * trust
        )
    lines.trust = (STEEPNESS * (trust + np.array([math.log(KNOWN_ODDS), 0.0, 0.0]))).tolist()


def _learn_models(
    lines: WeightColumns, design: DesignMatrix, gram: Any, graded: tuple[Any, Any], means: Any
) -> None:
    """Fits what words add to the kind; missing scores add nothing. The common part of all models
    and the differences between them are each scaled by held-out texts."""
    scores, known = graded
    rest = np.where(known, scores - means, 0.0)
    inverse = np.linalg.inv(gram + REST_RIDGE * np.eye(design.size))
    weights = inverse @ rest
    predicted = rest - weights / np.diag(inverse)[:, None]
    shared = predicted.mean(axis=1, keepdims=True)
    scales = [
        _scale(rest[known], np.broadcast_to(shared, rest.shape)[known]),
        REST_SHARE * _scale(rest[known], (predicted - shared)[known]),
    ]
    common = weights.mean(axis=1, keepdims=True)
    weights = scales[0] * common + scales[1] * (weights - common)
    lines.models = [design.column(each) for each in weights.T]


def _left_out_means(scores: Any, known: Any, shares: Any, own: Any) -> Any:
    """The table's means by kind for each text, without its own scores."""
    base = (scores * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    out = np.repeat(base[None], len(scores), axis=0)
    for share, weight in zip(shares.T[:, :, None], own.T[:, :, None], strict=True):
        counts, totals = weight * known, weight * known * (scores - base)
        out += share * (totals.sum(axis=0) - totals) / (CELL_WEIGHT + counts.sum(axis=0) - counts)
    return out


def _scale(wanted: Any, predicted: Any) -> float:
    """The factor for predictions, 0 to 1 (least squares, shrunk towards 0)."""
    return min(
        max(
            float((wanted * predicted).sum()) / (float((predicted * predicted).sum()) + UNPROVEN),
            0.0,
        ),
        1.0,
    )


def _scores(graded: GradedDataset, order: list[int]) -> tuple[Any, Any]:
    """The mean score of each text and model, and whether there is one."""
    scores = np.zeros((len(order), graded.size))
    known = np.zeros(scores.shape, dtype=bool)
    for line, at in enumerate(order):
        for model, many in graded.scores[at].items():
            scores[line, model], known[line, model] = sum(many) / len(many), True
    return scores, known


def _log_softmax(logits: Any) -> Any:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
