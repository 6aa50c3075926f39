"""Converts points, filters, hits and index settings to the types of Qdrant's embedded engine
(pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import qdrant_edge as qdrant

from orch.memory.store import DENSE, LEXICAL, Filter, Hit, Point

INDEXES: dict[str, Any] = {
    "keyword": qdrant.KeywordIndexParams,
    "float": qdrant.FloatIndexParams,
    "integer": qdrant.IntegerIndexParams,
}


def build_edge_config(dimension: int | None) -> qdrant.EdgeConfig:
    """Everything stays on disk until it is read, in half precision, one packed segment, no graph:
    measured in tests/bench/store.py."""
    cold = qdrant.Memory.Cold
    no_graph = qdrant.HnswIndexConfig(m=0, ef_construct=64, full_scan_threshold=10_000)
    half = qdrant.VectorStorageDatatype.Float16
    dense = (
        qdrant.EdgeVectorParams(
            dimension, qdrant.Distance.Cosine, memory=cold, datatype=half, hnsw_config=no_graph
        )
        if dimension
        else None
    )
    # each segment costs 20 ms at each start; the other settings let `optimize` rewrite after a
    # single deletion
    optimizers = qdrant.EdgeOptimizersConfig(
        default_segment_number=1,
        indexing_threshold=1,
        deleted_threshold=1e-9,
        vacuum_min_vector_number=1,
    )
    return qdrant.EdgeConfig(
        vectors={DENSE: dense} if dense else None,
        sparse_vectors={
            LEXICAL: qdrant.EdgeSparseVectorParams(modifier=qdrant.Modifier.Idf, memory=cold)
        },
        payload_memory=cold,
        optimizers=optimizers,
        max_search_threads=2,
        wal_enabled=True,
    )


def to_edge_point(point: Point) -> qdrant.Point:
    """The point with its vectors and payload."""
    vectors: dict[str, Any] = {}
    if point.dense is not None:
        vectors[DENSE] = list(point.dense)
    if point.sparse:
        vectors[LEXICAL] = to_edge_sparse(point.sparse)
    return qdrant.Point(point.id, vectors, point.payload())


def to_edge_sparse(weights: Mapping[int, float]) -> qdrant.SparseVector:
    """Terms with their weights."""
    return qdrant.SparseVector(list(weights), list(weights.values()))


def edge_runs_filter(run_ids: Sequence[str]) -> qdrant.Filter:
    """The points of these runs."""
    return qdrant.Filter(
        must=[qdrant.FieldCondition("run_id", match=qdrant.MatchAny(list(run_ids)))]
    )


def to_edge_filter(where: Filter) -> qdrant.Filter | None:
    """The filter of a search; None if it has no conditions."""
    conditions: list[Any] = [
        qdrant.FieldCondition(key, match=qdrant.MatchValue(value))
        for key, value in where.exact_matches().items()
    ]
    if where.has_time_range():
        conditions.append(
            qdrant.FieldCondition("at", range=qdrant.RangeFloat(gte=where.since, lt=where.before))
        )
    return qdrant.Filter(must=conditions) if conditions else None


def from_edge_point(point: qdrant.ScoredPoint) -> Hit:
    """A point of a result."""
    payload = point.payload or {}
    return Hit(str(point.id), payload["run_id"], payload["part"], point.score)
