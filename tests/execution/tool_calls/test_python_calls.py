"""Calls in Python's syntax: literals by name, nothing else."""

from __future__ import annotations

import pytest

from orch.execution.tool_calls.python_calls import MAX_CHARS, parse_python_calls


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ('find(word="x", most=3, deep=None)', [("find", {"word": "x", "most": 3, "deep": None})]),
        ("print(find(a=[1, {'b': True}]))", [("find", {"a": [1, {"b": True}]})]),
        ("a.b(c=-1)\nd()", [("a.b", {"c": -1}), ("d", {})]),
    ],
)
def test_calls_of_literals_are_read(source: str, calls: list[object]) -> None:
    assert parse_python_calls(source) == calls


@pytest.mark.parametrize(
    "source",
    [
        'find("x")',
        "find(**x)",
        "find(a=b)",
        "find(a=open('x'))",
        "find(a={1: 2})",
        "find(a=(1, 2))",
        "find(a=b'x')",
        "x = find(a=1)",
        "find(a=1",
        "import os",
        "find()()",
        f"f(a={'(' * 5_000}1{')' * 5_000})",
        f"f(a='{'x' * MAX_CHARS}')",
        "",
    ],
)
def test_anything_else_is_no_call(source: str) -> None:
    assert parse_python_calls(source) == []
