"""The recommendations as text and as plain values (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orch.execution.recommending.report import RecommendationReport
from orch.routing.recommendations.capacity import MachineCapacity, Placement
from orch.routing.recommendations.recommend import SLOW_S, Drop, Recommendation
from orch.types import TaskType

MOST_TYPES = 2
"""Types that a row names; `--json` has all."""
PLACES = {
    Placement.GPU: "runs on the GPU",
    Placement.SPLIT: "partly in main memory, so slower",
    Placement.MEMORY: "runs in main memory",
}


def command(report: RecommendationReport, row: Recommendation) -> str:
    """What to type to get a model: into Ollama, else into orch's own engine."""
    verb = "orch models pull" if report.provider else "orch setup"
    return f"{verb} {row.model.tag}"


def gains(row: Recommendation) -> list[tuple[TaskType, float]]:
    """The types at which the model adds something, the largest gain first."""
    return sorted(row.gains.items(), key=lambda pair: (-pair[1], pair[0]))


def gain_text(row: Recommendation) -> str:
    """`coding +1.2, writing +.9, 3 more`; the mean quality where nothing is installed."""
    ordered = gains(row)
    if not ordered:
        return f"{mean_quality(row):.1f} of 10"
    shown = [f"{each} +{gain:.1f}" for each, gain in ordered[:MOST_TYPES]]
    more = len(ordered) - MOST_TYPES
    return ", ".join([*shown, *([f"{more} more"] if more > 0 else [])])


def mean_quality(row: Recommendation) -> float:
    """The mean over the types that were asked for."""
    return sum(row.quality.values()) / len(row.quality)


def reason(row: Recommendation) -> str:
    """Why it is recommended, and what to expect."""
    ordered = gains(row)
    if ordered:
        others = dict.fromkeys(row.beside[each].model for each, _ in ordered)
        beside = ", ".join(list(others)[:MOST_TYPES])
        first = f"better than {beside} at {ordered[0][0]}"
        first += f" and {len(ordered) - 1} more" if len(ordered) > 1 else ""
    else:
        best = sorted(row.quality, key=lambda each: (-row.quality[each], each))
        first = f"most at {' and '.join(best[:MOST_TYPES])}"
    slow = f", about {row.answer_s / 60:.0f} minutes an answer" if row.answer_s > SLOW_S else ""
    return f"{first}; {PLACES[row.placement]}{slow}"


def memory_text(capacity: MachineCapacity) -> str:
    """`Memory for models: 14.2 GB, GPU 8.6 GB`"""
    if capacity.main_bytes is None and capacity.limit_bytes is None:
        return "Memory for models: unknown"
    gpus = "".join(f", GPU {size / 1e9:.1f} GB" for size in capacity.gpu_bytes) or ", no GPU found"
    main = "unknown" if capacity.main_bytes is None else f"{capacity.main_bytes / 1e9:.1f} GB"
    limit = capacity.limit_bytes
    capped = f"; memory_budget_gb allows {limit / 1e9:g} GB" if limit is not None else ""
    return f"Memory for models: {main}{gpus}{capped}"


def nothing_text(report: RecommendationReport) -> str:
    """Why nothing is recommended; empty if something is."""
    dropped = report.found.dropped
    if report.found.rows:
        return ""
    if not report.is_here:
        return (
            f"Nothing is recommended: Ollama ({report.provider}) runs on another machine, whose"
            " memory is not known here"
        )
    if report.capacity.total_bytes is None:
        return "Nothing is recommended: this machine does not tell how much memory it has"
    return f"Nothing to pull: {'; '.join(_why(dropped)) or 'no model is known'}"


_WHY = {
    Drop.NO_GAIN: "{n} would fit and are not better than what is installed, beyond the error of"
    " the estimates",
    Drop.MEMORY: "{n} need more memory",
    Drop.DISK: "{n} need more room on the disk",
    Drop.CONTEXT: "{n} have a smaller context",
    Drop.INSTALLED: "{n} are installed",
}


def _why(dropped: Mapping[Drop, int]) -> list[str]:
    return [text.format(n=dropped[drop]) for drop, text in _WHY.items() if dropped.get(drop)]


def to_json(report: RecommendationReport) -> dict[str, Any]:
    """The report as plain values: sizes in bytes, qualities and gains of 10."""
    capacity, store = report.capacity, report.store
    return {
        "memory": {
            "main_bytes": capacity.main_bytes,
            "gpu_bytes": list(capacity.gpu_bytes),
            "limit_bytes": capacity.limit_bytes,
        },
        "ollama": {
            "provider": report.provider or None,
            "runs": report.runs,
            "here": report.is_here,
            "disk_free_bytes": store.free_bytes if store else None,
        },
        "task_type": report.wishes.task_type,
        "recommendations": [_row(report, row) for row in report.found.rows],
        "left_out": {str(drop): count for drop, count in report.found.dropped.items()},
        "nothing": nothing_text(report) or None,
    }


def _row(report: RecommendationReport, row: Recommendation) -> dict[str, Any]:
    return {
        "model": row.model.tag,
        "size_bytes": row.model.size_bytes,
        "num_ctx": row.num_ctx,
        "memory_bytes": row.memory_bytes,
        "fits": row.placement,
        "tokens_per_s": round(row.tokens_per_s, 1),
        "tokens_per_s_source": "guessed",
        "answer_s": round(row.answer_s, 1),
        "quality": {str(each): round(value, 1) for each, value in row.quality.items()},
        "gains": {str(each): round(gain, 1) for each, gain in gains(row)},
        "beside": {str(each): row.beside[each].model for each, _ in gains(row)},
        "command": command(report, row),
        "reason": reason(row),
        "licence": row.model.licence or None,
        "sources": list(row.model.sources),
    }
