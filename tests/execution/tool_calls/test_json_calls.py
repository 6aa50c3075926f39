"""Calls written as JSON."""

from __future__ import annotations

import pytest

from orch.execution.tool_calls.json_calls import (
    WrittenCall,
    has_words_behind,
    json_calls,
    marked_json,
    sequence,
)
from tests.execution.tool_calls.tools import OSLO, ROME

CALL = WrittenCall("get_forecast", {"town": "Oslo"})


@pytest.mark.parametrize(
    "text",
    [
        OSLO,
        f"[{OSLO}]",
        OSLO.replace("name", "tool").replace("arguments", "args"),
        OSLO.replace("}}", "}"),
        f'{{"id": "1", "type": "function", "function": {OSLO}}}',
        "{'name': 'get_forecast', 'parameters': {'town': 'Oslo',}}",
    ],
)
def test_an_object_that_says_nothing_but_a_call_is_one(text: str) -> None:
    assert json_calls(text) == [CALL]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "5",
        '{"name": "get_forecast"}',
        '{"name": 5, "arguments": {}}',
        '{"name": "a", "arguments": {}, "why": "b"}',
        '{"note": 1, "function": {"name": "a", "arguments": {}}}',
        f"[{OSLO}, 5]",
        "{",
    ],
)
def test_any_other_json_is_none(text: str) -> None:
    assert json_calls(text) is None


def test_behind_a_marker_a_name_is_enough() -> None:
    assert marked_json('{"name": "a"}') == [WrittenCall("a", {})]
    assert marked_json('{"name": "a", "arguments": {"b": "c') == [
        WrittenCall("a", '{"name": "a", "arguments": {"b": "c')
    ]
    assert marked_json("nothing") is None


def test_values_stand_one_after_the_other() -> None:
    assert [call.arguments["town"] for call in sequence(f"{OSLO};{ROME}") or ()] == ["Oslo", "Rome"]
    assert sequence(f"{OSLO} and {ROME}") is None


def test_words_behind_json_are_told() -> None:
    assert has_words_behind("{} and more")
    assert not has_words_behind("{} \n")
    assert not has_words_behind('{"a": ')
