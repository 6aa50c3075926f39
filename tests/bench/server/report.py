"""The report: two tables of samples, and every goal with the result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.bench.server.contestants import (
    AIOHTTP,
    HTTPX,
    LITELLM,
    LITELLM_OLDER,
    ORCH_ANTHROPIC,
    ORCH_PINNED,
    ORCH_ROUTED,
    UPSTREAM,
)
from tests.bench.server.figures import Spread
from tests.bench.server.rounds import Cell, Sample, Samples

Figure = Callable[[Sample], float]
FIGURES: dict[str, Figure] = {
    "per_s": lambda sample: sample.load.per_s,
    "p50": lambda sample: sample.load.p50_ms,
    "p99": lambda sample: sample.load.p99_ms,
    "first": lambda sample: sample.load.first_p50_ms,
    "cpu": lambda sample: sample.cpu_ms,
}
ONE, MANY = Cell(1, False), Cell(32, False)
STREAM_ONE, STREAM_MANY = Cell(1, True), Cell(32, True)


class Figures:
    """The samples, by round."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.names = list(dict.fromkeys(name for name, _ in samples))

    def each(self, name: str, cell: Cell, figure: str) -> list[float]:
        """One number per round, without the rounds in which the server was missing."""
        return [FIGURES[figure](sample) for sample in self._samples.get((name, cell), ())]

    def spread(self, name: str, cell: Cell, figure: str) -> Spread:
        """The median and its quartiles."""
        return Spread.of(self.each(name, cell, figure))

    def added(self, name: str, cell: Cell, figure: str) -> Spread:
        """The difference from the upstream in the same round."""
        base = self.each(UPSTREAM, cell, figure)
        return Spread.of(
            [
                value - other
                for value, other in zip(self.each(name, cell, figure), base, strict=False)
            ]
        )

    def ratio(self, name: str, cell: Cell, others: Iterable[str]) -> Spread:
        """Requests per second relative to the fastest of the others in the same round."""
        rows = [row for other in others if (row := self.each(other, cell, "per_s"))]
        best = [max(each) for each in zip(*rows, strict=True)]
        return Spread.of(
            [
                value / other
                for value, other in zip(self.each(name, cell, "per_s"), best, strict=False)
            ]
        )

    def cpu_ratio(self, name: str, cell: Cell, other: str) -> Spread:
        """CPU of a request relative to another server's in the same round."""
        pairs = zip(self.each(name, cell, "cpu"), self.each(other, cell, "cpu"), strict=False)
        return Spread.of([own / its for own, its in pairs])

    def errors(self) -> list[str]:
        """The errors of each server."""
        found: dict[str, int] = {}
        for (name, _), samples in self._samples.items():
            for text, count in (each for sample in samples for each in sample.load.errors.items()):
                found[f"{name}: {text}"] = found.get(f"{name}: {text}", 0) + count
        return [f"{count} x {text}" for text, count in found.items()]


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal, the measured figure, and its bound: a minimum, or a maximum."""

    wish: str
    figure: Spread
    unit: str
    bound: float
    at_least: bool = True

    def row(self) -> str:
        """A row of the table."""
        if math.isnan(self.figure.middle):
            return f"| {self.wish} | not measured | - |"
        reached = (
            self.figure.middle >= self.bound if self.at_least else self.figure.middle < self.bound
        )
        return f"| {self.wish} | {said(self.figure, 2)}{self.unit} | {'yes' if reached else 'no'} |"


def said(spread: Spread, digits: int = 0) -> str:
    """A median with its quartiles."""
    if math.isnan(spread.middle):
        return "-"
    return f"{spread.middle:,.{digits}f} ({spread.low:,.{digits}f}-{spread.high:,.{digits}f})"


def whole_table(figures: Figures, peaks: dict[str, int]) -> list[str]:
    """Answers without streaming."""
    lines = [
        "| in one piece | 1: requests/s | 1: added median, ms | 32: requests/s | 32: p99, ms | 32:"
        " added p99, ms | CPU/request, ms | peak memory |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    for name in figures.names:
        cells = [
            said(figures.spread(name, ONE, "per_s")),
            said(figures.added(name, ONE, "p50"), 2),
            said(figures.spread(name, MANY, "per_s")),
        ]
        cells += [
            said(figures.spread(name, MANY, "p99"), 1),
            said(figures.added(name, MANY, "p99"), 1),
            said(figures.spread(name, MANY, "cpu"), 2),
        ]
        lines.append(f"| {' | '.join([name, *cells])} | {peaks[name] / 1e6:.0f} MB |")
    return lines


def stream_table(figures: Figures) -> list[str]:
    """Streamed answers."""
    lines = [
        "| streamed | 1: added to first token, ms | 32: first token, ms | 32: added, ms | 1:"
        " requests/s | 32: requests/s | CPU/request, ms |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for name in figures.names:
        cells = [
            said(figures.added(name, STREAM_ONE, "first"), 2),
            said(figures.spread(name, STREAM_MANY, "first"), 1),
        ]
        cells += [
            said(figures.added(name, STREAM_MANY, "first"), 1),
            said(figures.spread(name, STREAM_ONE, "per_s")),
        ]
        cells += [
            said(figures.spread(name, STREAM_MANY, "per_s")),
            said(figures.spread(name, STREAM_MANY, "cpu"), 2),
        ]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return lines


def goals(figures: Figures) -> list[Goal]:
    """The goals with the measured figures; ratios within one round, then their median."""
    bare, lite = (HTTPX, AIOHTTP), (LITELLM, LITELLM_OLDER)
    found = []
    for cell in (ONE, MANY):
        at = f"at {cell.connections}"
        found += [
            Goal(
                f"pinned, {at}: at least half the requests/s of the faster bare proxy",
                figures.ratio(ORCH_PINNED, cell, bare),
                "x",
                0.5,
            ),
            Goal(
                f"pinned, {at}: at least 6x the requests/s of the faster LiteLLM",
                figures.ratio(ORCH_PINNED, cell, lite),
                "x",
                6,
            ),
            Goal(
                f"routed, {at}: at least 3x the requests/s of the faster LiteLLM",
                figures.ratio(ORCH_ROUTED, cell, lite),
                "x",
                3,
            ),
        ]
    tails = [
        added for name in lite if not math.isnan(added := figures.added(name, MANY, "p99").middle)
    ]
    if tails:
        wish = f"routed, at 32: added p99 under a fifth of the better LiteLLM's {min(tails):.0f} ms"
        found.append(
            Goal(
                wish, figures.added(ORCH_ROUTED, MANY, "p99"), " ms", min(tails) / 5, at_least=False
            )
        )
    found += [
        Goal(
            f"Anthropic's API, {'streamed' if cell.stream else 'in one piece'}, at 32: CPU of a"
            " request, of OpenAI's",
            figures.cpu_ratio(ORCH_ANTHROPIC, cell, ORCH_PINNED),
            "x",
            1.1,
            at_least=False,
        )
        for cell in (MANY, STREAM_MANY)
    ]
    for name in (ORCH_PINNED, ORCH_ROUTED):
        found.append(
            Goal(
                f"{name.removeprefix('orch, ')}, at 1: added median under 3 ms",
                figures.added(name, ONE, "p50"),
                " ms",
                3,
                at_least=False,
            )
        )
    return found


def goals_table(figures: Figures) -> list[str]:
    """The goals and results."""
    return [
        "| goal | measured | reached |",
        "|---|---|---|",
        *(goal.row() for goal in goals(figures)),
    ]
