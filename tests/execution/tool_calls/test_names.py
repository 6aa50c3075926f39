"""The offered tool that a name means."""

from __future__ import annotations

import pytest

from orch.execution.tool_calls.names import (
    MAX_NAME_CHARS,
    match_name,
    tool_function,
    with_bare_name,
)


@pytest.mark.parametrize(
    ("name", "offered", "meant"),
    [
        ("read", ["read", "Read"], "read"),
        ("Read", ["read", "write"], "read"),
        ("GetForecast", ["get_forecast"], "get_forecast"),
        ("get-forecast", ["get_forecast"], "get_forecast"),
        ("read<|channel|>commentary", ["read"], "read"),
        ("functions.read", ["read"], "read"),
        ("docs.search", ["docs__search", "web__search"], "docs__search"),
        ("search", ["mcp__docs__search", "write"], "mcp__docs__search"),
        ("search", ["docs__search", "web__search"], ""),
        ("READ", ["read", "Read"], ""),
        ("red", ["read"], ""),
        ("", ["read"], ""),
        ("read", [], ""),
        ("r" * (MAX_NAME_CHARS + 1), ["r"], ""),
    ],
)
def test_a_name_means_the_only_tool_that_it_can_mean(
    name: str, offered: list[str], meant: str
) -> None:
    assert match_name(name, offered) == meant


def test_the_function_of_a_tool_is_nested_or_flat() -> None:
    assert tool_function({"function": {"name": "a"}}) == {"name": "a"}
    assert tool_function({"name": "a"}) == {"name": "a"}
    assert tool_function(None) == {}


def test_a_marker_in_a_name_is_taken_off() -> None:
    assert with_bare_name({"function": {"name": "a<|channel|>b"}}) == {"function": {"name": "a"}}
    for call in ({"function": {"name": "a"}}, {"function": None}, {"function": {"name": None}}):
        assert with_bare_name(call) is call
