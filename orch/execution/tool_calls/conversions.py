"""Converts arguments of another type than their schema names, where the text says the same value in
both: `"5"` to 5, `"true"` to true, an object given as text (pure).

A text is converted only where the schema admits no text in its place. Numbers never become texts:
a text may be written in several ways (5, 5.0, 5e0), so that a choice of one would be invented.
Neither is a value wrapped in a list. A null is left out where its key is optional and its schema
admits none: both say that there is no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
        self.words: list[str] = []

    def convert(self, value: Any, schema: Any, depth: int) -> Any:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            return value
        branches = self._branches(schema)
        value = self._scalar(value, branches)
        if isinstance(value, dict):
            return self._object(value, branches, depth)
        if isinstance(value, list):
            items = [each["items"] for each in branches if isinstance(each.get("items"), Mapping)]
            if len(items) == 1:
                return [self.convert(each, items[0], depth + 1) for each in value]
        return value

    def _object(self, value: dict[str, Any], branches: Sequence[Schema], depth: int) -> Any:
        """The object with its values converted. What an object means depends on its branch: with
        several that have properties, nothing is."""
        having = [
            each["properties"] for each in branches if isinstance(each.get("properties"), Mapping)
        ]
        if len(having) != 1:
            return value
        properties, converted = having[0], {}
        near, like = _by_case(properties), _by_case(value)
        for key, inner in value.items():
            name = key if key in properties else self._key(key, near, like)
            if inner is None and self._may_lack(name, properties, branches):
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

    def _may_lack(
        self, name: str, properties: Mapping[str, Any], branches: Sequence[Schema]
    ) -> bool:
        """Whether a property may be left out, and may not be null."""
        required = [each.get("required") for each in branches]
        if name not in properties or any(isinstance(r, list) and name in r for r in required):
            return False
        inner = self._branches(properties[name])
        return bool(inner) and "null" not in set().union(*map(_types_of, inner))

    # ------------------------------------------------------------ one value

    def _scalar(self, value: Any, branches: Sequence[Schema]) -> Any:
        if not isinstance(value, str) or not branches:
            return value
        types = set().union(*(map(_types_of, branches)))
        if "string" in types:
            return self._enumerated(value, branches)
        for type_, (word, parse) in _PARSERS.items():
            if type_ in types and (parsed := parse(value, types)) is not None:
                self.words.append(word)
                return parsed[0]
        return value

    def _enumerated(self, value: str, branches: Sequence[Schema]) -> str:
        """The one value of an enum that differs by its case alone."""
        enums = [each["enum"] for each in branches if isinstance(each.get("enum"), list)]
        if len(enums) != 1 or len(branches) != 1 or value in enums[0]:
            return value
        folded = value.casefold()
        near = [each for each in enums[0] if isinstance(each, str) and each.casefold() == folded]
        if len(near) != 1:
            return value
        self.words.append("enum_case")
        return str(near[0])

    # ------------------------------------------------------------ the schema

    def _branches(self, schema: Any) -> list[Schema]:
        """The schemas of which a value may meet any: those of anyOf and oneOf, with references
        resolved. Empty where one of them allows everything."""
        found: list[Schema] = []
        waiting, steps = [schema], 0
        while waiting:
            each, steps = self._resolved(waiting.pop()), steps + 1
            if not isinstance(each, Mapping) or not each or steps > MAX_BRANCHES:
                return []
            alternatives = each.get("anyOf") or each.get("oneOf")
            if isinstance(alternatives, list) and alternatives and "type" not in each:
                waiting += alternatives
            else:
                found.append(each)
        return found

    def _resolved(self, schema: Any) -> Any:
        """The schema that a reference within the same document names."""
        for _ in range(MAX_REFERENCES):
            reference = schema.get("$ref") if isinstance(schema, Mapping) else None
            if not isinstance(reference, str):
                return schema
            if not reference.startswith("#/"):
                return self._root if reference == "#" else None
            schema = self._root
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
