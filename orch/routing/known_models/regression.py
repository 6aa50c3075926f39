"""Fits one value per kind of benchmark for each model and mode: a one-factor model over the
benchmarks, with a regression on size and date as its prior (pure).

Each benchmark has its own offset, slope and noise, so that a benchmark that only strong models took
does not lower their values. A value is the precision-weighted mean of the scores and of the
regression's prediction: with many scores they dominate, without scores the prediction is the value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

LEAST_UNITS = 6
"""The minimum number of units with a score for a benchmark to be used."""
COVERED = 0.97
"""The quantile of the release dates up to which growth is assumed: later ones are too few."""
FEATURES = ("base", "log_params", "log_active", "year", "thinking", "coder")
YEAR = FEATURES.index("year")
EPOCH = 2024.5
"""The year that is 0 in the features."""
ROUNDS, REFITS = 25, 4
"""EM rounds between two fits of the regression, and the number of such fits."""
FLAT = 4.0
"""A variance of the prior so large that the value is almost the scores' alone."""

Cells = Mapping[str, Mapping[int, float]]
"""Scores by benchmark and unit, standardized for each benchmark (mean 0, standard deviation 1)."""
Line = tuple[float, float, float]
"""Offset, slope and noise variance of a benchmark."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A model in one mode. `cells` are the scores by kind and benchmark, as log odds or hundreds of
    Elo points."""

    model: str
    family: str
    features: tuple[float, ...]
    cells: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class KindFit:
    """The fit of one kind of benchmark: the value of each unit; the weights of the regression with
    and without the date, and the date beyond which no growth is assumed.

    `offsets` is added for another member of a family; `counts` is the number of scores by unit.
    """

    values: Mapping[int, float]
    dated: tuple[float, ...]
    undated: tuple[float, ...]
    last: float
    offsets: Mapping[str, float]
    counts: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A unit's value from its scores almost alone; the prediction of a regression fitted without
    its family; and the offset of the other models of its family, None if there are none."""

    value: float
    formula: float
    offset: float | None


def fit_kind(units: Sequence[Unit], kind: str) -> KindFit:
    """Fits the values, the regression and the family offsets of one kind of benchmark."""
    cells = _columns(units, kind)
    counts = {u: sum(u in column for column in cells.values()) for u in range(len(units))}
    rows = [u for u, n in counts.items() if n]
    last, features = _features(units, rows)
    lines, expected, spread, weights = _fit(cells, features, rows)
    flat, _ = _posterior(cells, lines, expected, FLAT, outliers=spread)
    offsets = family_offsets(units, {u: flat[u] - expected[u] for u in rows})
    prior_means = {
        u: mean if counts[u] else mean + offsets.get(units[u].family, 0.0)
        for u, mean in expected.items()
    }
    values, _ = _posterior(cells, lines, prior_means, spread, outliers=spread)
    without = _ridge([_without_year(features[u]) for u in rows], [values[u] for u in rows])
    return KindFit(values, tuple(weights), tuple(without), last, offsets, counts)


def cross_validate(units: Sequence[Unit], kind: str) -> dict[int, HeldOut]:
    """Leave-one-family-out predictions, for each unit with scores of that kind: how well models of
    unseen families are predicted."""
    cells = _columns(units, kind)
    rows = sorted({u for column in cells.values() for u in column})
    _, features = _features(units, rows)
    lines, expected, _, _ = _fit(cells, features, rows)
    values, _ = _posterior(cells, lines, dict.fromkeys(expected, 0.0), FLAT)
    formula: dict[int, float] = {}
    for family in sorted({units[u].family for u in rows}):
        others = [u for u in rows if units[u].family != family]
        weights = _ridge([features[u] for u in others], [values[u] for u in others])
        formula |= {u: _dot(features[u], weights) for u in rows if units[u].family == family}
    residuals = {u: values[u] - formula[u] for u in rows}
    return {u: HeldOut(values[u], formula[u], _offset_of_others(units, u, residuals)) for u in rows}


def _offset_of_others(
    units: Sequence[Unit], own: int, residuals: Mapping[int, float]
) -> float | None:
    """The family offset from the other models of a unit's family; None if there are none."""
    others = [
        value
        for u, value in residuals.items()
        if units[u].family == units[own].family and units[u].model != units[own].model
    ]
    return shrunk_mean(others) if others else None


def _features(units: Sequence[Unit], rows: Sequence[int]) -> tuple[float, list[tuple[float, ...]]]:
    """The last date up to which growth is assumed, and the features of the units with their dates
    capped at it."""
    last = sorted(units[u].features[YEAR] for u in rows)[int(COVERED * (len(rows) - 1))]
    return last, [
        (*unit.features[:YEAR], min(unit.features[YEAR], last), *unit.features[YEAR + 1 :])
        for unit in units
    ]


def shrunk_mean(residuals: Sequence[float]) -> float:
    """The expected residual of another member of a family: the mean times n/(n+1), which predicted
    held-out members best (rank correlation .88, and .82 without)."""
    return sum(residuals) / (len(residuals) + 1)


def family_offsets(units: Sequence[Unit], residuals: Mapping[int, float]) -> dict[str, float]:
    """The expected residual of another member of each family."""
    families: dict[str, list[float]] = {}
    for u, residual in residuals.items():
        families.setdefault(units[u].family, []).append(residual)
    return {family: shrunk_mean(values) for family, values in families.items()}


def _columns(units: Sequence[Unit], kind: str) -> Cells:
    """The standardized scores of a kind, by benchmark with enough units."""
    columns: dict[str, dict[int, float]] = {}
    for u, unit in enumerate(units):
        for (of, benchmark), value in unit.cells.items():
            if of == kind:
                columns.setdefault(benchmark, {})[u] = value
    return {
        name: _standardized(column)
        for name, column in sorted(columns.items())
        if len(column) >= LEAST_UNITS
    }


