"""Samples of a speed bench, as the journal keeps them."""

from __future__ import annotations

from typing import Any

from orch.bench.speed_plan import SpeedCell, plan_cells
from orch.bench.speed_summary import SpeedSummary, summarize
from orch.storage.timings import BenchmarkSample
from orch.types import ModelKey

ONE, TWO = ModelKey("ollama", "one:1b"), ModelKey("ollama", "two:1b")


def row(cell: SpeedCell, **more: Any) -> BenchmarkSample:
    """A cell's row in the journal."""
    return BenchmarkSample(
        1e9,
        "b",
        cell.name,
        cell.round,
        cell.model[1],
        cell.model[0],
        "d",
        cell.kind,
        cell.size,
        cell.concurrency,
        "provider",
        **more,
    )


def benched_lines(*names: str) -> list[SpeedSummary]:
    """Lines of models with 64 tokens in a second, in two, ..."""
    cells = plan_cells([ModelKey("p", name) for name in names], ["short"], 1, [1, 2])
    speeds = {name: float(place) for place, name in enumerate(names, 1)}
    times = [(cell, speeds[cell.model[1]]) for cell in cells for _ in range(cell.concurrency)]
    return summarize(
        [
            row(cell, completion_tokens=64, decode_s=seconds, total_s=seconds)
            for cell, seconds in times
        ]
    )
