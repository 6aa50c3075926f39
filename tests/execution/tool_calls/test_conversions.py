"""Conversions: the same value in the type that the schema names, never another one."""

from __future__ import annotations

from typing import Any

import pytest

from orch.execution.tool_calls.conversions import convert

Json = dict[str, Any]


def converted(value: Any, schema: Json) -> tuple[Any, list[str]]:
    """What becomes of one argument."""
    result, words = convert({"x": value}, {"properties": {"x": schema}})
    return result["x"], words


@pytest.mark.parametrize(
    ("value", "schema", "meant", "word"),
    [
        ("5", {"type": "integer"}, 5, "number_as_text"),
        ("-12", {"type": ["integer", "null"]}, -12, "number_as_text"),
        ("0.5", {"type": "number"}, 0.5, "number_as_text"),
        ("1e3", {"type": "number"}, 1000.0, "number_as_text"),
        ("2", {"enum": [1, 2]}, 2, "number_as_text"),
        ("true", {"type": "boolean"}, True, "boolean_as_text"),
        ("False", {"type": "boolean"}, False, "boolean_as_text"),
        ("null", {"type": ["integer", "null"]}, None, "null_as_text"),
        ('{"a": 1}', {"type": "object"}, {"a": 1}, "object_as_text"),
        ("{'a': 1,}", {"type": "object"}, {"a": 1}, "object_as_text"),
        ("[1, 2]", {"type": "array"}, [1, 2], "object_as_text"),
        ("['a', 'b',]", {"type": "array"}, ["a", "b"], "object_as_text"),
        ("7", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, 7, "number_as_text"),
        ("Kelvin", {"type": "string", "enum": ["celsius", "kelvin"]}, "kelvin", "enum_case"),
    ],
)
def test_a_text_becomes_the_value_that_it_says(
    value: str, schema: Json, meant: Any, word: str
) -> None:
    assert converted(value, schema) == (meant, [word])


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ("5", {"type": "string"}),
        ("5", {"type": ["string", "integer"]}),
        ("5", {}),
        ("5", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("5", {"anyOf": [{"type": "integer"}, {}]}),
        ("5", {"allOf": [{"type": "integer"}]}),
        ("5.0", {"type": "integer"}),
        ("05", {"type": "integer"}),
        (" 5", {"type": "integer"}),
        ("five", {"type": "integer"}),
        ("5 km", {"type": "number"}),
        ("1" * 16, {"type": "integer"}),
        ("yes", {"type": "boolean"}),
        ("1", {"type": "boolean"}),
        (5, {"type": "string"}),
        (True, {"type": "string"}),
        (1, {"type": "boolean"}),
        ({"a": 1}, {"type": "string"}),
        ("a", {"type": "array", "items": {"type": "string"}}),
        (["a"], {"type": "string"}),
        ("{'a': 'it's'}", {"type": "object"}),
        ("KELVIN", {"enum": ["kelvin", "Kelvin"]}),
        ("kelvins", {"enum": ["kelvin"]}),
        (None, {}),
        (None, {"type": ["integer", "null"]}),
        (None, {"type": "integer", "nullable": True}),
    ],
)
def test_what_may_mean_something_else_stays(value: Any, schema: Json) -> None:
    assert converted(value, schema) == (value, [])


def test_values_within_objects_and_lists_are_converted() -> None:
    item = {"type": "object", "properties": {"n": {"type": "integer"}}}
    schema = {
        "$defs": {"item": item},
        "properties": {"list": {"type": "array", "items": {"$ref": "#/$defs/item"}}},
    }
    value = {"list": [{"n": "1"}, {"n": 2}]}
    assert convert(value, schema) == ({"list": [{"n": 1}, {"n": 2}]}, ["number_as_text"])
    assert value == {"list": [{"n": "1"}, {"n": 2}]}


@pytest.mark.parametrize(
    ("value", "names", "meant"),
    [
        ({"Town": "x"}, ["town"], {"town": "x"}),
        ({"Town": "x", "town": "y"}, ["town"], {"Town": "x", "town": "y"}),
        ({"TOWN": "x"}, ["town", "Town"], {"TOWN": "x"}),
        ({"city": "x"}, ["town"], {"city": "x"}),
    ],
)
def test_a_key_has_the_case_of_the_only_name_that_it_can_mean(
    value: Json, names: list[str], meant: Json
) -> None:
    assert convert(value, {"properties": {name: {} for name in names}})[0] == meant


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"$ref": "https://192.0.2.1/a"},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"properties": 5},
        {"properties": {"x": 5}},
        {"type": {"a": 1}, "enum": "x"},
        {"anyOf": 5, "items": [1]},
    ],
)
def test_a_schema_without_sense_or_end_converts_nothing(schema: Json) -> None:
    assert convert({"x": "5"}, schema) == ({"x": "5"}, [])


def test_a_null_is_left_out_where_nothing_else_can_be_meant() -> None:
    schema = {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["b"]}
    assert convert({"a": None, "b": "x"}, schema) == ({"b": "x"}, ["null_left_out"])
    assert convert({"a": 1, "b": None, "c": None}, schema)[1] == []


def test_a_schema_is_read_once_for_all_its_values() -> None:
    class Counted(dict[str, Any]):
        reads = 0

        def get(self, key: str, default: Any = None) -> Any:
            Counted.reads += 1
            return super().get(key, default)

    def reads_of(values: int) -> int:
        Counted.reads = 0
        item = Counted(type="string", enum=["celsius", "kelvin"])
        each = Counted(type="object", properties={"unit": item, "town": Counted(type="string")})
        given = [{"Unit": "Kelvin", "town": None}] * values
        result, words = convert(
            {"x": given}, {"properties": {"x": {"type": "array", "items": each}}}
        )
        assert result == {"x": [{"unit": "kelvin"}] * values}
        assert len(words) == 3 * values
        return Counted.reads

    assert reads_of(1) == reads_of(1_000) > 0
