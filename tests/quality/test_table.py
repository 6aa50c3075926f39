"""Mean grades by kind and model, shrunk towards priors."""

from __future__ import annotations

import math

import pytest

from orch.quality.table import (
    ASSUMED_WEIGHT,
    CELL_WEIGHT,
    RATED_WEIGHT,
    GradedDataset,
    GradeTable,
    Prior,
    Row,
    checked_prior,
    checked_score,
    fill_table,
    prior_at,
)

KINDS = ["poem", "sum"]
POEM, SUM = [1.0, 0.0], [0.0, 1.0]


def table_of(rows: list[Row], *priors: Prior | None) -> GradeTable:
    """A table of models "0", "1", …, with the kind of each row."""
    graded = GradedDataset.of(rows, [str(at) for at in range(len(priors))], None)
    labels = [graded.labels[kind] for kind in graded.kind if kind is not None]
    shares = [[float(label == kind) for kind in KINDS] for label in labels]
    return fill_table(graded, list(priors), shares, KINDS)


def test_without_grades_the_mean_is_the_prior_of_the_kind() -> None:
    table = table_of([], {"poem": 0.3, "sum": 0.9}, 0.5)
    means = [table.mean(shares, model) for shares in (POEM, SUM, [0.5, 0.5]) for model in (0, 1)]
    assert means == pytest.approx([0.3, 0.5, 0.9, 0.5, 0.6, 0.5])


def test_a_model_without_a_prior_begins_at_the_mean_of_all_grades_and_counts_less() -> None:
    table = table_of([("a", "sum", "0", 1.0), ("b", "sum", "0", 0.5)], 0.5, None)
    assert table.mean(SUM, 1) == pytest.approx(0.75)
    assert table.weight == [RATED_WEIGHT, ASSUMED_WEIGHT]


def test_a_rating_counts_as_ten_grades_and_a_kind_as_eight() -> None:
    table = table_of([(f"sum {n}", "sum", "0", 1.0) for n in range(10)], 0.0)
    overall = 10 / (RATED_WEIGHT + 10)
    assert table.base(0) == table.mean(POEM, 0) == pytest.approx(overall)
    own = 10 * (1 - overall) / (CELL_WEIGHT + 10)
    assert table.mean(SUM, 0) == pytest.approx(overall + own)


def test_evidence_counts_the_grades_at_the_kinds_of_a_text() -> None:
    table = table_of([("a", "sum", "0", 1.0), ("b", "sum", "0", 1.0), ("c", "poem", "0", 0.0)], 0.5)
    counts = [table.evidence(shares, 0) for shares in (SUM, POEM, [0.5, 0.5])]
    assert counts == [2, 1, 1.5]
    assert table.variance(SUM, 0) < table.variance(POEM, 0) < table_of([], 0.5).variance(SUM, 0)


def test_a_kind_or_a_model_added_later_has_its_priors() -> None:
    table = table_of([("a", "sum", "0", 1.0)], 0.5)
    table.add_model({"poem": 0.2, "sum": 0.8}, KINDS)
    table.add_kind([0.5, 0.4])
    assert table.mean([0.0, 0.0, 1.0], 1) == pytest.approx(0.4)
    table.add([*SUM, 0.0], 1, 0.8)
    assert table.mean([*SUM, 0.0], 1) == pytest.approx(0.8)
    assert table.share(1, 1.0) == 0.5


def test_rows_are_grouped_by_text_and_other_models_are_ignored() -> None:
    rows: list[Row] = [
        ("a", None, "0", 0.1),
        ("b", "sum", "1", 0.2),
        ("a", "poem", "0", 0.3),
        ("a", "sum", "gone", 5.0),
    ]
    graded = GradedDataset.of(rows, ["0", "1"], None)
    assert (graded.texts, graded.labels, graded.kind) == (["a", "b"], ["poem", "sum"], [0, 1])
    assert graded.scores == [{0: [0.1, 0.3]}, {1: [0.2]}]


def test_offsets_are_added_to_the_first_rows() -> None:
    rows: list[Row] = [("a", None, "0", 0.1), ("b", None, "0", 0.1)]
    assert GradedDataset.of(rows, ["0"], None, [0.5]).scores == [{0: [0.6]}, {0: [0.1]}]


def test_the_kinds_of_a_classifier_replace_those_of_the_rows() -> None:
    rows: list[Row] = [("a", "tale", "0", 1.0)]
    graded = GradedDataset.of(rows, ["0"], lambda text: {"sum": 0.75, "poem": 0.25})
    assert (graded.labels, graded.kind, graded.given) == (["poem", "sum"], [None], [[0.25, 0.75]])


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan, "1", None])
def test_a_score_is_a_number_from_0_to_1(score: object) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        checked_score(score)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from 0 to 1"):
        checked_prior({"sum": score})  # type: ignore[dict-item]


def test_a_kind_without_a_prior_has_the_mean_of_the_others() -> None:
    prior = checked_prior({"sum": 1, "poem": 0})
    assert [prior_at(prior, kind) for kind in ("sum", "poem", "tale")] == [1.0, 0.0, 0.5]
    assert prior_at(0.7, "tale") == 0.7
    with pytest.raises(ValueError, match="at least one kind"):
        checked_prior({})
