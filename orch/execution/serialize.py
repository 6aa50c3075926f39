"""Results, errors and chunks as the JSON objects that `--json`, `--jsonl` and the endpoint give out
(pure)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from orch.errors import OrchError
from orch.types import Decision, RunResult, decision_to_dict, display_names

VERSION = 1


def result_to_json(result: RunResult) -> dict[str, Any]:
    """`orch run --json` of a run that went well."""
    decision = result.decision
    return {
        "v": VERSION,
        "ok": True,
        "answer": result.response.content,
        **_decided(decision),
        "usage": asdict(result.response.usage),
        "timing": asdict(result.timing),
        "finish_reason": result.response.finish_reason,
        "cut": result.cut,
        "tool_calls": list(result.response.tool_calls),
        "attempts": [asdict(attempt) for attempt in result.attempts],
        "warnings": list(result.warnings),
        "recalled": list(result.recalled),
        "degraded": result.degraded,
        "source": result.source,
        "run_id": result.run_id,
    }


def decision_to_json(decision: Decision, warnings: list[str]) -> dict[str, Any]:
    """`orch route --json`."""
    return {
        "v": VERSION,
        "ok": True,
        **_decided(decision),
        "warnings": warnings,
        "degraded": decision.degraded,
    }


def error_to_json(error: OrchError) -> dict[str, Any]:
    """`--json` of a run that failed."""
    return {
        "v": VERSION,
        "ok": False,
        "error": {"code": error.code, "message": error.message, "hint": error.hint},
        "partial": error.partial,
        "attempts": [asdict(attempt) for attempt in error.attempts],
        "warnings": list(error.warnings),
        "run_id": error.run_id or None,
    }


def error_chunk(error: OrchError) -> dict[str, Any]:
    """The last line of `--jsonl` of a run that could not tell it itself."""
    form = error_to_json(error)
    return {
        "type": "error",
        **{name: form[name] for name in ("error", "partial", "attempts", "warnings", "run_id")},
    }


def chunk_to_json(chunk: dict[str, Any]) -> dict[str, Any]:
    """One line of `--jsonl`."""
    if chunk["type"] == "done":
        return {**chunk, "result": result_to_json(chunk["result"])}
    if chunk["type"] == "error":
        return {
            **chunk,
            "attempts": [asdict(attempt) for attempt in chunk["attempts"]],
            "warnings": list(chunk["warnings"]),
            "run_id": chunk["run_id"] or None,
        }
    return chunk


def fallback_model_names(chunk: dict[str, Any]) -> tuple[str, str]:
    """The model that failed and the one that takes over, as a `fallback` chunk names them: with
    their providers where the ids are the same."""
    keys = (chunk["from_provider"], chunk["from"]), (chunk["to_provider"], chunk["to"])
    names = display_names(keys)
    return names[keys[0]], names[keys[1]]


def _decided(decision: Decision) -> dict[str, Any]:
    return {
        "task_type": str(decision.task_type),
        "confidence": decision.confidence,
        "model": decision.model_id,
        "model_name": decision.model_name,
        "provider": decision.provider,
        "decision": {"reason": decision.reason, **decision_to_dict(decision)},
    }
