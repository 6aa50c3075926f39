"""Checks the entries of a suite against their forms (pydantic), and its JSON Schemas against the
supported keywords (jsonschema). Every problem has its path (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pydantic

from orch.config import regex_limits
from orch.config.schema import pydantic_model
from orch.config.yaml_document import KeyPath, Problem, YamlDocument
from orch.text.suggestion import did_you_mean

_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_COUNT = {"type": "integer", "minimum": 0}
_SCHEMA, _NUMBER, _FILLED_LIST = {"$ref": "#"}, {"type": "number"}, {"type": "array", "minItems": 1}
SUPPORTED_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "type": {
            "if": {"type": "array"},
            "then": {"minItems": 1, "items": {"enum": list(_TYPES)}},
            "else": {"enum": list(_TYPES)},
        },
        "required": {**_FILLED_LIST, "items": {"type": "string"}},
        "enum": _FILLED_LIST,
        "const": True,
        "minimum": _NUMBER,
        "maximum": _NUMBER,
        "minItems": _COUNT,
        "maxItems": _COUNT,
        "minLength": _COUNT,
        "maxLength": _COUNT,
        "pattern": {"type": "string", "format": "bounded-regex"},
        "properties": {"type": "object", "additionalProperties": _SCHEMA},
        "items": _SCHEMA,
        "additionalProperties": {"if": {"type": "boolean"}, "else": _SCHEMA},
        "anyOf": {**_FILLED_LIST, "items": _SCHEMA},
    },
    "additionalProperties": False,
}
"""The schema of a suite's schemas. It is closed: JSON Schema ignores unknown keywords, so that a
misspelt one would check nothing."""


# ---------------------------------------------------------------- schemas


def schema_faults(schema: Any) -> Iterator[tuple[KeyPath, str]]:
    """The problems of a suite's schema, each with its path inside the schema."""
    # 15x `python -c pass`, which only a suite with schemas pays
    from jsonschema import Draft202012Validator, FormatChecker

    checker = FormatChecker(formats=())
    checker.checks("bounded-regex", raises=ValueError)(_check_pattern)
    validator = Draft202012Validator(SUPPORTED_SCHEMA, format_checker=checker)
    try:
        errors = list(validator.iter_errors(schema))
    except RecursionError:
        yield (), "is nested too deeply"
        return
    for error in errors:
        path = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            yield from (((*path, key), _unknown_keyword(key)) for key in _unknown(error.instance))
        else:
            yield path, _schema_message(error)


def _check_pattern(value: Any) -> bool:
    """Raises ValueError for a pattern that is invalid or could take too long."""
    if isinstance(value, str) and (problem := regex_limits.pattern_problem(value)):
        raise ValueError(problem)
    return True


def _unknown(schema: dict[Any, Any]) -> list[Any]:
    return [key for key in schema if key not in SUPPORTED_SCHEMA["properties"]]


def _unknown_keyword(key: Any) -> str:
    keywords = sorted(SUPPORTED_SCHEMA["properties"])
    return f"unknown keyword{did_you_mean(str(key), keywords)}; allowed: {', '.join(keywords)}"


def _schema_message(error: Any) -> str:
    if error.validator == "enum":
        return f"unknown type {error.instance}; allowed: {', '.join(_TYPES)}"
    if error.validator == "format":
        return str(error.cause)
    if error.validator == "minItems":
        return "must not be empty"
    if error.validator == "type":
        names = {"object": "a mapping of keys", "array": "a list", "string": "a string"}
        return f"must be {names.get(error.validator_value, f'of type {error.validator_value}')}"
    return str(error.message)


# ---------------------------------------------------------------- entries


def coerce_lists(form: type[Any], data: Any) -> Any:
    """Data with single values where the form has a list made lists of one, and numbers where it has
    a string made strings."""
    if not isinstance(data, dict):
        return data
    depth = {f.name: str(f.type).count("tuple[") for f in fields(form)}
    return {key: _as_list(value, depth.get(key, 0)) for key, value in data.items()}


def _as_list(value: Any, depth: int) -> Any:
    if depth == 0:
        return value
    items = value if isinstance(value, list) else [value]
    return [
        _as_list(item, depth - 1)
        if depth > 1
        else json.dumps(item)
        if isinstance(item, (int, float))
        else item
        for item in items
    ]


def validate_form(
    document: YamlDocument, path: KeyPath, form: type[Any], data: Any
) -> dict[str, Any] | None:
    """The values of a form (a frozen dataclass), or None, with the faults added to the document's
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
    """A pydantic fault in the wording of `config.schema`."""
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
    message = (
        fault["msg"]
        .replace("Input should be", "must be")
        .replace("a valid tuple", "a list")
        .replace("a valid dictionary", "a mapping of keys")
    )
    return document.problem(at, f"{message[0].lower()}{message[1:]}, not {repr(given)[:60]}")
