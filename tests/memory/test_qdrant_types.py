"""Points, filters and hits as qdrant-client takes and returns them."""

from __future__ import annotations

from dataclasses import replace

from qdrant_client import QdrantClient, models

from orch.memory.qdrant_types import (
    collection_dimension,
    runs_filter,
    to_hit,
    to_query_filter,
    to_records,
)
from orch.memory.store import DENSE, LEXICAL, Filter
from tests.support.vector_stores import point


def test_records_come_in_the_order_of_their_rows_and_unfinished_rows_first() -> None:
    unfinished = replace(point(9), seq=None)
    records = to_records([point(3), unfinished, point(1, 0), point(1, 1)])
    payloads = [record.payload or {} for record in records]
    assert [payload["run_id"] for payload in payloads] == ["run-9", "run-1", "run-1", "run-3"]
    assert [payload.get("seq") for payload in payloads] == [None, None, 1, 3]


def test_a_record_has_the_vectors_that_its_point_has() -> None:
    both, words = to_records([point(1), replace(point(2), dense=None)])
    assert {*both.vector} == {DENSE, LEXICAL}
    assert {*words.vector} == {LEXICAL}


def test_a_filter_has_a_condition_for_each_field_and_one_for_its_times() -> None:
    where = to_query_filter(Filter(session="s", model="m", since=1.0))
    assert where is not None
    assert where.must == [
        models.FieldCondition(key="session", match=models.MatchValue(value="s")),
        models.FieldCondition(key="model", match=models.MatchValue(value="m")),
        models.FieldCondition(key="at", range=models.Range(gte=1.0, lt=None)),
    ]
    assert to_query_filter(Filter()) is None


def test_the_points_of_runs_are_those_with_one_of_their_ids() -> None:
    (condition,) = runs_filter(["a", "b"]).must or []
    assert condition == models.FieldCondition(key="run_id", match=models.MatchAny(any=["a", "b"]))


def test_a_hit_has_the_run_and_part_of_its_point() -> None:
    scored = models.ScoredPoint(id=7, version=1, score=0.5, payload={"run_id": "r", "part": 2})
    hit = to_hit(scored)
    assert (hit.id, hit.run_id, hit.part, hit.score) == ("7", "r", 2, 0.5)


def test_a_collection_has_the_dimension_of_its_dense_vectors_or_none() -> None:
    client = QdrantClient(":memory:")
    size = models.VectorParams(size=4, distance=models.Distance.COSINE)
    words = {LEXICAL: models.SparseVectorParams()}
    client.create_collection("dense", vectors_config={DENSE: size}, sparse_vectors_config=words)
    client.create_collection("words", vectors_config={}, sparse_vectors_config=words)
    assert collection_dimension(client, "dense") == 4
    assert collection_dimension(client, "words") is None
