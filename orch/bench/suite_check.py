"""Finds the JSON in an answer, and checks what a suite says: the keywords of its schemas, its keys
against their form (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pydantic

from orch.config import regex_limits
from orch.config.schema import pydantic_model
from orch.config.yaml_document import KeyPath, Problem, YamlDocument
from orch.text.suggestion import did_you_mean

_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_BOUNDS = ("minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength")
KEYWORDS = (
    "type",
    "required",
    "enum",
    "const",
    *_BOUNDS,
    "pattern",
    "properties",
    "items",
    "additionalProperties",
    "anyOf",
)
"""What a suite's schema may hold: a misspelt keyword of JSON Schema would check nothing, and say
nothing."""


def find_json(text: str) -> tuple[bool, Any]:
    """Whether there is an object or list, and it: the whole text, else the last fence that holds
    one, else the largest inside the text."""
    for candidate in (text, *reversed(_FENCE.findall(text))):
        found, value = _parsed(candidate)
        if found:
            return True, value
    spans = list(_inside(text))
    return (True, max(spans, key=lambda span: span[0])[1]) if spans else (False, None)


def _parsed(text: str) -> tuple[bool, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False, None
    return isinstance(value, (dict, list)), value


def _inside(text: str) -> Iterator[tuple[int, Any]]:
    """Every JSON value that begins with a bracket, with its length; those inside another are passed
    over."""
    decoder, at = json.JSONDecoder(), 0
    for _ in range(200):
        start = min(
            (place for place in (text.find("{", at), text.find("[", at)) if place >= 0), default=-1
        )
        if start < 0:
            return
        try:
            value, at = decoder.raw_decode(text, start)
            yield at - start, value
        except (ValueError, RecursionError):
            at = start + 1


# ---------------------------------------------------------------- checking a schema


def schema_faults(schema: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with a schema of a suite, each with its place inside."""
    if not isinstance(schema, dict):
        yield path, "a schema must be a mapping of keys"
        return
    for keyword, value in schema.items():
        if keyword not in KEYWORDS:
            yield (*path, keyword), f"unknown keyword; known are {', '.join(sorted(KEYWORDS))}"
        elif fault := _value_fault(keyword, value):
            yield (*path, keyword), fault
        else:
            for inner, at in _inner(keyword, value):
                yield from schema_faults(inner, (*path, keyword, *at))


def _inner(keyword: str, value: Any) -> Iterator[tuple[Any, KeyPath]]:
    if keyword == "properties":
        yield from ((each, (name,)) for name, each in value.items())
    elif keyword == "anyOf":
        yield from ((each, (index,)) for index, each in enumerate(value))
    elif keyword == "items" or (keyword == "additionalProperties" and not isinstance(value, bool)):
        yield value, ()


def _value_fault(keyword: str, value: Any) -> str:
    if keyword == "type":
        names = value if isinstance(value, list) else [value]
        wrong = [str(name) for name in names if not isinstance(name, str) or name not in _TYPES]
        return (
            f"unknown type {', '.join(wrong)}; known are {', '.join(_TYPES)}"
            if wrong or not names
            else ""
        )
    if keyword == "pattern":
        return (
            (regex_limits.pattern_problem(value) or "")
            if isinstance(value, str)
            else "must be a regular expression"
        )
    if keyword in ("enum", "required", "anyOf"):
        return "" if isinstance(value, list) and value else "must be a list with something in it"
    if keyword == "properties":
        return "" if isinstance(value, dict) else "must be a mapping of keys"
    if keyword.startswith(("min", "max")):
        return (
            ""
            if isinstance(value, (int, float)) and not isinstance(value, bool)
            else "must be a number"
        )
    return ""


# ---------------------------------------------------------------- expected values


def value_at_path(value: Any, path: str) -> tuple[bool, Any]:
    """Whether there is a value at a path such as orders[0].total, and it."""
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return False, None
    return True, value


# ---------------------------------------------------------------- data of a suite against its form


def coerce_lists(form: type[Any], data: Any) -> Any:
    """One word where a list may stand is a list of one, and a number where a word must stand is a
    word."""
    if not isinstance(data, dict):
        return data
    depth = {f.name: str(f.type).count("tuple[") for f in fields(form)}
    return {key: _nested(value, depth.get(key, 0)) for key, value in data.items()}


def _nested(value: Any, depth: int) -> Any:
    if depth == 0:
        return value
    each = value if isinstance(value, list) else [value]
    return [
        _nested(one, depth - 1)
        if depth > 1
        else json.dumps(one)
        if isinstance(one, (int, float))
        else one
        for one in each
    ]


def validate_form(
    document: YamlDocument, path: KeyPath, form: type[Any], data: Any
) -> dict[str, Any] | None:
    """The values of a form (a frozen dataclass), or None with every fault among the document's
    problems."""
    try:
        model = pydantic_model(form)  # type: ignore[arg-type]  # a class can be hashed
        return model.model_validate(data).model_dump()
    except pydantic.ValidationError as error:
        document.problems += [
            _problem(document, path, form, dict(fault)) for fault in error.errors()
        ]
        return None


def _problem(
    document: YamlDocument, path: KeyPath, form: type[Any], fault: dict[str, Any]
) -> Problem:
    """pydantic's fault in our words, as `config.schema` says them."""
    at, kind, given = (*path, *fault["loc"]), fault["type"], fault.get("input")
    if kind == "extra_forbidden":
        known = [f.name for f in fields(form)]
        return document.problem(
            at, f"unknown key{did_you_mean(str(at[-1]), known)}; allowed: {', '.join(known)}"
        )
    if kind == "missing":
        return document.problem(at, "is missing")
    if kind in ("literal_error", "enum"):
        allowed = str(fault["ctx"]["expected"]).replace("'", "")
        words = allowed.replace(" or ", ", ").split(", ")
        return document.problem(
            at, f"{given!r} is not allowed{did_you_mean(str(given), words)}; allowed: {allowed}"
        )
    if kind == "model_type":
        return document.problem(at, "must be a mapping of keys")
    said = (
        fault["msg"]
        .replace("Input should be", "must be")
        .replace("a valid tuple", "a list")
        .replace("a valid dictionary", "a mapping of keys")
    )
    return document.problem(at, f"{said[0].lower()}{said[1:]}, not {repr(given)[:60]}")
