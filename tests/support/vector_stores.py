"""Vector stores of every kind, and points for them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from orch.memory.edge_store import EdgeStore
from orch.memory.qdrant_store import QdrantStore
from orch.memory.store import Point, Store

BATCH = 40
"""Points that a writing process upserts at once."""
DIMENSION = 4
Make = Callable[[int | None], Store]


def point(
    seq: int,
    part: int = 0,
    dense: Sequence[float] = (1.0, 0.0, 0.0, 0.0),
    sparse: dict[int, float] | None = None,
) -> Point:
    """A chunk of row `seq`."""
    name = f"run-{seq}"
    weights = {1: 1.0} if sparse is None else sparse
    return Point(
        str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name}:{part}")),
        seq,
        list(dense),
        weights,
        name,
        part,
        "talk",
        "coding",
        "coder",
        1000.0 + seq,
    )


def makers(kind: str, folder: Path) -> Make:
    """A factory of stores of one kind; each call opens the same index, with a dimension."""
    if kind == "edge":
        return lambda dimension: EdgeStore(folder, "index", dimension, patience_s=0.1)
    if kind == "local":
        return lambda dimension: QdrantStore(
            "index", dimension, path=folder / "local", patience_s=0.1
        )
    if kind == "memory":
        return lambda dimension: QdrantStore("index", dimension, in_memory=True)
    name = f"orch-test-{uuid.uuid4()}"
    return lambda dimension: QdrantStore(
        name, dimension, url=os.environ["QDRANT_URL"], api_key=os.environ.get("QDRANT_API_KEY")
    )
