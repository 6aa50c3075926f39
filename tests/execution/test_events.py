"""Typed events, and the dicts that the library and `--jsonl` make of them."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from orch import OrchError, TaskType
from orch.execution.events import (
    Content,
    Done,
    Failed,
    Fallback,
    Metadata,
    RunEvent,
    RunWarning,
    Thinking,
    ToolCall,
    as_chunk,
)
from orch.execution.serialize import event_to_json
from orch.types import Attempt, Decision, ModelKey, Response, RunResult, Timing

DECISION = Decision(
    "a:1b", "A", "ollama", TaskType.CODING, 0.9, "best", (), "balanced", {}, 12, "c0"
)
RESULT = RunResult(DECISION, TaskType.CODING, 0.9, Response("hi"), Timing(0.1, 0.2), (), (), "run1")
ERROR = OrchError(
    "it failed",
    "try again",
    code="all_failed",
    partial="h",
    attempts=[Attempt("a:1b", "ollama", "failed", code="empty")],
    run_id="run1",
)
CALL: dict[str, Any] = {"function": {"name": "add", "arguments": {}}}
FALLBACK = Fallback(ModelKey("one", "a:1b"), ModelKey("two", "b:1b"), "it broke", "server_error", 3)
EVENTS: list[tuple[RunEvent, str, dict[str, Any]]] = [
    (Metadata(DECISION), "metadata", {"model_id": "a:1b", "task_type": "coding", "reason": "best"}),
    (Content("hi"), "content", {"chunk": "hi"}),
    (Thinking("hm"), "thinking", {"chunk": "hm"}),
    (ToolCall(CALL), "tool_call", {"tool_call": CALL}),
    (FALLBACK, "fallback", {"from": "a:1b", "to_provider": "two", "offset": 3}),
    (RunWarning("slow"), "warning", {"message": "slow"}),
    (Done(RESULT), "done", {"result": RESULT}),
    (Failed(ERROR), "error", {"partial": "h", "attempts": ERROR.attempts, "run_id": "run1"}),
]


def test_every_kind_of_event_is_tested() -> None:
    assert {type(event) for event, _, _ in EVENTS} == set(get_args(RunEvent))


@pytest.mark.parametrize(("event", "kind", "fields"), EVENTS, ids=[kind for _, kind, _ in EVENTS])
def test_the_library_gets_a_dict_with_a_type(
    event: RunEvent, kind: str, fields: dict[str, Any]
) -> None:
    chunk = as_chunk(event)
    assert chunk["type"] == kind
    assert {name: chunk[name] for name in fields} == fields


@pytest.mark.parametrize("event", [event for event, _, _ in EVENTS], ids=lambda e: type(e).__name__)
def test_every_event_has_a_json_form(event: RunEvent) -> None:
    assert json.loads(json.dumps(event_to_json(event)))["type"] == as_chunk(event)["type"]


def test_logprobs_are_in_the_dict_only_if_there_are_any() -> None:
    logprobs = ({"token": "hi", "logprob": -0.1},)
    assert as_chunk(Content("hi", logprobs))["logprobs"] == list(logprobs)
    assert "logprobs" not in as_chunk(Content("hi"))


def test_the_json_form_of_an_error_names_code_message_and_hint() -> None:
    fields = event_to_json(Failed(ERROR))
    assert fields["error"] == {"code": "all_failed", "message": "it failed", "hint": "try again"}
    assert [attempt["code"] for attempt in fields["attempts"]] == ["empty"]
