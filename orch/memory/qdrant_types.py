"""Converts points, filters and hits to the types of qdrant-client, and reads a collection's
dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qdrant_client import QdrantClient, models

from orch.memory.store import DENSE, LEXICAL, Filter, Hit, Point


def collection_dimension(client: QdrantClient, collection: str) -> int | None:
    """The dimension of a collection's dense vectors; None is lexical only."""
    vectors = client.get_collection(collection).config.params.vectors
    dense = vectors.get(DENSE) if isinstance(vectors, dict) else vectors
    return dense.size if dense else None


def to_records(points: Sequence[Point]) -> list[models.PointStruct]:
    """The records of points, in the order of their rows. Of the points with one row number only the
    last has that number, and the points without a number come first."""
    numbered = sorted(
        (point for point in points if point.seq is not None), key=lambda point: point.seq or 0
    )
    last = {point.seq: point.id for point in numbered}
    first = [_to_record(point, counts=False) for point in points if point.seq is None]
    return first + [_to_record(point, counts=last[point.seq] == point.id) for point in numbered]


def _to_record(point: Point, counts: bool) -> models.PointStruct:
    vector: dict[str, Any] = {}
    if point.dense is not None:
        vector[DENSE] = list(point.dense)
    if point.sparse:
        vector[LEXICAL] = to_sparse_vector(point.sparse)
    payload = point.payload()
    if not counts:
        payload.pop("seq", None)
    return models.PointStruct(id=point.id, vector=vector, payload=payload)


def to_sparse_vector(weights: Mapping[int, float]) -> models.SparseVector:
    """Terms with their weights."""
    return models.SparseVector(indices=list(weights), values=list(weights.values()))


def runs_filter(run_ids: Sequence[str]) -> models.Filter:
    """The points of these runs."""
    return models.Filter(
        must=[models.FieldCondition(key="run_id", match=models.MatchAny(any=list(run_ids)))]
    )


def to_query_filter(where: Filter) -> models.Filter | None:
    """The filter of a search; None if it has no conditions."""
    conditions: list[Any] = [
        models.FieldCondition(key=key, match=models.MatchValue(value=value))
        for key, value in where.exact_matches().items()
    ]
    if where.has_time_range():
        conditions.append(
            models.FieldCondition(key="at", range=models.Range(gte=where.since, lt=where.before))
        )
    return models.Filter(must=conditions) if conditions else None


def to_hit(point: models.ScoredPoint) -> Hit:
    """A point of a response."""
    payload = point.payload or {}
    return Hit(str(point.id), str(payload["run_id"]), int(payload["part"]), point.score)
