"""Figures on held-out rows, and what is fitted to them: confidences and thresholds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from orch.classifier.keyword_rules import RuleClassifier
from orch.classifier.train.rows import TYPES, Row
from orch.config.load import load_config

FOLDS = 4
SEED = 4
BINS = 10
SECOND_RIGHT = 0.4


def folds(rows: Sequence[Row], by_source: bool) -> Any:
    """A fold for each real row, -1 (always trained on) for the others. Sources stay whole, or rows
    are distributed at random."""
    chance = random.Random(SEED)
    if not by_source:
        return np.array([chance.randrange(FOLDS) if row.real else -1 for row in rows])
    load_of, fold_of = [0] * FOLDS, {}
    for source, count in sorted(
        Counter(row.source for row in rows if row.real).items(),
        key=lambda each: (-each[1], each[0]),
    ):
        fold_of[source] = load_of.index(min(load_of))
        load_of[fold_of[source]] += count
    return np.array([fold_of.get(row.source, -1) for row in rows])


def knots(top: Any, right: Any) -> tuple[list[float], list[float]]:
    """Confidence by top probability: means of equal shares of the rows, made monotonic (pool
    adjacent violators)."""
    order = np.argsort(top, kind="stable")
    pools = [
        [float(top[part].mean()), float(right[part].mean()), 1]
        for part in np.array_split(order, 12)
    ]
    at = 0
    while at < len(pools) - 1:
        if pools[at][1] <= pools[at + 1][1]:
            at += 1
            continue
        (x, y, n), (x2, y2, n2) = pools[at], pools.pop(at + 1)
        pools[at] = [(x * n + x2 * n2) / (n + n2), (y * n + y2 * n2) / (n + n2), n + n2]
        at = max(at - 1, 0)
    xs, ys = (
        [0.0, *(pool[0] for pool in pools), 1.0],
        [0.0, *(pool[1] for pool in pools), pools[-1][1]],
    )
    rising = [0, *(at for at, (a, b) in enumerate(pairwise(xs), 1) if b > a)]
    return [round(xs[at], 5) for at in rising], [round(ys[at], 5) for at in rising]


def ece(confidence: Any, right: Any) -> float:
    """Expected calibration error, ten bins of equal width."""
    where = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return float(
        sum(
            abs(confidence[where == at].mean() - right[where == at].mean()) * (where == at).mean()
            for at in set(where.tolist())
        )
    )


def lenient(rows: Sequence[Row], best: Any) -> Any:
    """Whether the type of each row is its label or a defensible second."""
    return np.array(
        [
            TYPES[at] == row.label or TYPES[at] in row.also
            for at, row in zip(best, rows, strict=True)
        ]
    )


def shares(rows: Sequence[Row], best: Any) -> dict[str, float]:
    """Strict and lenient shares of decisions, given as indices into TYPES."""
    strict = np.array([TYPES[at] == row.label for at, row in zip(best, rows, strict=True)])
    return {
        "strict": round(float(strict.mean()), 4),
        "lenient": round(float(lenient(rows, best).mean()), 4),
    }


def evaluation_figures(rows: Sequence[Row], logits: Any) -> dict[str, Any]:
    """Strict and lenient shares, by language and by label."""
    best = logits.argmax(axis=1)
    good = lenient(rows, best)

    def share(chosen: list[bool]) -> float:
        return round(float(good[np.array(chosen)].mean()), 4)

    return {
        "n": len(rows),
        **shares(rows, best),
        "by_language": {lang: share([row.lang == lang for row in rows]) for lang in ("en", "es")},
        "by_label": {kind: share([row.label == kind for row in rows]) for kind in TYPES},
    }


def baselines(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """The most frequent label, and the keywords of the shipped routing.yaml."""
    rules = RuleClassifier(load_config().routing.task_types)
    common = TYPES.index(Counter(row.label for row in rows).most_common(1)[0][0])
    keywords = [TYPES.index(str(rules.classify(row.text).task_type)) for row in rows]
    return {"majority": shares(rows, [common] * len(rows)), "keywords": shares(rows, keywords)}


def unsure_below(confidence: Any, right: Any) -> float:
    """The highest confidence below which more decisions are wrong than right."""
    order = np.argsort(confidence, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    wrong = np.flatnonzero((share <= 0.5) & (np.arange(len(order)) >= 30))
    return round(float(confidence[order[wrong[-1]]]), 3) if len(wrong) else 0.0


def second_share(rows: Sequence[Row], probabilities: Any) -> float:
    """The minimum share of the first type's probability from which a second type is right or
    defensible in two of five cases."""
    order = np.argsort(-probabilities, axis=1)
    top, next_ = (np.take_along_axis(probabilities, order[:, [at]], axis=1)[:, 0] for at in (0, 1))
    good = lenient(rows, order[:, 1])
    for share in np.arange(0.05, 1.0, 0.05):
        chosen = next_ >= share * top
        if chosen.sum() >= 30 and good[chosen].mean() >= SECOND_RIGHT:
            return round(float(share), 2)
    return 1.0


def cross_fitted_ece(top: Any, right: Any, dealt: Any) -> float:
    """Expected calibration error where the confidences of each fold are fitted to the other
    folds."""
    confidence = np.zeros(len(top))
    for fold in range(FOLDS):
        confidence[dealt == fold] = np.interp(
            top[dealt == fold], *knots(top[dealt != fold], right[dealt != fold])
        )
    return ece(confidence, right)
