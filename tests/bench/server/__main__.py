"""Measures `orch serve`, the bare upstream, bare proxies and LiteLLM, and prints Markdown with
machine, date and n."""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from orch import __version__
from tests.bench.__main__ import machine
from tests.bench.server import held, litellm
from tests.bench.server.contestants import (
    CONTESTANTS,
    LITELLM,
    ORCH_BY_OLLAMA,
    ORCH_OLLAMA,
    ORCH_PINNED,
    running,
)
from tests.bench.server.prompts import PINNED
from tests.bench.server.report import Figures, goals_table, stream_table, whole_table
from tests.bench.server.rounds import measured

MAIN = tuple(name for name in CONTESTANTS if name not in (ORCH_OLLAMA, ORCH_BY_OLLAMA))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.server", description=__doc__)
    parser.add_argument("-n", type=int, default=5, help="Rounds. Default 5.")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="Of a contestant in a cell. Default 3."
    )
    parser.add_argument(
        "--quick", action="store_true", help="Two rounds of a second: a look, not a figure."
    )
    parser.add_argument("--main", action="store_true", help="Without the two further rows of orch.")
    parser.add_argument(
        "--only",
        action="append",
        choices=CONTESTANTS,
        help="Of the contestants, beside the upstream. May be given again.",
    )
    parser.add_argument("--streams", type=int, default=0, help="Hold so many streams instead.")
    parser.add_argument(
        "--hold", type=float, default=60.0, help="Seconds they are held. Default 60."
    )
    parser.add_argument(
        "--interval",
        type=float,
        default=0.5,
        help="Seconds between two of their tokens. Default .5.",
    )
    args = parser.parse_args()
    if not Path("/proc/self/stat").exists():
        parser.error("CPU and memory are read from /proc, which this system does not have")
    _raise_limit()
    with tempfile.TemporaryDirectory() as home:
        lines = _held(args, Path(home)) if args.streams else _compared(args, Path(home))
        print("\n".join(lines))


def _raise_limit() -> None:
    """Raises the limit of open files to the maximum, here and in the servers."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _head(what: str) -> str:
    return f"orch {__version__} · {machine()} · {datetime.now(UTC).date()} · {what}"


def _compared(args: argparse.Namespace, home: Path) -> list[str]:
    rounds, seconds = (2, 1.0) if args.quick else (args.n, args.seconds)
    with running(args.only or (MAIN if args.main else CONTESTANTS), home) as (servers, missing):
        figures = Figures(measured(servers, rounds, seconds))
        peaks = {name: server.peak_bytes() for name, server in servers.items()}
    beside = f" · LiteLLM {litellm.version(litellm.NEWEST)}" if LITELLM in servers else ""
    lines = [
        _head(f"n={rounds} rounds of {seconds:g} s{beside} · medians (quartiles)"),
        "",
        *whole_table(figures, peaks),
        "",
        *stream_table(figures),
    ]
    lines += ["", *goals_table(figures)]
    lines += [f"\n{name} was not measured: {why}" for name, why in missing.items()]
    errors = figures.errors()
    return [*lines, "", f"Wrong answers: {'; '.join(errors) if errors else 'none'}."]


def _held(args: argparse.Namespace, home: Path) -> list[str]:
    """Requests to orch: half of the streams name a model, half are routed."""
    with running([ORCH_PINNED], home) as (servers, missing):
        if missing:
            sys.exit(f"orch serve did not start: {missing[ORCH_PINNED]}")
        found = asyncio.run(
            held.held(
                servers[ORCH_PINNED],
                (PINNED, "auto"),
                held.Plan(args.streams, args.hold, args.interval),
            )
        )
    return [_head("half of the streams pinned, half routed"), "", *held.report(found)]


if __name__ == "__main__":
    main()
