"""Aggregates attempts: runs, errors, fallbacks, tokens and times by model, by task type and by
client (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orch.storage.timings import COLD_LOAD_S
from orch.types import ModelKey, display_names

Row = dict[str, Any]
NO_ERRORS = ("interrupted", "turn_in_progress")
"""Codes of attempts that tell nothing bad of a model: whoever asked ended it, or a client's chore
was sent away before the model was asked."""


def by_model(attempts: Sequence[Row]) -> dict[str, Row]:
    """Statistics by model id, or PROVIDER/ID if several providers have the id. Times are in
    seconds, None if nothing was measured.

    `fallbacks` counts how often the model failed and another attempt followed, `takeovers` how
    often it was asked after a failure.
    """
    names = display_names(_key(row) for row in attempts)
    return _grouped(
        [{**row, "model": names[_key(row)]} for row in attempts],
        "model",
    )


def by_type(attempts: Sequence[Row]) -> dict[str, Row]:
    """The same by task type."""
    return _grouped(attempts, "task_type")


def by_client(runs: Sequence[Row]) -> dict[str, Row]:
    """Runs, errors and tokens by the name of the client's key; empty for clients without one."""
    clients: dict[str, Row] = {}
    for run in runs:
        empty = {"runs": 0, "errors": 0, "prompt_tokens": 0, "completion_tokens": 0}
        row = clients.setdefault(run["client"] or "", empty)
        row["runs"] += 1
        row["errors"] += run["status"] != "ok"
        for kind in ("prompt_tokens", "completion_tokens"):
            row[kind] += run[kind] or 0
    return clients


def count_fallbacks(attempts: Sequence[Row]) -> Counter[tuple[str, str, str]]:
    """Counts fallbacks by (failed model, error code, model that took over). The attempts of a run
    must be in order."""
    names = display_names(_key(row) for row in attempts)
    previous: dict[str, Row] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    for row in attempts:
        failed = previous.get(row["run_id"])
        if failed is not None:
            failed_name = names[_key(failed)]
            counts[failed_name, failed["code"] or "", names[_key(row)]] += 1
        previous[row["run_id"]] = row
    return counts


def cold_loads(attempts: Sequence[Row]) -> dict[str, list[float]]:
    """Seconds of every cold load by model."""
    names = display_names(_key(row) for row in attempts)
    loads: dict[str, list[float]] = {}
    for row in attempts:
        if (row["load_s"] or 0.0) > COLD_LOAD_S:
            loads.setdefault(names[_key(row)], []).append(row["load_s"])
    return dict(sorted(loads.items()))


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The nearest-rank percentile; None if there are no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    rank = max(-(-len(ordered) * percent // 100), 1)
    return ordered[int(rank) - 1]


def _grouped(attempts: Sequence[Row], key: str) -> dict[str, Row]:
    last = {row["run_id"]: row["n"] for row in attempts}
    groups: dict[str, list[Row]] = {}
    for row in attempts:
        if row[key] is not None:
            groups.setdefault(row[key], []).append(row)
    return {name: _statistics(rows, last) for name, rows in sorted(groups.items())}


def _statistics(rows: list[Row], last: dict[str, int]) -> Row:
    answered = [row for row in rows if row["outcome"] == "ok"]
    failed = [row for row in rows if row["outcome"] != "ok" and row["code"] not in NO_ERRORS]
    rates = [
        row["completion_tokens"] / row["decode_s"]
        for row in answered
        if row["decode_s"] and row["completion_tokens"]
    ]
    return {
        "runs": len(rows),
        "errors": len(failed),
        "fallbacks": sum(row["n"] < last[row["run_id"]] for row in failed),
        "takeovers": sum(row["n"] > 0 for row in rows),
        "tokens": sum(row["completion_tokens"] or 0 for row in rows),
        "ttft_p50_s": percentile(_known(answered, "ttft_s"), 50),
        "ttft_p95_s": percentile(_known(answered, "ttft_s"), 95),
        "total_p50_s": percentile(_known(answered, "total_s"), 50),
        "total_p95_s": percentile(_known(answered, "total_s"), 95),
        "tokens_per_s": percentile(rates, 50),
    }


def _known(rows: Iterable[Row], key: str) -> list[float]:
    return [row[key] for row in rows if row[key] is not None]


def _key(row: Mapping[str, Any]) -> ModelKey:
    return ModelKey(row["provider"], row["model"])
