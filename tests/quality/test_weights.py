"""The columns of weights: sums over the buckets of a text, shares of kinds, and their bytes."""

from __future__ import annotations

from array import array

import pytest

from orch.quality import weights
from orch.quality.weights import WeightColumns, column_sum, pack_column, unpack_column

GROUPS = [([0, 2], 0.5), ([1], 2.0)]


def test_the_sum_of_a_column_weighs_each_bucket_by_the_value_of_its_group() -> None:
    column = array("f", [1.0, 10.0, 3.0, 99.0])
    assert column_sum(column, GROUPS) == 0.5 * (1 + 3) + 2.0 * 10
    assert column_sum(column, GROUPS, square=True) == 0.25 * (1 + 3) + 4.0 * 10
    assert column_sum(column, []) == 0.0


def test_a_kind_scores_its_offset_and_its_column() -> None:
    columns = WeightColumns([array("f", [1.0, 0.0, 0.0]), array("f", [0.0, 1.0, 0.0])], [0.1, 0.2])
    assert columns.scores(GROUPS) == pytest.approx([0.6, 2.2])


@pytest.mark.parametrize(
    ("temperature", "shares"), [(0.0, [0.5, 0.5]), (1.0, [0.2689, 0.7311]), (9.0, [0.0001, 0.9999])]
)
def test_a_higher_temperature_separates_the_shares_further(
    temperature: float, shares: list[float]
) -> None:
    assert WeightColumns(temperature=temperature).shares([1.0, 2.0]) == pytest.approx(
        shares, abs=1e-4
    )


def test_huge_scores_have_shares_too() -> None:
    assert WeightColumns().shares([10_000.0, 0.0]) == [1.0, 0.0]
    assert WeightColumns().shares([]) == []


def test_the_columns_of_the_file_are_kinds_models_newness() -> None:
    kind, model, newness = (array("f", [value]) for value in (1.0, 2.0, 3.0))
    columns = WeightColumns(kinds=[kind], models=[model], newness=[newness])
    assert columns.columns() == [kind, model, newness]


@pytest.mark.parametrize("order", ["little", "big"])
def test_a_column_survives_serialization(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    column = array("f", [0.0, 1.5, -2.25])
    monkeypatch.setattr(weights.sys, "byteorder", order)  # type: ignore[attr-defined]
    data = pack_column(column)
    assert unpack_column(memoryview(data)) == column
    assert column == array("f", [0.0, 1.5, -2.25])
    assert data[4:8] == (b"\x00\x00\xc0\x3f" if order == "little" else b"\x3f\xc0\x00\x00")
