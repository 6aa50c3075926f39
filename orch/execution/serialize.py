"""Results, decisions, errors and events as the JSON objects of `--json`, `--jsonl` and the
endpoint (pure)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from orch.errors import OrchError
from orch.execution.events import Done, Failed, RunEvent, as_chunk
from orch.types import (
    Candidate,
    Decision,
    Elimination,
    ModelKey,
    Reason,
    RunResult,
    display_names,
)

VERSION = 1


def result_to_json(result: RunResult) -> dict[str, Any]:
    """`orch run --json` of a successful run."""
    return {
        "v": VERSION,
        "ok": True,
        "answer": result.response.content,
        **_decision_fields(result.decision),
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
    fields = _decision_fields(decision)
    return {"v": VERSION, "ok": True, **fields, "warnings": warnings, "degraded": decision.degraded}


def error_to_json(error: OrchError) -> dict[str, Any]:
    """`--json` of a failed run."""
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
    """The last line of `--jsonl` of a run that could not yield its error itself."""
    fields = error_to_json(error)
    names = ("error", "partial", "attempts", "warnings", "run_id")
    return {"type": "error", **{name: fields[name] for name in names}}


def event_to_json(event: RunEvent) -> dict[str, Any]:
    """One line of `--jsonl`."""
    if isinstance(event, Done):
        return {"type": "done", "result": result_to_json(event.result)}
    return error_chunk(event.error) if isinstance(event, Failed) else as_chunk(event)


def fallback_model_names(failed: ModelKey, successor: ModelKey) -> tuple[str, str]:
    """The failed model and its successor: with their providers where the ids are the same."""
    names = display_names((failed, successor))
    return names[failed], names[successor]


def _decision_fields(decision: Decision) -> dict[str, Any]:
    return {
        "task_type": str(decision.task_type),
        "confidence": decision.confidence,
        "model": decision.model_id,
        "model_name": decision.model_name,
        "provider": decision.provider,
        "decision": decision_to_dict(decision),
    }


def stored_response(
    fields: dict[str, Any] | None, result: RunResult | None
) -> dict[str, Any] | None:
    """What the journal stores beside the text of an answer that its client may refer to: `fields`
    of the task, and of the response; None if it may not, or if there is no answer."""
    if fields is None or result is None:
        return None
    calls, reason = list(result.response.tool_calls), result.response.finish_reason
    return {**fields, "tool_calls": calls, "finish_reason": reason}


# ---------------------------------------------------------------- decisions


def decision_to_dict(decision: Decision) -> dict[str, Any]:
    """A decision as JSON-able values: what dataclasses.asdict gives, at a tenth of its cost."""
    values = {name: getattr(decision, name) for name in Decision.__slots__}
    values["reasons"] = _reasons_to_dicts(decision.reasons)
    values["candidates"] = [_candidate_to_dict(candidate) for candidate in decision.candidates]
    return values


def _candidate_to_dict(candidate: Candidate) -> dict[str, Any]:
    values = {name: getattr(candidate, name) for name in Candidate.__slots__}
    values["reasons"] = _reasons_to_dicts(candidate.reasons)
    if candidate.elimination is not None:
        values["elimination"] = _to_dict(candidate.elimination)
    return values


def _reasons_to_dicts(reasons: tuple[Reason, ...]) -> tuple[dict[str, Any], ...]:
    return tuple(_to_dict(reason) for reason in reasons)


def _to_dict(value: Reason | Elimination) -> dict[str, Any]:
    return {"code": value.code, "params": value.params}
