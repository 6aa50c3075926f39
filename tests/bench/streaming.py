"""Measures chunks per second from a local server through `orch run` into a pipe, and memory growth
with the length of an answer."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peak_memory import MeasuredProcess
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
        times = max(rounds // 4, 3)
        flows = {
            count: [_flow(f"m{count}", count, env) for _ in range(times)] for count in (SHORT, LONG)
        }
        answered = sum(request.path == "/api/chat" for request in server.requests)
    if answered != 2 * times:
        raise RuntimeError(f"the model answered {answered} of {2 * times} runs")
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
    # fresh: a cached answer comes in pieces of its own
    process = MeasuredProcess([orch, "run", "--fresh", "-m", model, *options, "go"], env)
    size = len(os.read(process.stdout.fileno(), 1 << 16))
    begun = last = time.perf_counter()
    while data := os.read(process.stdout.fileno(), 1 << 16):
        size, last = size + len(data), time.perf_counter()
    code, peak_bytes = process.wait()
    if code or size != count * len(WORD):
        raise RuntimeError(f"orch run ended with {code} after {size} bytes")
    return Flow(count / (last - begun), peak_bytes)
