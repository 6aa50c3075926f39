"""Compares vector stores: a cold process that opens one and searches both ways, its peak memory,
and the write rate."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from orch.memory.store import Point

SIZES = {"edge": (1_000, 10_000, 100_000), "local": (1_000, 10_000)}
DIMENSION, TERMS = 384, 60
BATCH = 1000
STORES = {
    "edge": (
        "from orch.memory.edge_store import EdgeStore\nstore = EdgeStore(Path(sys.argv[1]),"
        " 'index', int(sys.argv[2]))"
    ),
    "local": (
        "from orch.memory.qdrant_store import QdrantStore\nstore = QdrantStore('index',"
        " int(sys.argv[2]), path=Path(sys.argv[1]) / 'local')"
    ),
}
HEAD = (
    "import json, random, resource, sys, time\nfrom pathlib import Path\nfrom orch.memory.store"
    " import Where\n"
)
FILL = """
from tests.bench.store import batches
store.open()
seconds = 0.0
for batch in batches(int(sys.argv[3])):
    began = time.perf_counter()
    store.upsert(batch)
    seconds += time.perf_counter() - began
began = time.perf_counter()
store.close()
print(json.dumps({"upsert_s": seconds, "close_s": time.perf_counter() - began}))
"""
SEARCH = """
numbers = random.Random(1)
store.open()
dense = store.dense([numbers.gauss(0, 1) for _ in range(int(sys.argv[2]))], 300, Where())
lexical = store.lexical({numbers.randrange(300): 1.0 for _ in range(8)}, 300, Where())
assert dense and lexical
store.close()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"peak_mb": peak / (2**20 if sys.platform == "darwin" else 2**10)}))
"""


def report(rounds: int) -> list[str]:
    """A Markdown table: medians of whole cold processes, including Python's start."""
    lines = [
        (
            "| store | points | cold open and 2 searches | quartiles | peak memory | vectors/s"
            " written | close after |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for kind, sizes in SIZES.items():
        lines += [_row(kind, size, max(rounds, 2)) for size in sizes]
    return [
        *lines,
        "",
        (
            f"{DIMENSION} dimensions, {TERMS} terms a point, batches of {BATCH}, 300 hits each; a"
            " cold process, the system's file cache warm."
        ),
    ]


def _row(kind: str, size: int, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        filled, _ = _run(HEAD + STORES[kind] + FILL, folder, size)
        found = [_run(HEAD + STORES[kind] + SEARCH, folder, size) for _ in range(rounds + 1)][
            1:
        ]  # one round warms the file cache
    low, middle, high = statistics.quantiles([seconds * 1000 for _, seconds in found], n=4)
    peak = statistics.median(said["peak_mb"] for said, _ in found)
    rate = size / filled["upsert_s"]
    return (
        f"| {kind} | {size:,} | {middle:.0f} ms | {low:.0f}-{high:.0f} | {peak:.0f} MB |"
        f" {rate:,.0f} | {filled['close_s']:.1f} s |"
    )


def _run(script: str, folder: str, size: int) -> tuple[dict[str, float], float]:
    """The process's output, and its duration in seconds."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, folder, str(DIMENSION), str(size)],
        env=env,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout), time.perf_counter() - began


def batches(size: int) -> Iterator[list[Point]]:
    """Batches of random unit vectors with sparse terms, few of them frequent."""
    import numpy

    numbers = numpy.random.default_rng(1)
    for start in range(0, size, BATCH):
        vectors = numbers.standard_normal((BATCH, DIMENSION)).astype("float32")
        vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
        terms = (numbers.pareto(0.6, size=(BATCH, TERMS)) * 5).astype("int64") % 50_000
        rows = zip(range(start, start + BATCH), vectors.tolist(), terms.tolist(), strict=True)
        yield [_point(row, vector, words) for row, vector, words in rows]


def _point(row: int, vector: list[float], words: list[int]) -> Point:
    return Point(
        _uuid(row),
        row + 1,
        vector,
        dict.fromkeys(words, 1.0),
        _uuid(row),
        0,
        f"session-{row // 50}",
        "coding",
        "coder",
        1.7e9 + row,
    )


def _uuid(number: int) -> str:
    return f"10000000-0000-0000-0000-{number:012x}"
