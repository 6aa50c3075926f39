"""Measures routing decisions: classification and ranking in this process, without I/O."""

from __future__ import annotations

import statistics
import time

from orch.classifier.keyword_rules import RuleClassifier
from orch.config.load import load_config
from orch.config.spec import ModelSpec
from orch.routing.model_state import ModelState
from orch.routing.scoring.policy import Policy
from orch.routing.scoring.ranking import profile_weights, rank_candidates
from orch.types import Elimination, Need

TASKS = (
    "Write a Python function that merges two sorted lists",
    "Compare the pros and cons of PostgreSQL and SQLite for a small shop",
    "¿Por qué se cae el servidor cuando hay muchas conexiones?",
    "Write a short poem about the sea at night",
    "Find all the places where the config is read",
)
SIZES = {10: 0.000_3, 1_000: 0.020}
"""Number of models to the goal in seconds."""


def report(rounds: int) -> list[str]:
    """Returns a Markdown table of medians, quartiles and goals."""
    lines = ["| models | p50 | p95 | goal |", "|---|---|---|---|"]
    for size, goal in SIZES.items():
        seconds = _seconds(size, rounds * (50 if size < 100 else 2))
        p95 = statistics.quantiles(seconds, n=20)[-1]
        lines.append(
            f"| {size:,} | {_said(statistics.median(seconds))} | {_said(p95)} | {_said(goal)} |"
        )
    return lines


def _said(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} µs" if seconds < 0.001 else f"{seconds * 1e3:.1f} ms"


def _seconds(size: int, rounds: int) -> list[float]:
    routing = load_config().routing
    classifier = RuleClassifier(routing.task_types)
    states = _states(size)
    weights, need = profile_weights(routing, "balanced", None), Need(200)
    spent = []
    for number in range(rounds):
        begun = time.perf_counter()
        found = classifier.classify(TASKS[number % len(TASKS)])
        rank_candidates(found, states, need, Policy.from_routing(routing, weights, 16_000_000_000))
        spent.append(time.perf_counter() - begun)
    return spent


def _states(size: int) -> list[ModelState]:
    """Models that differ in every property; a tenth is loaded, a tenth is not installed."""
    kinds = (("coding",), ("reasoning", "analysis"), (), ("writing", "creative"))
    return [
        ModelState(
            ModelSpec(
                id=f"model-{n}:7b",
                provider="ollama",
                strengths=kinds[n % 4],
                quality_rating=5 + n % 5,
                speed_rating=4 + n % 6,
                memory_gb=float(2 + n % 9),
            ),
            unavailable=Elimination("not_installed") if n % 10 == 9 else None,
            resident=n % 10 == 0,
            size_bytes=(2 + n % 9) * 1_000_000_000,
            capabilities=frozenset({"completion", "tools"}),
            context_window=32_768,
            kv_bytes_per_token=131_072,
        )
        for n in range(size)
    ]
