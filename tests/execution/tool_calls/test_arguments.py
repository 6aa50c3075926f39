"""Arguments: valid ones unchanged, others repaired where the repair is certain, else a fault."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orch.execution.tool_calls.arguments import check, repair
from orch.execution.tool_calls.tool_schemas import tool_schema
from orch.providers.message_formats import MAX_DEPTH
from tests.execution.tool_calls.tools import FORECAST, NOTE


@pytest.mark.parametrize(
    "arguments",
    ['{"town":"Oslo"}', ' {"town" : "Os\\u006co",\n"days":3}', {"town": "Oslo"}, '{"town": ""}'],
)
def test_valid_arguments_are_the_very_same(arguments: Any) -> None:
    done = repair(arguments, FORECAST)
    assert done.value is arguments
    assert (done.repairs, done.fault) == ((), "")


@pytest.mark.parametrize(
    ("arguments", "meant", "repairs"),
    [
        ("{'town': 'Oslo', 'days': '3',}", {"town": "Oslo", "days": 3}, 3),
        ('"{\\"town\\": \\"Oslo\\"}"', {"town": "Oslo"}, 1),
        (json.dumps(json.dumps('{"town": "Oslo"}')), {"town": "Oslo"}, 2),
        ({"town": "Oslo", "wind": "true"}, {"town": "Oslo", "wind": True}, 1),
        ({"Town": "Oslo", "unit": "Kelvin"}, {"town": "Oslo", "unit": "kelvin"}, 2),
        ('{"arguments": {"town": "Oslo"}}', {"town": "Oslo"}, 1),
        ('{"name": "get_forecast", "parameters": {"town": "Oslo"}}', {"town": "Oslo"}, 1),
        ('{"town": "Oslo", "area": "{\\"km\\": 2}"', {"town": "Oslo", "area": {"km": 2}}, 2),
    ],
)
def test_a_certain_repair_gives_valid_json(arguments: Any, meant: Any, repairs: int) -> None:
    done = repair(arguments, FORECAST, "get_forecast")
    assert (json.loads(done.value), len(done.repairs), done.fault) == (meant, repairs, "")


@pytest.mark.parametrize("arguments", ["", "  ", None, "null"])
def test_no_arguments_are_an_empty_object_where_the_tool_needs_none(arguments: Any) -> None:
    assert repair(arguments, {}) == ("{}", ("no_arguments",), "")
    assert "'town' is a required property" in repair(arguments, FORECAST).fault


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ('{"town": "Os', "not JSON"),
        ("[1]", "one JSON object"),
        ("5", "one JSON object"),
        ('{"town": 5}', "$.town must be of type string"),
        ('{"town": "Oslo", "color": 1}', "'color' was unexpected"),
        ('{"town": "Oslo", "unit": "rankine"}', "$.unit must fit enum"),
        ('{"days": 3}', "'town' is a required property"),
        ('{"town": "Oslo", "days": "three"}', "$.days must be of type integer"),
        ('{"town": ' + "[" * 200 + "]" * 200 + "}", f"{MAX_DEPTH} levels"),
        ('{"wrong": {"town": "Oslo"}}', "required"),
    ],
)
def test_what_has_no_certain_repair_is_a_fault_and_stays(arguments: Any, fault: str) -> None:
    done = repair(arguments, FORECAST)
    assert fault in done.fault
    assert (done.value, done.repairs) == (arguments, ())


def test_a_cut_text_is_never_completed() -> None:
    whole = json.dumps({"path": "notes.md", "text": "first\nsecond"})
    values = [repair(whole[:size], NOTE) for size in range(1, len(whole) - 1)]
    assert {done.repairs for done in values} == {()}
    assert repair(whole[:-1], NOTE).repairs == ("missing_brace",)


def test_ten_megabytes_are_checked_and_not_repaired() -> None:
    text = json.dumps({"path": "a", "text": "x" * 10_000_000})
    assert repair(text, NOTE).value is text
    assert repair(text[:-1], NOTE).fault


def test_the_check_says_what_is_wrong() -> None:
    assert check({"town": "Oslo"}, tool_schema(FORECAST)) == ""
    assert check("{", tool_schema(FORECAST)).startswith("its arguments are not JSON")


def test_half_a_surrogate_pair_stays_writable() -> None:
    done = repair('{"town": "\\ud800", "days": "3"}', FORECAST)
    assert done.value.encode()


@pytest.mark.parametrize(
    "arguments",
    [
        '{"town": "Oslo", "area": {"km": 1e999}, "days": "3"}',
        "{'town': 'Oslo', 'area': {'km': 1e999}}",
        '{"town": "Oslo", "area": "{\\"km\\": 1e999}"}',
        '{"town": "Oslo", "town": "Rome", "days": "3"}',
        '{"town": "Oslo", "area": "{\\"km\\": 1, \\"km\\": 2}"}',
    ],
)
def test_what_can_not_be_written_again_is_not_repaired(arguments: str) -> None:
    done = repair(arguments, FORECAST)
    assert done.fault
    assert done.value == arguments
