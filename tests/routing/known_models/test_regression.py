"""The regression over benchmark scores, on made-up models whose true strength is known."""

from __future__ import annotations

import math
import random
from itertools import product

import pytest

from orch.routing.known_models.regression import (
    YEAR,
    Unit,
    cross_validate,
    family_offsets,
    fit_kind,
    shrunk_mean,
)

BENCHMARKS = {"easy": (1.0, 0.9), "hard": (-2.0, 1.2), "noisy": (0.0, 1.0)}
"""Offset and slope by name."""


def strength(unit: Unit) -> float:
    """The true strength: size, date, and an advantage of one family."""
    _, size, _, years, _, _ = unit.features
    return 0.8 * size + 0.6 * years + (1.0 if unit.family == "good" else 0.0)


def unit(number: int, family: str, size_b: float, years: float) -> Unit:
    """A model with scores of all benchmarks; models of less than 4 B did not take the hard one."""
    size = math.log(size_b)
    bare = Unit(f"{family}-{number}", family, (1.0, size, size, years, 0.0, 0.0), {})
    noise = random.Random(number)
    cells = {
        ("coding", name): offset + slope * strength(bare) + noise.gauss(0, 0.05)
        for name, (offset, slope) in BENCHMARKS.items()
        if name != "hard" or size_b >= 4
    }
    return Unit(bare.model, family, bare.features, cells)


SIZES, YEARS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0), (-1.0, 0.0, 0.5, 1.0)
UNITS = [
    unit(number, ("good", "plain", "other")[number % 3], size_b, years)
    for number, (size_b, years) in enumerate(product(SIZES, YEARS))
]


def test_values_stand_in_the_order_of_the_true_strengths() -> None:
    values = fit_kind(UNITS, "coding").values
    order = sorted(range(len(UNITS)), key=lambda u: values[u])
    strengths = [strength(UNITS[u]) for u in order]
    assert strengths == pytest.approx(sorted(strengths), abs=0.3)


def test_a_benchmark_that_only_large_models_took_does_not_lower_them() -> None:
    values = fit_kind(UNITS, "coding").values
    small, large = 7, 11  # 2 B and 4 B of the same date, neither of the good family
    assert strength(UNITS[large]) > strength(UNITS[small])
    assert values[large] > values[small]


def test_growth_by_size_and_date_is_found_and_the_last_date_is_that_of_the_units() -> None:
    fit = fit_kind(UNITS, "coding")
    assert fit.dated[1] + fit.dated[2] > 0
    assert fit.dated[YEAR] > 0
    assert fit.last == 1.0
    assert len(fit.undated) == len(fit.dated) - 1


def test_a_good_family_has_an_offset_which_a_member_without_scores_gets() -> None:
    unscored = [Unit("new", name, (1.0, 2.0, 2.0, 0.5, 0.0, 0.0), {}) for name in ("good", "plain")]
    fit = fit_kind([*UNITS, *unscored], "coding")
    assert fit.offsets["good"] > 0.2 > fit.offsets["plain"]
    good, plain = len(UNITS), len(UNITS) + 1
    assert fit.counts[good] == 0
    difference = fit.offsets["good"] - fit.offsets["plain"]
    assert fit.values[good] - fit.values[plain] == pytest.approx(difference)


def test_a_single_outlier_moves_a_value_less_than_its_distance() -> None:
    wrong = {**UNITS[0].cells, ("coding", "noisy"): 9.0}
    changed = [Unit(UNITS[0].model, UNITS[0].family, UNITS[0].features, wrong), *UNITS[1:]]
    before, after = (fit_kind(units, "coding").values[0] for units in (UNITS, changed))
    assert abs(after - before) < 1.0


def test_scores_of_another_kind_and_of_rare_benchmarks_do_not_count() -> None:
    other = [
        Unit(each.model, each.family, each.features, {**each.cells, ("chat", "x"): 5.0})
        for each in UNITS
    ]
    rare = {**UNITS[0].cells, ("coding", "rare"): 99.0}
    other[0] = Unit(UNITS[0].model, UNITS[0].family, UNITS[0].features, rare)
    assert fit_kind(other, "coding").values == fit_kind(UNITS, "coding").values


def test_models_of_families_never_seen_are_predicted_by_size_and_date() -> None:
    held_out = cross_validate(UNITS, "coding")
    plain = [each for u, each in held_out.items() if UNITS[u].family == "plain"]
    by_value = sorted(plain, key=lambda each: each.value)
    assert by_value[0].formula < by_value[-1].formula
    offsets = [each.offset for u, each in held_out.items() if UNITS[u].family == "good"]
    assert all(offset is not None and offset > 0 for offset in offsets)


def test_an_offset_is_shrunk_by_the_number_of_members() -> None:
    assert shrunk_mean([1.0]) == 0.5
    assert shrunk_mean([1.0] * 9) == 0.9
    assert family_offsets(UNITS[:3], {0: 1.0, 1: -1.0}) == {"good": 0.5, "plain": -0.5}
