"""Ridge regression on words: learns kinds, models and how new a text is."""

from __future__ import annotations

import numpy as np
import pytest

from orch.quality.features import hash_text
from orch.quality.ridge import DesignMatrix, fit_columns
from orch.quality.table import GradedDataset, Row
from orch.quality.weights import WeightColumns, column_sum

SUMS = [f"What is {a} plus {b}?" for a in range(5) for b in range(6)]
POEMS = [f"write a poem about the {a} {b}" for a in ("old", "red", "dry") for b in "abcdefghij"]


def graded(kind: bool = True) -> GradedDataset:
    """`old` is good at sums and at poems about old things, `other` at other poems."""
    rows: list[Row] = [
        (text, label if kind else None, model, score)
        for texts, label in ((SUMS, "sum"), (POEMS, "poem"))
        for text in texts
        for model, score in (("old", good(text)), ("other", 1 - good(text)))
    ]
    return GradedDataset.of(rows, ["old", "other"], None)


def good(text: str) -> float:
    return float("old" in text or "plus" in text)


@pytest.fixture(scope="module")
def columns() -> WeightColumns:
    return fit_columns(graded())[0]


def test_a_new_text_has_the_kind_of_its_words(columns: WeightColumns) -> None:
    for text, kind in (("What is 7 plus 9?", 1), ("write a poem about the wet z", 0)):
        shares = columns.shares(columns.scores(hash_text(text)))
        assert shares[kind] > 0.9


def test_words_raise_the_model_that_is_better_at_them(columns: WeightColumns) -> None:
    about_old, about_red = (
        hash_text(f"write a poem about the {word} z") for word in ("old", "red")
    )
    old, other = columns.models
    assert column_sum(old, about_old) > 0.01 > -0.01 > column_sum(other, about_old)
    assert column_sum(old, about_red) < 0 < column_sum(other, about_red)


def test_words_that_were_never_seen_are_new(columns: WeightColumns) -> None:
    def newness(text: str) -> float:
        groups = hash_text(text)
        return column_sum(columns.newness[0], groups, square=True) / len(groups)

    assert newness("quelle heure est-il") > 1.5 * newness(SUMS[0])


def test_a_labelled_text_keeps_its_kind_and_another_has_a_predicted_one() -> None:
    rows: list[Row] = [(text, "sum", "good", 1.0) for text in SUMS[1:]]
    rows += [(text, "poem", "good", 1.0) for text in POEMS]
    dataset = GradedDataset.of([*rows, (SUMS[0], None, "good", 1.0)], ["good"], None)
    _, shares = fit_columns(dataset)
    assert shares[0] == [0.0, 1.0]
    assert shares[-1] != [0.0, 1.0]
    assert shares[-1][1] > 0.9


def test_without_kinds_the_models_are_learned_alone() -> None:
    columns, shares = fit_columns(graded(kind=False))
    assert (columns.kinds, len(columns.models)) == ([], 2)
    assert set(map(tuple, shares)) == {()}


def test_given_shares_are_returned_unchanged() -> None:
    rows: list[Row] = [(text, None, "good", 1.0) for text in SUMS]
    dataset = GradedDataset.of(rows, ["good"], lambda text: {"sum": 0.8, "poem": 0.2})
    columns, shares = fit_columns(dataset)
    assert columns.kinds == []
    assert shares == [[0.2, 0.8]] * len(SUMS)


def test_the_gram_matrix_holds_the_products_of_all_pairs_of_texts() -> None:
    texts = [hash_text(text) for text in (*SUMS[:4], POEMS[0])]
    gram = DesignMatrix.of(texts).gram()
    dense = np.zeros((len(texts), 1 << 15))
    for line, groups in enumerate(texts):
        for at, value in groups:
            np.add.at(dense[line], at, value)
    assert np.allclose(gram, dense @ dense.T)


def test_the_order_of_the_rows_changes_nothing_but_rounding() -> None:
    rows: list[Row] = [(text, "sum", "good", 0.5 + len(text) / 100) for text in SUMS]
    rows += [(text, "poem", "good", 0.4) for text in POEMS]
    one, other = (
        fit_columns(GradedDataset.of(each, ["good"], None))[0] for each in (rows, rows[::-1])
    )
    assert np.allclose(one.models[0], other.models[0], atol=1e-6)
