"""The JSON Schemas of a suite are checked, and values against them."""

from __future__ import annotations

from typing import Any

import pytest

from orch.bench.suite_check import schema_faults
from orch.execution.checks.json_schema import first_violation


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer"}, 3, True),
        ({"type": ["string", "null"]}, None, 3),
        ({"required": ["a"]}, {"a": 1}, {}),
        ({"enum": [1, "x"]}, "x", True),
        ({"const": 0}, 0, False),
        ({"minimum": 2, "maximum": 4}, 4, 5),
        ({"minItems": 1, "maxItems": 2}, [1], []),
        ({"minLength": 2, "maxLength": 3}, "ab", "a"),
        ({"pattern": "^a"}, "ab", "b"),
        ({"items": {"type": "string"}}, ["a"], [1]),
        (
            {"properties": {"a": {"type": "string"}}, "additionalProperties": False},
            {"a": "x"},
            {"b": 1},
        ),
        ({"additionalProperties": {"type": "number"}}, {"b": 1.5}, {"b": "x"}),
        ({"anyOf": [{"type": "string"}, {"minimum": 5}]}, 6, 4),
    ],
)
def test_a_value_fits_a_schema_or_not(schema: dict[str, Any], good: Any, bad: Any) -> None:
    assert list(schema_faults(schema)) == []
    assert first_violation(schema, good) == ""
    assert first_violation(schema, bad)


def test_a_schema_nested_too_deeply_is_a_fault_not_a_traceback() -> None:
    schema: dict[str, Any] = {}
    for _ in range(2000):
        schema = {"items": schema}
    assert list(schema_faults(schema)) == [((), "is nested too deeply")]


def test_faults_have_their_paths_and_an_unknown_keyword_its_likely_name() -> None:
    schema = {"items": {"typ": "string"}, "anyOf": [{"minItems": -1}]}
    faults = {path: message for path, message in schema_faults(schema)}
    assert faults.keys() == {("items", "typ"), ("anyOf", 0, "minItems")}
    assert faults["items", "typ"].startswith("unknown keyword, did you mean type?; allowed: ")
