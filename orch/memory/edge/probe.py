"""Opens an index that was not closed properly, in a child process that may hang or crash: `python
-m orch.memory.edge.probe FOLDER`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orch.memory.store import INDEXED

MOST_S, MOST_CPU_S = 10.0, 8
"""Time limits. A sound index of 10,000 chunks, killed during writing, takes a second."""
_FIRST = 1000
"""Points whose payload is read."""


def is_usable(folder: Path) -> bool:
    """Whether the engine opens and searches an index without hanging or crashing. Errors that it
    raises are left to the caller."""
    command = [sys.executable, "-P", "-m", "orch.memory.edge.probe", str(folder)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=MOST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode >= 0


def main(folder: str) -> None:
    """Uses every part of an index once."""
    _bound()
    import qdrant_edge as qdrant

    shard = qdrant.EdgeShard.load(folder)
    shard.count(qdrant.CountRequest())
    shard.scroll(
        qdrant.ScrollRequest(
            limit=1, order_by=qdrant.OrderBy("seq", qdrant.Direction.Desc), with_payload=["seq"]
        )
    )
    shard.scroll(qdrant.ScrollRequest(limit=_FIRST, with_payload=list(INDEXED)))
    for field, kind in INDEXED.items():
        condition = (
            qdrant.FieldCondition(field, match=qdrant.MatchValue("x"))
            if kind == "keyword"
            else qdrant.FieldCondition(field, range=qdrant.RangeFloat(gte=0))
        )
        shard.count(qdrant.CountRequest(filter=qdrant.Filter(must=[condition])))
    shard.close()


def _bound() -> None:
    """Limits CPU time, so that a spinning process ends."""
    try:
        import resource
    except ImportError:  # Windows: the other limit applies
        return
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(sys.argv[1])
