"""The requests of Qdrant's HTTP API that a store sends, and what it reads of the responses
(pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from orch.memory.store import DENSE, LEXICAL, Filter, Hit, Point

Json = dict[str, Any]


class Connection(Protocol):
    """What answers the requests: a server, or the local mode."""

    def ask(self, method: str, collection: str, what: str = "", body: Json | None = None) -> Any:
        """The result of a request for a collection, or for `what` of it. Raises StoreError, with
        the code `missing` without that collection and `exists` if it can't be created again."""
        ...

    def close(self) -> None:
        """Ends the connection."""
        ...


def new_collection(dimension: int | None) -> Json:
    """The body that creates a collection; None is without dense vectors."""
    dense: Json = {"size": dimension, "distance": "Cosine", "on_disk": True, "datatype": "float16"}
    return {
        "vectors": {DENSE: dense} if dimension else {},
        "sparse_vectors": {LEXICAL: {"modifier": "idf"}},
        "on_disk_payload": True,
    }


def collection_dimension(info: Json) -> int | None:
    """The dimension of a collection's dense vectors; None is lexical only."""
    dense = (info["config"]["params"].get("vectors") or {}).get(DENSE)
    return int(dense["size"]) if dense else None


def to_records(points: Sequence[Point], marks: Mapping[str, str] = {}) -> list[Json]:
    """The records of points, in the order of their rows, each with `marks` in its payload. Of the
    points with one row number only the last has that number, and the points without a number come
    first."""
    numbered = sorted(
        (point for point in points if point.seq is not None), key=lambda point: point.seq or 0
    )
    last = {point.seq: point.id for point in numbered}
    records = [_to_record(point, counts=False) for point in points if point.seq is None]
    records += [_to_record(point, counts=last[point.seq] == point.id) for point in numbered]
    for record in records:
        record["payload"].update(marks)
    return records


def _to_record(point: Point, counts: bool) -> Json:
    vector: Json = {}
    if point.dense is not None:
        vector[DENSE] = list(point.dense)
    if point.sparse:
        vector[LEXICAL] = to_sparse_vector(point.sparse)
    payload = point.payload()
    if not counts:
        payload.pop("seq", None)
    return {"id": point.id, "vector": vector, "payload": payload}


def to_sparse_vector(weights: Mapping[int, float]) -> Json:
    """Terms with their weights."""
    return {"indices": list(weights), "values": list(weights.values())}


def nearest_query(using: str, vector: Sequence[float] | Json, limit: int, where: Filter) -> Json:
    """The body of a search."""
    body: Json = {"query": {"nearest": vector}, "using": using, "limit": limit}
    if conditions := _conditions(where):
        body["filter"] = {"must": conditions}
    return {**body, "with_payload": ["run_id", "part"]}


def _conditions(where: Filter) -> list[Json]:
    conditions = [exactly(key, value) for key, value in where.exact_matches().items()]
    if where.has_time_range():
        limits = {"gte": where.since, "lt": where.before}
        conditions.append(
            {"key": "at", "range": {k: v for k, v in limits.items() if v is not None}}
        )
    return conditions


def exactly(key: str, value: str) -> Json:
    """The condition that a field has a value."""
    return {"key": key, "match": {"value": value}}


def runs_filter(run_ids: Sequence[str]) -> Json:
    """The points of these runs."""
    return {"must": [{"key": "run_id", "match": {"any": list(run_ids)}}]}


def newest_row(fields: Sequence[str], conditions: Sequence[Json] = ()) -> Json:
    """The body that asks for the point with the largest row number."""
    body: Json = {"limit": 1, "order_by": {"key": "seq", "direction": "desc"}}
    if conditions:
        body["filter"] = {"must": list(conditions)}
    return {**body, "with_payload": list(fields)}


def to_hits(response: Json) -> list[Hit]:
    """The points of a search's response."""
    return [_to_hit(point) for point in response["points"]]


def _to_hit(point: Json) -> Hit:
    payload = point.get("payload") or {}
    return Hit(str(point["id"]), str(payload["run_id"]), int(payload["part"]), point["score"])
