"""Converts arguments of another type than their schema names, where the text says the same value in
both: `"5"` to 5, `"true"` to true, an object given as text (pure).

A text is converted only where the schema admits no text in its place. Numbers never become texts:
a text may be written in several ways (5, 5.0, 5e0), so that a choice of one would be invented.
Neither is a value wrapped in a list. A null is left out where its key is optional and its schema
admits none: both say that there is no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from orch.execution.tool_calls.relaxed_json import (
    MAX_DEPTH,
    LostValueError,
    parse_strictly,
    parse_whole,
    rewrite,
)

MAX_REFERENCES = 20
"""References that are followed one after the other."""
MAX_BRANCHES = 50
MAX_VALUES = 20_000
"""Values of one call that are looked at."""
MAX_DIGITS = 15
"""Of a number given as text: what every JSON parser reads exactly."""
_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,2})?")
_BOOLEANS = {"true": True, "false": False, "True": True, "False": False}
_TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}
Schema = Mapping[str, Any]


def convert(value: Any, schema: Schema) -> tuple[Any, list[str]]:
    """The value in the types and the spelling of its schema, and a word for each conversion. The
    value itself is not changed."""
    converter = _Converter(schema)
    return converter.convert(value, schema, 0), converter.words


class _Converter:
    def __init__(self, root: Schema) -> None:
        self._root, self._left = root, MAX_VALUES
        self._read: dict[int, _Reading] = {}
        """By the schema's identity: all of them are parts of the root, which outlives this."""
        self.words: list[str] = []

    def convert(self, value: Any, schema: Any, depth: int) -> Any:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            return value
        reading = self._reading(schema)
        value = self._scalar(value, reading)
        if isinstance(value, dict):
            return self._object(value, reading, depth)
        if isinstance(value, list) and reading.items is not None:
            return [self.convert(each, reading.items, depth + 1) for each in value]
        return value

    def _reading(self, schema: Any) -> _Reading:
        known = self._read.get(id(schema))
        if known is None:
            known = self._read[id(schema)] = _Reading(_branches(schema, self._root))
        return known

    def _object(self, value: dict[str, Any], reading: _Reading, depth: int) -> Any:
        """The object with its values converted. What an object means depends on its branch: with
        several that have properties, nothing is."""
        properties = reading.properties
        if properties is None:
            return value
        converted, like = {}, _by_case(value)
        for key, inner in value.items():
            name = key if key in properties else self._key(key, reading.names, like)
            if inner is None and self._may_lack(name, properties, reading):
                self.words.append("null_left_out")
                continue
            converted[name] = self.convert(inner, properties.get(name), depth + 1)
        return converted

    def _key(self, key: str, near: Mapping[str, list[str]], like: Mapping[str, list[str]]) -> str:
        """The declared name that a key differs from by its case alone: no other is near, and
        nothing else of the call has it."""
        folded = key.casefold()
        if len(near.get(folded, ())) != 1 or len(like[folded]) != 1:
            return key
        self.words.append("key_case")
        return near[folded][0]

    def _may_lack(self, name: str, properties: Mapping[str, Any], reading: _Reading) -> bool:
        """Whether a property may be left out, and may not be null."""
        if name not in properties or name in reading.required:
            return False
        inner = self._reading(properties[name])
        return bool(inner.branches) and "null" not in inner.types

    def _scalar(self, value: Any, reading: _Reading) -> Any:
        if not isinstance(value, str) or not reading.branches:
            return value
        if "string" in reading.types:
            return self._enumerated(value, reading.enum)
        for type_, (word, parse) in _PARSERS.items():
            if type_ in reading.types and (parsed := parse(value, reading.types)) is not None:
                self.words.append(word)
                return parsed[0]
        return value

    def _enumerated(self, value: str, enum: Mapping[str, list[str]]) -> str:
        """The one value of an enum that differs by its case alone."""
        near = enum.get(value.casefold(), ())
        if len(near) != 1 or near[0] == value:
            return value
        self.words.append("enum_case")
        return near[0]


# ---------------------------------------------------------------- the schema


