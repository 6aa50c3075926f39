"""Points, filters and settings as Qdrant's embedded engine takes them: an engine with these
settings stores and finds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import qdrant_edge as qdrant

from orch.memory.edge.types import (
    build_edge_config,
    edge_runs_filter,
    from_edge_point,
    to_edge_filter,
    to_edge_point,
    to_edge_sparse,
)
from orch.memory.store import DENSE, LEXICAL, Filter
from tests.support.vector_stores import DIMENSION, point


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[qdrant.EdgeShard]:
    """An engine with three points: one of another model, one without a dense vector."""
    points = [point(1), replace(point(2), model="other"), replace(point(3), dense=None)]
    with closing(qdrant.EdgeShard.create(str(tmp_path), build_edge_config(DIMENSION))) as shard:
        shard.update(qdrant.UpdateOperation.upsert_points([to_edge_point(each) for each in points]))
        yield shard


def count(shard: qdrant.EdgeShard, where: qdrant.Filter | None) -> int:
    return shard.count(qdrant.CountRequest(filter=where))


def test_a_point_comes_back_as_a_hit_with_its_run_and_part(shard: qdrant.EdgeShard) -> None:
    query = qdrant.Query.Nearest([1.0, 0.0, 0.0, 0.0], using=DENSE)
    hits = [
        from_edge_point(each)
        for each in shard.query(
            qdrant.QueryRequest(limit=5, query=query, with_payload=["run_id", "part"])
        )
    ]
    assert {(hit.run_id, hit.part) for hit in hits} == {("run-1", 0), ("run-2", 0)}
    assert {hit.id for hit in hits} == {point(1).id, point(2).id}
    assert hits[0].score == pytest.approx(1.0, abs=0.001)


def test_a_point_is_found_by_its_terms(shard: qdrant.EdgeShard) -> None:
    query = qdrant.Query.Nearest(to_edge_sparse({1: 1.0}), using=LEXICAL)
    assert len(shard.query(qdrant.QueryRequest(limit=5, query=query))) == 3


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Filter(model="other"), 1),
        (Filter(session="talk"), 3),
        (Filter(since=1002.0), 2),
        (Filter(before=1002.0), 1),
        (Filter(model="other", since=1003.0), 0),
    ],
    ids=str,
)
def test_a_filter_keeps_the_points_that_meet_every_condition(
    shard: qdrant.EdgeShard, where: Filter, expected: int
) -> None:
    assert count(shard, to_edge_filter(where)) == expected


def test_a_filter_without_conditions_is_none() -> None:
    assert to_edge_filter(Filter()) is None


def test_the_points_of_runs_are_those_with_one_of_their_ids(shard: qdrant.EdgeShard) -> None:
    assert count(shard, edge_runs_filter(["run-1", "run-3", "run-9"])) == 2


def test_without_a_dimension_an_index_has_words_only(tmp_path: Path) -> None:
    with closing(qdrant.EdgeShard.create(str(tmp_path), build_edge_config(None))) as shard:
        words = to_edge_point(replace(point(1), dense=None))
        shard.update(qdrant.UpdateOperation.upsert_points([words]))
        assert count(shard, None) == 1
        with pytest.raises(qdrant.EdgeError if hasattr(qdrant, "EdgeError") else Exception):
            shard.update(qdrant.UpdateOperation.upsert_points([to_edge_point(point(2))]))
