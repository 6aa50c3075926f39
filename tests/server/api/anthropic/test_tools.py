"""Tools of an Anthropic request as functions."""

from __future__ import annotations

from typing import Any

import pytest

from orch.errors import OrchError
from orch.server.api.anthropic.tools import parse_tools

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ADD: dict[str, Any] = {"name": "add", "description": "Adds", "input_schema": SCHEMA}


def test_a_tool_is_a_function() -> None:
    tools = parse_tools([{**ADD, "type": "custom", "cache_control": {"type": "ephemeral"}}], None)
    function = {"name": "add", "description": "Adds", "parameters": SCHEMA}
    assert tools.functions.functions == [{"type": "function", "function": function}]
    assert (tools.choice.value, tools.allows_several, tools.warnings) == (None, True, ())


@pytest.mark.parametrize(
    "kind", ["web_search_20250305", "bash_20250124", "text_editor_20250728", "mcp_toolset"]
)
def test_a_tool_of_anthropic_is_ignored_with_a_warning(kind: str) -> None:
    tools = parse_tools([ADD, {"type": kind, "name": "it"}], None)
    assert len(tools.functions.functions) == 1
    assert f"the tool {kind} it was ignored" in tools.warnings[0]


@pytest.mark.parametrize(
    ("choice", "value"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "add"}, {"type": "function", "function": {"name": "add"}}),
    ],
)
def test_a_choice_is_that_of_chat_completions(choice: Any, value: Any) -> None:
    assert parse_tools([ADD], choice).choice.value == value


def test_a_choice_of_an_ignored_tool_is_ignored_with_a_warning() -> None:
    tools = parse_tools([ADD], {"type": "tool", "name": "web_search"})
    assert (tools.choice.value, len(tools.warnings)) == (None, 1)


def test_several_calls_at_once_can_be_forbidden() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    assert not parse_tools([ADD], choice).allows_several


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        (None, "input_schema"),
        ([], "input_schema"),
        ({"type": "string"}, "input_schema.type"),
        ({"type": "object", "properties": []}, "input_schema.properties"),
        ({"type": "object", "properties": {"a": 1}}, "input_schema.properties.a"),
        ({"type": "object", "required": "a"}, "input_schema.required"),
        ({"type": "object", "required": [1]}, "input_schema.required"),
    ],
)
def test_a_schema_that_is_none_is_refused_by_name(schema: Any, place: str) -> None:
    with pytest.raises(OrchError, match=rf"^tools\.1\.{place}:"):
        parse_tools([ADD, {**ADD, "input_schema": schema}], None)


def test_a_tool_needs_a_name() -> None:
    with pytest.raises(OrchError, match=r"^tools\.0\.name:"):
        parse_tools([{**ADD, "name": ""}], None)
