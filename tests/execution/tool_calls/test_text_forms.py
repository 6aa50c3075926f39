"""Calls written as text: recognised alone or at the end, left alone where a text speaks of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orch.execution.tool_calls.json_calls import MAX_CALLS, WrittenCall
from orch.execution.tool_calls.text_forms import written_calls
from tests.execution.tool_calls.tools import FORMS, NAMES, OSLO, ROME


def arguments_of(call: WrittenCall) -> Any:
    """Their value."""
    if not isinstance(call.arguments, str):
        return call.arguments
    return json.loads(call.arguments)


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("before", ["", "I look at the weather first.", "Let me see:\n"])
def test_every_form_is_recognised_alone_and_behind_a_text(text: str, before: str) -> None:
    if before and text.startswith(">>>"):
        pytest.skip("that form stands alone")
    found = written_calls(f"{before}\n{text}\n" if before else text, NAMES)
    assert found is not None
    (call,) = found.calls
    assert (call.name, arguments_of(call)) == ("get_forecast", {"town": "Oslo"})
    assert found.before == before.rstrip()


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_a_text_about_a_call_is_left_alone(text: str) -> None:
    assert written_calls(f"{text}\n\nThat is how it is called.", NAMES) is None
    assert written_calls(f"A call looks like this:\n{text}", NAMES) is None
    assert written_calls(f"For example:\n\n{text}", NAMES) is None
    assert written_calls(f"I look.\n{text}", ["another_tool"]) is None
    assert written_calls(f"Así se escribe una llamada:\n{text}", NAMES) is None
    assert written_calls(text, []) is None


@pytest.mark.parametrize(
    "text",
    [
        f"You could call it by\n{OSLO}",
        f"The tool is asked in JSON:\n```json\n{OSLO}\n```",
        f"Así se escribe la llamada:\n```json\n{OSLO}\n```",
        f"```python\nprompt = '''\n<tool_call>{OSLO}</tool_call>\n",
        f"I write `<tool_call>{OSLO}</tool_call>`",
        '{"name": "Oslo", "arguments": {"against": "Rome"}}',
        '{"name": "get_forecast", "age": 3}',
        '{"name": "get_forecast"}',
        '{"name": "get_forecast", "arguments": {}, "note": "more"}',
        f"{OSLO} {{}}",
        "```json\n[1, 2]\n```",
        "```json\n{}\n```",
        "[a link](https://example.org)",
        "",
    ],
)
def test_other_text_is_no_call(text: str) -> None:
    assert written_calls(text, NAMES) is None


def test_several_calls_are_all_recognised() -> None:
    for text in (
        f"<tool_call>{OSLO}</tool_call>\n<tool_call>{ROME}</tool_call>",
        f"[{OSLO}, {ROME}]",
        f"{OSLO}\n{ROME}",
        f"<|python_tag|>{OSLO}; {ROME}",
        f"```json\n{OSLO}\n```\n```json\n{ROME}\n```",
        '[TOOL_CALLS]get_forecast{"town": "Oslo"}[TOOL_CALLS]get_forecast{"town": "Rome"}',
    ):
        found = written_calls(text, NAMES)
        assert found is not None
        assert [arguments_of(call)["town"] for call in found.calls] == ["Oslo", "Rome"]
    assert written_calls("\n".join([OSLO] * (MAX_CALLS + 1)), NAMES) is None


def test_a_broken_call_behind_a_marker_keeps_its_name_and_text() -> None:
    found = written_calls('<tool_call>{"name": "get_forecast", "arguments": {"town": "Os', NAMES)
    assert found is not None
    assert found.marked
    assert found.calls[0].name == "get_forecast"


def test_a_form_that_repeats_a_parameter_is_no_call() -> None:
    twice = "<parameter=town>A</parameter>" * 2
    assert written_calls(f"<function=get_forecast>{twice}</function>", NAMES) is None


def test_a_call_of_no_offered_tool_is_one_only_behind_a_marker_and_alone() -> None:
    for text, marked in ((OSLO, False), (f"<tool_call>{OSLO}</tool_call>", True)):
        found = written_calls(text, ["another_tool"])
        assert (found is not None) == marked


@pytest.mark.parametrize(
    "text",
    [
        f"```{' ' * 150_000}x",
        f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>a{' ' * 150_000}x",
        f"[TOOL_CALLS]a{' ' * 150_000}x",
        f"<tool_call>a<arg_key>{'</arg_key><arg_value>' * 9_000}",
    ],
    ids=["fence", "DeepSeek", "Mistral", "GLM"],
)
def test_endless_blanks_and_tags_are_read_in_a_moment(text: str) -> None:
    assert written_calls(text, ["look_up"]) is None
