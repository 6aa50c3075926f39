"""Measures chunks per second from a local server through `orch run` into a pipe, and memory growth
with the length of an answer."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.fake_ollama import FakeModel, FakeOllama

WORD = "word "
SHORT, LONG = 2_000, 40_000
GOAL_PER_S = 5_000


@dataclass(frozen=True)
class Flow:
    """One answer: chunks per second from first byte to last, and the peak memory of the process in
    bytes."""

    per_s: float
    peak_bytes: int


def report(rounds: int) -> list[str]:
    """A Markdown table of medians and the goal."""
    models = [
        FakeModel(f"m{count}", reply=[WORD] * count, context_length=1 << 20)
        for count in (SHORT, LONG)
    ]
    with tempfile.TemporaryDirectory() as home, FakeOllama(models) as server:
        env = {**os.environ, "ORCH_HOME": home, "OLLAMA_HOST": server.url}
        flows = {
            count: [_flow(f"m{count}", count, env) for _ in range(max(rounds // 4, 3))]
            for count in (SHORT, LONG)
        }
    lines = ["| chunks | chunks/s | goal | peak memory |", "|---|---|---|---|"]
    for count, seen in flows.items():
        per_s, peak = (
            statistics.median(flow.per_s for flow in seen),
            statistics.median(flow.peak_bytes for flow in seen),
        )
        lines.append(
            f"| {count:,} ({count * len(WORD) / 1e6:.2f} MB) | {per_s:,.0f} | {GOAL_PER_S:,} |"
            f" {peak / 1e6:.1f} MB |"
        )
    return lines


def _flow(model: str, count: int, env: dict[str, str]) -> Flow:
    orch = str(Path(sys.executable).with_name("orch"))
    options = ["-o", f"num_ctx={4 * count}", "-o", f"max_tokens={2 * count}"]
    process = subprocess.Popen(
        [orch, "run", "-m", model, *options, "go"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    size = len(os.read(process.stdout.fileno(), 1 << 16))
    begun = time.perf_counter()
    while data := os.read(process.stdout.fileno(), 1 << 16):
        size += len(data)
    seconds = time.perf_counter() - begun
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or size != count * len(WORD):
        raise RuntimeError(f"orch run ended with {process.returncode} after {size} bytes")
    # ru_maxrss is in kilobytes on Linux, in bytes on macOS
    return Flow(count / seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
