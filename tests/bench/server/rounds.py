"""Interleaved rounds: each round measures every server in every cell, starting with a different
one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from tests.bench.server.contestants import CONTESTANTS
from tests.bench.server.load import PATIENCE_S, Load
from tests.bench.server.process import ROOT, Server, environment, module

WARM_S = 0.5


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: the number of concurrent requests, streamed or not."""

    connections: int
    stream: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """One server in one cell in one round: the load's results, and CPU milliseconds per request."""

    load: Load
    cpu_ms: float


CELLS = tuple(Cell(connections, stream) for stream in (False, True) for connections in (1, 32))
Samples = dict[tuple[str, Cell], list[Sample]]


def measured(servers: dict[str, Server], rounds: int, seconds: float) -> Samples:
    """The samples of each server and cell, one per round, after a warm-up."""
    names = list(servers)
    for name in names:
        for cell in CELLS[1::2]:
            _sample(name, servers[name], cell, min(seconds, 1.0))
    samples: Samples = {(name, cell): [] for name in names for cell in CELLS}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        turn = number % len(names)
        for cell in CELLS:
            for name in names[turn:] + names[:turn]:
                samples[name, cell].append(_sample(name, servers[name], cell, seconds))
    return samples


def _sample(name: str, server: Server, cell: Cell, seconds: float) -> Sample:
    contestant = CONTESTANTS[name]
    words = module(
        "load",
        server.url,
        "--api",
        contestant.api,
        "--model",
        contestant.model,
        "--connections",
        str(cell.connections),
    )
    words += [
        "--seconds",
        str(seconds),
        "--warm-s",
        str(WARM_S),
        *(["--stream"] if cell.stream else []),
    ]
    before = server.cpu_s()
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=seconds + WARM_S + 2 * PATIENCE_S,
    )
    load = Load(**json.loads(done.stdout))
    return Sample(load, (server.cpu_s() - before) * 1000 / max(load.asked, 1))
