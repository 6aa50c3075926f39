"""The arguments of one call: whether they are what the tool takes, and their certain repair
(pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from orch.execution.checks.json_schema import describe_error
from orch.execution.tool_calls.conversions import convert
from orch.execution.tool_calls.relaxed_json import (
    LostValueError,
    parse_strictly,
    parse_whole,
    rewrite,
)
from orch.execution.tool_calls.tool_schemas import ToolSchema, tool_schema
from orch.providers.message_formats import MAX_DEPTH, is_too_deep

NOT_OBJECT = "its arguments must be one JSON object"
TOO_DEEP = f"its arguments are nested more than {MAX_DEPTH} levels deep"
_WRAPPERS = ("arguments", "parameters", "args", "input")
"""Keys under which models put all arguments once more."""
_UNREADABLE: tuple[None, tuple[str, ...]] = (None, ())
_MAX_ENCODINGS = 3
"""How often JSON is taken out of a text that holds it."""


class Arguments(NamedTuple):
    """Arguments for the client: as they came where `repairs` is empty. `fault` is why they can't be
    used, as a phrase; empty if they can."""

    value: Any
    repairs: tuple[str, ...] = ()
    fault: str = ""


def check(arguments: Any, schema: ToolSchema) -> str:
    """What is wrong with the arguments, an object or its JSON, as a phrase; empty if nothing is."""
    if isinstance(arguments, str):
        try:
            arguments = parse_strictly(arguments)
        except ValueError as failure:
            return f"its arguments are not JSON ({failure})"
    if not isinstance(arguments, dict):
        return NOT_OBJECT
    if is_too_deep(arguments):
        return TOO_DEEP
    error = schema.error(arguments)
    return "" if error is None else describe_error(error)


def repair(arguments: Any, schema: Mapping[str, Any] | ToolSchema, name: str = "") -> Arguments:
    """The arguments as the tool takes them: valid ones unchanged, byte for byte; others as text, if
    they can be read in one way that meets the schema.

    `name` is the tool's, which some models repeat around the arguments.
    """
    known = schema if isinstance(schema, ToolSchema) else tool_schema(schema)
    fault = check(arguments, known)
    if not fault:
        return Arguments(arguments)
    value, repairs = _read(arguments)
    if not isinstance(value, dict):
        return Arguments(arguments, fault=fault)
    if is_too_deep(value):
        return Arguments(arguments, fault=TOO_DEEP)
    for candidate, words in _candidates(value, known, name):
        if not check(candidate, known):
            return Arguments(as_json(candidate), (*repairs, *words))
    return Arguments(arguments, fault=check(value, known) or fault)


def _read(arguments: Any, depth: int = 1) -> tuple[Any, tuple[str, ...]]:
    """The value of arguments in any form, and the repairs that reading it took."""
    if arguments is None:
        return {}, ("no_arguments",)
    if not isinstance(arguments, str):
        return arguments, ()
    if not arguments.strip():
        return {}, ("no_arguments",)
    try:
        value = parse_whole(arguments)
    except LostValueError:
        return _UNREADABLE
    except ValueError:
        rewritten = rewrite(arguments, talks=True)
        return (parse_strictly(rewritten.text), rewritten.repairs) if rewritten else _UNREADABLE
    if value is None:
        return {}, ("no_arguments",)
    if not isinstance(value, str):
        return value, ()
    is_more = depth < _MAX_ENCODINGS and value.lstrip()[:1] in ("{", "`", '"')
    inner, words = _read(value, depth + 1) if is_more else (None, ())
    return inner, ("object_as_text", *words)


def _candidates(
    value: dict[str, Any], schema: ToolSchema, name: str
) -> list[tuple[dict[str, Any], tuple[str, ...]]]:
    """The readings of an object, the nearest first."""
    converted, words = convert(value, schema.schema)
    readings: list[tuple[dict[str, Any], tuple[str, ...]]] = [
        (value, ()),
        (converted, tuple(words)),
    ]
    inner = _unwrapped(value, schema.schema, name)
    if inner is not None:
        converted, words = convert(inner, schema.schema)
        readings.append((converted, ("wrapped_arguments", *words)))
    return readings


def _unwrapped(value: dict[str, Any], schema: Mapping[str, Any], name: str) -> Any:
    """The arguments within an object that is nothing but a wrapper of them: under one key that the
    tool does not have, beside the tool's own name at most."""
    rest = {key: inner for key, inner in value.items() if not (key == "name" and inner == name)}
    declared = schema.get("properties")
    if len(rest) != 1 or not isinstance(declared, Mapping):
        return None
    ((key, inner),) = rest.items()
    if key not in _WRAPPERS or key in declared:
        return None
    if isinstance(inner, str):
        inner = _read(inner)[0]
    return inner if isinstance(inner, dict) else None


def as_json(value: Any) -> str:
    """A value as JSON text that UTF-8 can hold."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which no UTF-8 has
        return json.dumps(value)
    return text
