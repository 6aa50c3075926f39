"""The fitted weights: soft labels, regression on sparse features, and the bytes of the file."""

from __future__ import annotations

import numpy as np
import pytest

from orch.classifier.features import BUCKETS, features, hash_features
from orch.classifier.linear_model import LinearClassifier, feature_value
from orch.classifier.spelling import Vocabulary
from orch.classifier.train.fitting import (
    LABEL_SHARE,
    fit,
    fitted_bytes,
    log_softmax,
    matrix,
    rounded,
    targets,
    weights_file,
)
from orch.classifier.train.rows import TYPES, Row

CODE = [f"fix the bug in {name}" for name in ("parser", "server", "client", "router")]
POEMS = [f"write a poem about the {name}" for name in ("sea", "moon", "rain", "wind")]
WORDS = Vocabulary(sorted({word for text in (*CODE, *POEMS) for word in text.split()}))
HEAD = {"knots": [[0.0, 1.0], [0.0, 1.0]], "unsure_below": 0.3, "second_share": 0.5}


def row(text: str, label: str, *also: str) -> Row:
    return Row(text, label, also, "en", "source", True, "file")


ROWS = [*(row(text, "coding") for text in CODE), *(row(text, "creative") for text in POEMS)]


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    lines = matrix([each.text for each in ROWS], WORDS)
    fitted: np.ndarray = fit(lines, targets(ROWS), np.ones(len(ROWS)), 1e-4)
    return fitted


def test_a_label_with_defensible_seconds_is_shared() -> None:
    [alone, shared] = targets([row("a", "coding"), row("a", "coding", "simple", "writing")])
    assert alone[TYPES.index("coding")] == 1.0
    assert shared[TYPES.index("coding")] == LABEL_SHARE
    assert shared[TYPES.index("simple")] == shared[TYPES.index("writing")] == (1 - LABEL_SHARE) / 2
    assert alone.sum() == shared.sum() == 1.0


def test_a_line_of_the_matrix_holds_the_features_as_the_classifier_reads_them() -> None:
    lines = matrix([CODE[0], POEMS[0]], WORDS)
    assert lines.shape == (2, BUCKETS)
    for number, text in enumerate((CODE[0], POEMS[0])):
        expected = np.zeros(BUCKETS)
        for group, names in features(text, WORDS).items():
            np.add.at(expected, hash_features(names), feature_value(group, len(names)))
        assert np.allclose(lines[number].toarray()[0], expected)


def test_the_fit_separates_types_also_at_new_texts(weights: np.ndarray) -> None:
    logits = matrix(["fix the bug in the module", "write a poem about the snow"], WORDS) @ weights
    assert [TYPES[at] for at in logits.argmax(axis=1)] == ["coding", "creative"]


def test_a_row_that_counts_more_decides_a_contradiction() -> None:
    rows = [row(CODE[0], "coding"), row(CODE[0], "creative")]
    lines = matrix([each.text for each in rows], WORDS)
    for counts, winner in (([1.0, 3.0], "creative"), ([3.0, 1.0], "coding")):
        [logits] = (lines @ fit(lines, targets(rows), np.array(counts), 1e-4))[:1]
        assert TYPES[logits.argmax()] == winner
        assert np.exp(log_softmax(logits[None])).max() == pytest.approx(0.75, abs=0.05)


def test_a_stronger_penalty_makes_smaller_weights(weights: np.ndarray) -> None:
    lines = matrix([each.text for each in ROWS], WORDS)
    small = fit(lines, targets(ROWS), np.ones(len(ROWS)), 1.0)
    assert np.abs(small).max() < np.abs(weights).max() / 2


def test_rounding_moves_a_weight_by_half_a_step_at_most(weights: np.ndarray) -> None:
    whole, scale = rounded(weights)
    assert whole.dtype == np.int8
    assert np.abs(whole).max(axis=0).tolist() == [127] * len(TYPES)
    assert (np.abs(fitted_bytes(weights) - weights) <= scale / 2 + 1e-12).all()


def test_the_classifier_reads_the_file(weights: np.ndarray) -> None:
    classifier = LinearClassifier(weights_file(weights, HEAD, WORDS))
    assert classifier.classify("fix the bug in the module").task_type == "coding"
    assert classifier.classify("write a poem about the snow").task_type == "creative"
    assert set(WORDS) <= set(classifier.vocabulary)
