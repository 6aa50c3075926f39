"""Schemas of tools: checked in bounded time; what a client's schema says wrongly checks nothing."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from orch.execution.tool_calls import tool_schemas
from orch.execution.tool_calls.tool_schemas import (
    MAX_KEPT,
    MAX_KEPT_CHARS,
    MAX_SCHEMA_CHARS,
    MAX_UNIQUE_ITEMS,
    PATTERN_CHARS,
    tool_schema,
)
from tests.execution.tool_calls.tools import FORECAST

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}}


def test_a_schema_is_compiled_once() -> None:
    assert tool_schema(FORECAST) is tool_schema({**FORECAST})


def test_the_schemas_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tool_schemas._Kept()
    monkeypatch.setattr(tool_schemas, "_KEPT", kept)
    longest = {"description": "x" * (MAX_SCHEMA_CHARS - 100)}
    for number in range(2 * MAX_KEPT_CHARS // MAX_SCHEMA_CHARS):
        last = tool_schema({**longest, "title": str(number)})
        assert tool_schema({**longest, "title": str(number)}) is last
    assert 0 < sum(map(len, kept._schemas)) == kept._chars <= MAX_KEPT_CHARS
    for number in range(MAX_KEPT + 1):
        last = tool_schema({"title": str(number)})
    assert len(kept._schemas) == MAX_KEPT
    assert tool_schema({"title": str(MAX_KEPT)}) is last
    tool_schema({"description": "x" * MAX_SCHEMA_CHARS})
    assert sum(map(len, kept._schemas)) == kept._chars < MAX_SCHEMA_CHARS


def test_what_breaks_the_schema_is_found() -> None:
    schema = tool_schema(FORECAST)
    assert schema.error({"town": "Oslo"}) is None
    error = schema.error({"town": 5})
    assert error is not None
    assert error.validator == "type"


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "nonsense"},
        {**NUMBER, "properties": {"n": {"type": "integer"}, "m": {"$ref": "https://192.0.2.1/s"}}},
        {"$ref": "file:///etc/passwd", **NUMBER},
        {"patternProperties": {"(a+)+$": False}, **NUMBER},
        {"description": "x" * MAX_SCHEMA_CHARS, **NUMBER},
        {"required": 5, **NUMBER},
        None,
        [],
        "text",
        {1: {1, 2}},
    ],
)
def test_a_schema_that_is_none_checks_nothing(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("something was fetched"))
    assert tool_schema(broken).error({"n": "x"}) is None


def test_references_within_the_schema_are_followed() -> None:
    schema = tool_schema({"$defs": {"n": NUMBER}, "$ref": "#/$defs/n"})
    assert schema.error({"n": "x"}) is not None


def test_a_schema_that_fans_out_or_never_ends_finds_nothing() -> None:
    levels: dict[str, Any] = {
        f"l{n}": {"allOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 8} for n in range(12)
    }
    wide = {"$defs": {**levels, "l12": {"type": "object"}}, "$ref": "#/$defs/l0"}
    assert tool_schema(wide).error({}) is None
    assert tool_schema({"$ref": "#"}).error({}) is None


def test_a_slow_or_foreign_pattern_is_not_checked_and_all_else_is() -> None:
    for pattern in ("(a+)+$", r"\p{L}+", "(" * 50):
        schema = tool_schema({"properties": {"s": {"type": "string", "pattern": pattern}}})
        assert schema.error({"s": "a" * 50 + "!"}) is None
        assert schema.error({"s": 5}) is not None


def test_a_usual_pattern_is_checked_on_short_texts() -> None:
    schema = tool_schema({"properties": {"s": {"pattern": "^[a-z]+$"}}})
    assert schema.error({"s": "ABC"}) is not None
    assert schema.error({"s": "A" * (PATTERN_CHARS + 1)}) is None


def test_a_long_list_is_not_compared_item_by_item() -> None:
    schema = tool_schema({"properties": {"l": {"uniqueItems": True}}})
    assert schema.error({"l": [{}, {}]}) is not None
    assert schema.error({"l": [{}] * (MAX_UNIQUE_ITEMS + 1)}) is None


def test_a_property_named_pattern_is_a_property() -> None:
    schema = tool_schema({"properties": {"pattern": {"type": "string"}}})
    assert schema.error({"pattern": 5}) is not None


def test_null_is_admitted_where_openapi_says_so() -> None:
    schema = tool_schema({"properties": {"s": {"type": "string", "nullable": True, "enum": ["a"]}}})
    assert schema.error({"s": None}) is None
    assert schema.error({"s": 5}) is not None