def _standardized(column: Mapping[int, float]) -> dict[int, float]:
    mean, spread = fmean(column.values()), pstdev(column.values()) or 1.0
    return {u: (value - mean) / spread for u, value in column.items()}


def _fit(
    cells: Cells, features: Sequence[tuple[float, ...]], rows: Sequence[int]
) -> tuple[dict[str, Line], dict[int, float], float, list[float]]:
    """The line of each benchmark, the regression's prediction for each unit, its residual variance,
    and its weights."""
    expected = dict.fromkeys(range(len(features)), 0.0)
    lines: dict[str, Line] = dict.fromkeys(cells, (0.0, 0.8, 0.4))
    spread, weights = 0.5, [0.0]
    for _ in range(REFITS):
        for _ in range(ROUNDS):
            lines, expected, spread = _step(cells, lines, expected, spread, rows)
        values, _ = _posterior(cells, lines, expected, spread)
        weights = _ridge([features[u] for u in rows], [values[u] for u in rows])
        expected = {u: _dot(features[u], weights) for u in expected}
    values, variances = _posterior(cells, lines, expected, spread)
    return (
        lines,
        expected,
        max(fmean((values[u] - expected[u]) ** 2 + variances[u] for u in rows), 0.05),
        weights,
    )


def _step(
    cells: Cells,
    lines: Mapping[str, Line],
    expected: Mapping[int, float],
    spread: float,
    rows: Sequence[int],
) -> tuple[dict[str, Line], dict[int, float], float]:
    """One EM round. Keeps the scale: mean 0 and variance 1 over the units with scores."""
    values, variances = _posterior(cells, lines, expected, spread)
    fitted = {name: _line(column, values, variances) for name, column in cells.items()}
    mean = fmean(values[u] for u in rows)
    scale = math.sqrt(fmean((values[u] - mean) ** 2 + variances[u] for u in rows))
    rescaled = {
        name: (offset + slope * mean, slope * scale, noise)
        for name, (offset, slope, noise) in fitted.items()
    }
    moved = {u: (value - mean) / scale for u, value in expected.items()}
    residual = fmean(
        ((values[u] - mean) / scale - moved[u]) ** 2 + variances[u] / scale**2 for u in rows
    )
    return rescaled, moved, max(residual, 0.05)


def _line(
    column: Mapping[int, float], values: Mapping[int, float], variances: Mapping[int, float]
) -> Line:
    """The line of a benchmark: its scores regressed on the values, with .8 as the prior slope."""
    mean_value, mean_score = fmean(values[u] for u in column), fmean(column.values())
    squares = sum((values[u] - mean_value) ** 2 + variances[u] for u in column)
    slope = max(
        (sum((values[u] - mean_value) * (score - mean_score) for u, score in column.items()) + 0.8)
        / (squares + 1),
        0.1,
    )
    offset = mean_score - slope * mean_value
    noise = (
        sum(
            (score - offset - slope * values[u]) ** 2 + slope**2 * variances[u]
            for u, score in column.items()
        )
        + 0.6
    )
    return offset, slope, noise / (len(column) + 2)


def _posterior(
    cells: Cells,
    lines: Mapping[str, Line],
    expected: Mapping[int, float],
    spread: float,
    outliers: float | None = None,
) -> tuple[dict[int, float], dict[int, float]]:
    """The posterior mean and variance of every unit. With `outliers`, the variance of a unit around
    its expected value, a score more than 2 standard deviations away is downweighted."""
    precision = {u: 1 / spread for u in expected}
    total = {u: mean / spread for u, mean in expected.items()}
    for name, column in cells.items():
        offset, slope, noise = lines[name]
        for u, score in column.items():
            weight = slope / noise
            if outliers is not None:
                distance = max((score - offset - slope * expected[u]) ** 2, 1e-9)
                weight *= min(1.0, 4 * (noise + slope**2 * outliers) / distance) ** 1.5
            precision[u] += weight * slope
            total[u] += weight * (score - offset)
    return {u: total[u] / precision[u] for u in expected}, {u: 1 / precision[u] for u in expected}


# ---------------------------------------------------------------- ridge regression


def _without_year(features: Sequence[float]) -> tuple[float, ...]:
    return (*features[:YEAR], *features[YEAR + 1 :])


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def _ridge(
    rows: Sequence[Sequence[float]], targets: Sequence[float], strength: float = 1.0
) -> list[float]:
    """The weights of a ridge regression; the first, the intercept, is not penalized."""
    size = range(len(rows[0]))
    matrix = [
        [sum(row[i] * row[j] for row in rows) + (strength if i == j and i else 0.0) for j in size]
        for i in size
    ]
    return _solved(
        matrix,
        [sum(row[i] * value for row, value in zip(rows, targets, strict=True)) for i in size],
    )


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solves a linear system by Gauss-Jordan elimination with partial pivoting."""
    lines = [[*line, right[i]] for i, line in enumerate(matrix)]
    for i in range(len(lines)):
        pivot = max(range(i, len(lines)), key=lambda row: abs(lines[row][i]))
        lines[i], lines[pivot] = lines[pivot], lines[i]
        for row in range(len(lines)):
            if row != i:
                factor = lines[row][i] / lines[i][i]
                lines[row] = [
                    value - factor * other
                    for value, other in zip(lines[row], lines[i], strict=True)
                ]
    return [line[-1] / line[i] for i, line in enumerate(lines)]
