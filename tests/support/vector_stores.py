"""Vector stores of every kind, and points for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
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


_WRITER = """
import sys
from pathlib import Path
from tests.support.vector_stores import BATCH, DIMENSION, makers, point
store = makers(sys.argv[1], Path(sys.argv[2]))(DIMENSION)
store.open()
for seq in range(1, 100_000):
    store.upsert([point(seq, part) for part in range(BATCH)])
    print(seq, flush=True)
    if seq % 7 == 0:
        store.compact()
"""


_HOLDER = """
import sys
from pathlib import Path
from tests.support.vector_stores import DIMENSION, makers
store = makers(sys.argv[1], Path(sys.argv[2]))(DIMENSION)
store.open()
print("open", flush=True)
sys.stdin.read()
store.close()
"""


def _python(script: str, *words: str) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": root}
    return subprocess.Popen(
        [sys.executable, "-c", script, *words],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class Holder:
    """Another process that holds the store open inside the block."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._process = _python(_HOLDER, kind, str(folder))

    def __enter__(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "open\n"

    def release(self) -> None:
        """Lets it close the store and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def __exit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)


def kill_a_writer(kind: str, folder: Path, after_ms: int) -> int:
    """Kills a process some time after its first batch; how many batches it had acknowledged."""
    process = _python(_WRITER, kind, str(folder))
    assert process.stdout is not None
    first = process.stdout.readline()
    deadline = time.monotonic() + after_ms / 1000
    while time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    rest, _ = process.communicate()
    return int((first + rest).split()[-1])


def fill(make: Make, rows: int, dimension: int = DIMENSION) -> None:
    """Opens a store, writes some rows and closes it."""
    store = make(dimension)
    store.open()
    if rows:
        store.upsert([point(seq) for seq in range(1, rows + 1)])
    store.close()
