"""What becomes of the calls of a whole answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orch.execution.tool_calls import settle
from orch.execution.tool_calls.faults import NO_CALL
from orch.execution.tool_calls.settle import MAX_CALLS, offer_of
from tests.execution.tool_calls.tools import TOOLS, call

OSLO = call("get_forecast", '{"town": "Oslo"}')


def test_valid_calls_are_passed_on_as_they_are() -> None:
    calls = [
        OSLO,
        call("list_notes", {}),
        {"id": "7", **call("write_note", '{"path":"","text":""}')},
    ]
    settled = settle("Let me see.", calls, TOOLS)
    assert (settled.text, settled.repairs, settled.fault) == ("Let me see.", (), "")
    assert all(each is given for each, given in zip(settled.calls, calls, strict=True))


def test_one_bad_call_of_three_is_repaired_beside_the_others() -> None:
    calls = [OSLO, call("Get_Forecast", "{'town': 'Rome', 'days': '2'}"), call("list_notes", {})]
    settled = settle("", calls, TOOLS)
    assert settled.calls[0] is OSLO
    assert settled.calls[1]["function"]["name"] == "get_forecast"
    assert json.loads(settled.calls[1]["function"]["arguments"]) == {"town": "Rome", "days": 2}
    assert settled.repairs == ("name", "single_quotes", "number_as_text")


def test_one_call_without_a_repair_is_a_fault_of_all() -> None:
    calls = [call("Get_Forecast", {"town": "Rome"}), call("get_forecast", '{"town": 5}')]
    settled = settle("", calls, TOOLS)
    assert (settled.calls, settled.repairs) == (calls, ())
    assert settled.fault == 'the call of "get_forecast": $.town must be of type string'


@pytest.mark.parametrize(
    ("name", "tools", "fault"),
    [
        ("get_weather", TOOLS, 'there is no tool "get_weather"; there are "get_forecast"'),
        (None, TOOLS, 'there is no tool ""'),
        (["x"], TOOLS, 'there is no tool ""'),
        ("get_forecast", [], "no tools were offered"),
        ("x" * 100_000, TOOLS, "xxx…"),
    ],
)
def test_a_tool_that_nobody_offered_is_a_fault(name: Any, tools: Any, fault: str) -> None:
    settled = settle("", [call(name, {})], tools)
    assert fault in settled.fault
    assert len(settled.fault) < 400


@pytest.mark.parametrize(
    "broken", [{}, {"function": None}, {"function": "x"}, {"name": "list_notes"}]
)
def test_a_call_of_any_form_is_looked_at(broken: Any) -> None:
    settled = settle("", [broken], TOOLS)
    assert bool(settled.fault) == (broken != {"name": "list_notes"})


def test_calls_in_the_text_are_taken_out_of_it() -> None:
    settled = settle('I look.\n<tool_call>{"name": "list_notes"}</tool_call>', [], TOOLS)
    assert settled.text == "I look."
    assert settled.calls == [call("list_notes", "{}")]
    assert settled.repairs == ("text_call",)


def test_parameters_as_text_get_the_types_of_the_schema() -> None:
    text = (
        "<function=get_forecast><parameter=town>\nOslo\n</parameter><parameter=days>3</parameter>"
        "<parameter=hours>[1, 2]</parameter></function>"
    )
    (made,) = settle(text, [], TOOLS).calls
    assert json.loads(made["function"]["arguments"]) == {"town": "Oslo", "days": 3, "hours": [1, 2]}


def test_json_whose_arguments_are_wrong_is_an_answer_and_a_marked_call_a_fault() -> None:
    wrong = '{"name": "get_forecast", "arguments": {"city": "Oslo"}}'
    assert settle(wrong, [], TOOLS) == (wrong, [], (), "")
    settled = settle(f"<tool_call>{wrong}</tool_call>", [], TOOLS)
    assert "'town' is a required property" in settled.fault
    assert settled.text == f"<tool_call>{wrong}</tool_call>"


def test_text_beside_calls_is_text() -> None:
    text = '<tool_call>{"name": "list_notes"}</tool_call>'
    assert settle(text, [OSLO], TOOLS) == (text, [OSLO], (), "")
    assert settle(text, [], TOOLS, reads_text=False).text == text


def test_a_call_that_was_cut_is_not_completed() -> None:
    cut = [call("get_forecast", '{"town": "Oslo"')]
    assert settle("", cut, TOOLS).repairs == ("missing_brace",)
    assert "cut off" in settle("", cut, TOOLS, cut=True).fault
    assert settle("", [OSLO], TOOLS, cut=True).fault == ""
    text = '<tool_call>{"name": "get_forecast", "arguments": {"town": "Oslo"}'
    assert settle(text, [], TOOLS, cut=True).calls == []


@pytest.mark.parametrize(
    ("choice", "calls", "fault"),
    [
        ("none", [OSLO], "none was to be called"),
        ("none", [], ""),
        ("required", [], NO_CALL),
        ("required", [OSLO], ""),
        ({"type": "function", "function": {"name": "get_forecast"}}, [OSLO], ""),
        ({"type": "function", "function": {"name": "list_notes"}}, [OSLO], "list_notes was to be"),
        ({"type": "function", "function": {"name": "list_notes"}}, [], NO_CALL),
        (None, [], ""),
        (5, [OSLO], ""),
    ],
)
def test_the_choice_of_tools_is_kept(choice: Any, calls: list[Any], fault: str) -> None:
    settled = settle("", calls, offer_of(TOOLS, choice))
    assert fault in settled.fault
    assert bool(fault) == bool(settled.fault)


def test_a_thousand_calls_are_too_many() -> None:
    assert "1,001 calls" in settle("", [OSLO] * (MAX_CALLS + 1), TOOLS).fault


def test_where_nothing_is_said_of_arguments_any_object_is_right() -> None:
    tools = [{"name": "a"}, {"function": {"name": "b", "parameters": {"type": "nonsense"}}}, None]
    for name in ("a", "b"):
        assert settle("", [call(name, '{"x": 1}')], tools).fault == ""  # type: ignore[arg-type]
        assert settle("", [call(name, "{x")], tools).fault != ""  # type: ignore[arg-type]


@pytest.mark.parametrize("rest", ['"km": 1e999', '"km": 1, "km": 2'])
def test_a_written_call_whose_value_would_be_lost_is_a_fault(rest: str) -> None:
    arguments = f'{{"town": "Oslo", "area": {{{rest}}}}}'
    text = f'<tool_call>{{"name": "get_forecast", "arguments": {arguments}}}</tool_call>'
    settled = settle(text, [], TOOLS)
    assert (settled.text, settled.calls, bool(settled.fault)) == (text, [], True)


def test_a_choice_in_other_words_makes_no_call_faulty() -> None:
    assert offer_of(TOOLS, "any").choice == "required"
    for choice in ("validated", {"type": "function", "function": {"name": "else"}}, [7]):
        assert settle("", [OSLO], offer_of(TOOLS, choice)).fault == ""
