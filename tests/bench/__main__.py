"""Runs the benchmarks and prints the results as Markdown, with machine, date and n."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from orch import __version__
from tests.bench import deciding, durability, memory, startup, store, storm, streaming, text
from tests.bench.session import report as session

BENCHES: dict[str, Callable[[int], list[str]]] = {
    "startup": startup.report,
    "deciding": deciding.report,
    "streaming": streaming.report,
    "store": store.report,
    "memory": memory.report,
    "durability": durability.report,
    "storm": storm.report,
    "text": text.report,
    "session": session.report,
}


def machine() -> str:
    """Number of cores, processor and Python version, on one line."""
    facts = (
        Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    )
    names = [
        line.partition(":")[2].strip()
        for line in facts.splitlines()
        if line.startswith("model name")
    ]
    return (
        f"{os.cpu_count()} cores,"
        f" {names[0] if names else platform.processor() or platform.machine()},"
        f" {platform.system()}, Python {platform.python_version()}"
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("which", nargs="*", help=f"Of {', '.join(BENCHES)}. Default: all.")
    parser.add_argument("-n", type=int, default=20, help="Rounds. Default 20.")
    args = parser.parse_args()
    unknown = [name for name in args.which if name not in BENCHES]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}: there are {', '.join(BENCHES)}")
    print(f"orch {__version__} · {machine()} · {datetime.now(UTC).date()} · n={args.n}")
    for name in args.which or BENCHES:
        print(f"\n### {name}\n", flush=True)
        print("\n".join(BENCHES[name](args.n)))


if __name__ == "__main__":
    main()
