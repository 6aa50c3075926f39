"""The words for a failed call, and what the model is told that is asked again."""

from __future__ import annotations

import json

from orch.errors import ProviderError
from orch.execution.tool_calls.faults import (
    MAX_REPEATED_CHARS,
    ToolCallError,
    correction,
    correction_of,
    unknown_tool,
)
from orch.text.strict_messages import strict_messages
from tests.execution.tool_calls.tools import call

BEFORE = [{"role": "user", "content": "Will it rain?"}]


def test_a_readable_call_is_shown_with_its_fault_as_its_result() -> None:
    told = correction("I look.", [call("a", '{"x": 1}'), call("b", {})], "it lacks y")
    assert [each["role"] for each in told] == ["assistant", "tool", "tool"]
    assert told[0]["tool_calls"][1]["function"] == {"name": "b", "arguments": "{}"}
    assert [each["tool_call_id"] for each in told[1:]] == [
        each["id"] for each in told[0]["tool_calls"]
    ]
    assert all("it lacks y" in each["content"] for each in told[1:])
    assert [each["role"] for each in strict_messages([*BEFORE, *told])][-3:] == [
        "assistant",
        "tool",
        "tool",
    ]


def test_a_call_that_no_template_can_show_is_text() -> None:
    told = correction("", [call("a", '{"x": ')], "it is cut")
    assert [each["role"] for each in told] == ["assistant", "user"]
    assert json.loads(told[0]["content"]) == {"name": "a", "arguments": '{"x": '}
    assert [each["role"] for each in correction("", [call("a", {})], "-", has_tools=False)] == [
        "assistant",
        "user",
    ]


def test_what_a_model_is_shown_again_is_bounded() -> None:
    told = correction("", [call("a", {"text": "x" * 10_000_000})], "it is long")
    assert len(told[0]["content"]) <= MAX_REPEATED_CHARS + 1
    told = correction("x" * 10_000_000, [], "it is long")
    assert len(told[0]["content"]) <= MAX_REPEATED_CHARS + 1


def test_a_fault_that_a_server_reports_is_told_without_an_answer() -> None:
    failure = ProviderError("tool_call_invalid", "error parsing tool call")
    (told,) = correction_of(failure)
    assert told["role"] == "user"
    assert "error parsing tool call" in told["content"]


def test_an_error_has_what_the_model_is_told() -> None:
    error = ToolCallError("it lacks y", BEFORE)
    assert (error.code, correction_of(error)) == ("tool_call_invalid", tuple(BEFORE))


def test_offered_names_are_listed_shortly() -> None:
    text = unknown_tool("x", [f"tool_{n}" for n in range(1_000)])
    assert text.endswith("…")
    assert len(text) < 1_000
