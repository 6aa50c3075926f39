"""What the journal's attempts add up to: runs, errors, fallbacks, tokens and times, by model and by
type (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orch.types import display_names

Row = dict[str, Any]


def by_model(attempts: Sequence[Row]) -> dict[str, Row]:
    """Figures by model id, as PROVIDER/ID where several providers have it. Times in seconds, None
    where nothing was measured."""
    names = display_names((row["provider"], row["model"]) for row in attempts)
    return _grouped(
        [{**row, "model": names[row["provider"], row["model"]]} for row in attempts], "model"
    )


def by_type(attempts: Sequence[Row]) -> dict[str, Row]:
    """The same by task type."""
    return _grouped(attempts, "task_type")


def by_client(runs: Sequence[Row]) -> dict[str, Row]:
    """Runs, errors and tokens by the name of the key that asked; the empty name is who needs
    none."""
    found: dict[str, Row] = {}
    for run in runs:
        row = found.setdefault(
            run["client"] or "",
            {"runs": 0, "errors": 0, "prompt_tokens": 0, "completion_tokens": 0},
        )
        row["runs"] += 1
        row["errors"] += run["status"] != "ok"
        for kind in ("prompt_tokens", "completion_tokens"):
            row[kind] += run[kind] or 0
    return found


def _grouped(attempts: Sequence[Row], key: str) -> dict[str, Row]:
    last = {row["run_id"]: row["n"] for row in attempts}
    groups: dict[str, list[Row]] = {}
    for row in attempts:
        if row[key] is not None:
            groups.setdefault(row[key], []).append(row)
    return {name: _figures(rows, last) for name, rows in sorted(groups.items())}


def _figures(rows: list[Row], last: dict[str, int]) -> Row:
    good = [row for row in rows if row["outcome"] == "ok"]
    bad = [row for row in rows if row["outcome"] != "ok" and row["code"] != "interrupted"]
    rates = [
        row["completion_tokens"] / row["decode_s"]
        for row in good
        if row["decode_s"] and row["completion_tokens"]
    ]
    return {
        "runs": len(rows),
        "errors": len(bad),
        "fallbacks": sum(row["n"] < last[row["run_id"]] for row in bad),
        "tokens": sum(row["completion_tokens"] or 0 for row in rows),
        "ttft_p50_s": percentile(_known(good, "ttft_s"), 50),
        "ttft_p95_s": percentile(_known(good, "ttft_s"), 95),
        "total_p50_s": percentile(_known(good, "total_s"), 50),
        "total_p95_s": percentile(_known(good, "total_s"), 95),
        "tokens_per_s": percentile(rates, 50),
    }


def _known(rows: Iterable[Row], key: str) -> list[float]:
    return [row[key] for row in rows if row[key] is not None]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile, None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    rank = max(-(-len(ordered) * share // 100), 1)
    return ordered[int(rank) - 1]
