"""The requests of a store: each is one that Qdrant's own models accept, and says what was asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from qdrant_client import models

from orch.memory.qdrant.requests import (
    collection_dimension,
    exactly,
    nearest_query,
    new_collection,
    newest_row,
    runs_filter,
    to_hits,
    to_records,
)
from orch.memory.store import DENSE, INDEXED, LEXICAL, Filter
from tests.support.vector_stores import point


def test_records_come_in_the_order_of_their_rows_and_unfinished_rows_first() -> None:
    unfinished = replace(point(9), seq=None)
    records = to_records([point(3), unfinished, point(1, 0), point(1, 1)])
    payloads = [record["payload"] for record in records]
    assert [payload["run_id"] for payload in payloads] == ["run-9", "run-1", "run-1", "run-3"]
    assert [payload.get("seq") for payload in payloads] == [None, None, 1, 3]


def test_a_record_has_the_vectors_that_its_point_has() -> None:
    both, words = to_records([point(1), replace(point(2), dense=None)])
    assert {*both["vector"]} == {DENSE, LEXICAL}
    assert {*words["vector"]} == {LEXICAL}


def test_every_record_carries_the_marks_of_its_store() -> None:
    records = to_records([point(1), replace(point(2), seq=None)], {"generation": "g"})
    assert [record["payload"]["generation"] for record in records] == ["g", "g"]


def test_a_filter_has_a_condition_for_each_field_and_one_for_its_times() -> None:
    body = nearest_query(DENSE, [1.0], 5, Filter(session="s", model="m", since=1.0))
    assert body["filter"]["must"] == [
        {"key": "session", "match": {"value": "s"}},
        {"key": "model", "match": {"value": "m"}},
        {"key": "at", "range": {"gte": 1.0}},
    ]
    assert "filter" not in nearest_query(DENSE, [1.0], 5, Filter())


def test_the_points_of_runs_are_those_with_one_of_their_ids() -> None:
    assert runs_filter(["a", "b"]) == {"must": [{"key": "run_id", "match": {"any": ["a", "b"]}}]}


def test_hits_have_the_run_and_part_of_their_points() -> None:
    scored = {"id": 7, "version": 1, "score": 0.5, "payload": {"run_id": "r", "part": 2}}
    (hit,) = to_hits({"points": [scored]})
    assert (hit.id, hit.run_id, hit.part, hit.score) == ("7", "r", 2, 0.5)


@pytest.mark.parametrize(
    ("vectors", "dimension"),
    [({DENSE: {"size": 4, "distance": "Cosine"}}, 4), ({}, None), (None, None)],
)
def test_a_collection_has_the_dimension_of_its_dense_vectors_or_none(
    vectors: Any, dimension: int | None
) -> None:
    assert collection_dimension({"config": {"params": {"vectors": vectors}}}) == dimension


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (models.CreateCollection, new_collection(4)),
        (models.CreateCollection, new_collection(None)),
        *(
            (models.CreateFieldIndex, {"field_name": field, "field_schema": kind})
            for field, kind in INDEXED.items()
        ),
        (models.PointsList, {"points": to_records([point(1), point(2, dense=(1.0, 2.0))])}),
        (models.FilterSelector, {"filter": runs_filter(["a"])}),
        (models.QueryRequest, nearest_query(DENSE, [1.0, 0.0], 5, Filter(since=0, before=1))),
        (
            models.QueryRequest,
            nearest_query(LEXICAL, {"indices": [1], "values": [0.5]}, 5, Filter()),
        ),
        (models.ScrollRequest, newest_row(["seq"], [exactly("generation", "g")])),
        (models.ScrollRequest, newest_row(["seq"])),
    ],
)
def test_qdrants_own_models_accept_each_body_and_know_all_its_fields(model: Any, body: Any) -> None:
    parsed = model.model_validate(body).model_dump(mode="json", exclude_unset=True)
    assert parsed == body