class _Reading:
    """What a schema says of its values, found out once for all of them. `branches` is empty where
    it allows everything."""

    def __init__(self, branches: list[Schema]) -> None:
        self.branches = branches

    @cached_property
    def types(self) -> set[str]:
        return set().union(*map(_types_of, self.branches))

    @cached_property
    def enum(self) -> dict[str, list[str]]:
        """The texts of an enum by what is left of them without their case."""
        values = self.branches[0].get("enum") if len(self.branches) == 1 else None
        return _by_case(v for v in values if isinstance(v, str)) if isinstance(values, list) else {}

    @cached_property
    def items(self) -> Mapping[str, Any] | None:
        return self._only("items")

    @cached_property
    def properties(self) -> Mapping[str, Any] | None:
        return self._only("properties")

    @cached_property
    def names(self) -> dict[str, list[str]]:
        return _by_case(self.properties or ())

    @cached_property
    def required(self) -> set[str]:
        named = (each.get("required") for each in self.branches)
        lists = (names for names in named if isinstance(names, list))
        return {name for names in lists for name in names if isinstance(name, str)}

    def _only(self, keyword: str) -> Mapping[str, Any] | None:
        """The schema under a keyword, where one branch alone has it."""
        found = [each[keyword] for each in self.branches if isinstance(each.get(keyword), Mapping)]
        return found[0] if len(found) == 1 else None


def _branches(schema: Any, root: Schema) -> list[Schema]:
    """The schemas of which a value may meet any: those of anyOf and oneOf, with references
    resolved. Empty where one of them allows everything."""
    found: list[Schema] = []
    waiting, steps = [schema], 0
    while waiting:
        each, steps = _resolved(waiting.pop(), root), steps + 1
        if not isinstance(each, Mapping) or not each or steps > MAX_BRANCHES:
            return []
        alternatives = each.get("anyOf") or each.get("oneOf")
        if isinstance(alternatives, list) and alternatives and "type" not in each:
            waiting += alternatives
        else:
            found.append(each)
    return found


def _resolved(schema: Any, root: Schema) -> Any:
    """The schema that a reference within the same document names."""
    for _ in range(MAX_REFERENCES):
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(reference, str):
            return schema
        if not reference.startswith("#/"):
            return root if reference == "#" else None
        schema = root
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            schema = schema.get(name) if isinstance(schema, Mapping) else None
    return None


def _by_case(names: Iterable[Any]) -> dict[str, list[str]]:
    """The names by what is left of them without their case."""
    grouped: dict[str, list[str]] = {}
    for name in names:
        grouped.setdefault(str(name).casefold(), []).append(str(name))
    return grouped


def _types_of(schema: Schema) -> set[str]:
    """The types that a schema admits; all that it does not exclude."""
    named = schema.get("type")
    if isinstance(named, str):
        types = {named}
    elif isinstance(named, list):
        types = {each for each in named if isinstance(each, str)}
    else:
        values = schema.get("enum")
        values = (
            values if isinstance(values, list) else [schema[k] for k in ("const",) if k in schema]
        )
        types = {_TYPES.get(type(each), "string") for each in values} or set(_TYPES.values())
    return types | ({"null"} if schema.get("nullable") is True else set())


def _integer(text: str, types: set[str]) -> tuple[Any] | None:
    return (int(text),) if _INTEGER.fullmatch(text) and len(text) <= MAX_DIGITS else None


def _number(text: str, types: set[str]) -> tuple[Any] | None:
    if whole := _integer(text, types):
        return whole
    return (float(text),) if _NUMBER.fullmatch(text) and len(text) <= MAX_DIGITS else None


def _boolean(text: str, types: set[str]) -> tuple[Any] | None:
    return (_BOOLEANS[text],) if text in _BOOLEANS else None


def _null(text: str, types: set[str]) -> tuple[Any] | None:
    return (None,) if text in ("null", "None") else None


def _structure(text: str, types: set[str]) -> tuple[Any] | None:
    """An object or a list that was given as text."""
    begins = text.lstrip()[:1]
    if not ((begins == "{" and "object" in types) or (begins == "[" and "array" in types)):
        return None
    try:
        return (parse_whole(text),)
    except LostValueError:
        return None
    except ValueError:
        rewritten = rewrite(text, top="{[")
    return (parse_strictly(rewritten.text),) if rewritten else None


_PARSERS: dict[str, tuple[str, Callable[[str, set[str]], tuple[Any] | None]]] = {
    "integer": ("number_as_text", _integer),
    "number": ("number_as_text", _number),
    "boolean": ("boolean_as_text", _boolean),
    "null": ("null_as_text", _null),
    "object": ("object_as_text", _structure),
    "array": ("object_as_text", _structure),
}
"""How a text is read where a schema wants one of these types. No text is read by two of them."""
