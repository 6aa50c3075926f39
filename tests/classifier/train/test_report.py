"""The figures on held-out rows, and the confidences and thresholds fitted to them."""

from __future__ import annotations

import numpy as np
import pytest

from orch.classifier.train.report import (
    FOLDS,
    cross_fitted_ece,
    ece,
    evaluation_figures,
    folds,
    knots,
    lenient,
    second_share,
    shares,
    unsure_below,
)
from orch.classifier.train.rows import TYPES, Row

FIRST, SECOND, THIRD = TYPES[:3]


def row(label: str, *also: str, source: str = "a", real: bool = True) -> Row:
    return Row("text", label, also, "en" if real else "es", source, real, "file")


def test_a_source_stays_in_one_fold_and_written_rows_in_none() -> None:
    rows = [row(FIRST, source=str(at % 8)) for at in range(80)] + [row(FIRST, real=False)]
    dealt = folds(rows, by_source=True)
    assert dealt[-1] == -1
    assert all(len(set(dealt[at:80:8])) == 1 for at in range(8))
    assert [int((dealt == fold).sum()) for fold in range(FOLDS)] == [20] * FOLDS
    assert set(folds(rows, by_source=False)) == {-1, *range(FOLDS)}


def test_a_defensible_second_type_is_right_if_lenient() -> None:
    rows, best = [row(FIRST), row(FIRST, SECOND), row(FIRST, SECOND)], [0, 1, 2]
    assert lenient(rows, best).tolist() == [True, True, False]
    assert shares(rows, best) == {"strict": 0.3333, "lenient": 0.6667}


def test_figures_are_shown_by_language_and_label() -> None:
    rows = [row(kind, real=real) for kind in TYPES for real in (True, False)]
    logits = np.eye(len(TYPES)).repeat(2, axis=0)
    logits[1] = logits[2]
    figures = evaluation_figures(rows, logits)
    assert figures["n"] == 16
    assert figures["by_language"] == {"en": 1.0, "es": 0.875}
    assert figures["by_label"][FIRST] == 0.5
    assert figures["by_label"][SECOND] == 1.0


def test_confidences_never_fall_as_probabilities_rise() -> None:
    top = np.linspace(0.2, 1.0, 240)
    right = (np.arange(240) % 3 > 0) * (top > 0.5) + (top <= 0.5) * (np.arange(240) % 2)
    xs, ys = knots(top, right)
    assert ys == sorted(ys)
    assert xs == sorted(set(xs))
    assert (xs[0], xs[-1], ys[0]) == (0.0, 1.0, 0.0)
    assert ys[-1] == pytest.approx(2 / 3, abs=0.05)


def test_the_calibration_error_is_the_mean_distance_of_the_bins() -> None:
    confidence, right = np.array([0.95] * 10 + [0.15] * 10), np.array([1] * 10 + [0, 1] * 5)
    assert ece(confidence, right) == pytest.approx((0.05 + 0.35) / 2)
    assert ece(np.array([1.0]), np.array([1])) == 0.0


def test_confidences_fitted_to_other_folds_are_calibrated_if_the_folds_are_alike() -> None:
    top = np.linspace(0.5, 1.0, 400)
    right, dealt = np.arange(400) % 4 < 3, np.arange(400) // 4 % FOLDS
    assert cross_fitted_ece(top, right, dealt) < 0.05
    assert ece(top, right) > 0.1


def test_a_decision_is_unsure_below_the_confidence_at_which_half_are_wrong() -> None:
    confidence = np.linspace(0.0, 1.0, 101)
    threshold = unsure_below(confidence, confidence >= 0.4)
    assert threshold == pytest.approx(0.79, abs=0.01)
    assert unsure_below(confidence, confidence >= 0.0) == 0.0


def test_a_second_type_needs_the_share_at_which_it_is_right_in_two_of_five_cases() -> None:
    rows, probabilities = [], []
    for at in range(100):
        share = at / 100
        rows.append(row(SECOND if share > 0.5 else THIRD))
        line = np.zeros(len(TYPES))
        line[0], line[1] = 1 / (1 + share), share / (1 + share)
        probabilities.append(line)
    assert second_share(rows, np.array(probabilities)) == pytest.approx(0.05)
    wrong = [row(THIRD)] * 100
    assert second_share(wrong, np.array(probabilities)) == 1.0
