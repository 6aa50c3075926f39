"""Checks the entries of a suite against their forms (pydantic), and its JSON Schemas against the
supported keywords (jsonschema). Every problem has its path (pure)."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any

import pydantic

from orch.bench.check_forms import Check, JsonSchema, Regex, Rubric, UnitTests
from orch.bench.phrases import READ_CHARS, READ_LINE_CHARS, phrase_pattern
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
    """The data, with a single value where the form has a list as a list of one, and a number where
    it has a string as a string."""
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


# ---------------------------------------------------------------- values of a check


def check_faults(check: Check) -> Iterable[tuple[KeyPath, str]]:
    """What is wrong in the values of a check, each with its path inside the check."""
    return _FAULTS.get(type(check), lambda _: ())(check)


def _regex_faults(check: Regex) -> Iterator[tuple[KeyPath, str]]:
    if fault := regex_limits.pattern_problem(check.regex, READ_CHARS):
        yield ("regex",), fault


def _schema_faults(check: JsonSchema) -> Iterator[tuple[KeyPath, str]]:
    yield from ((("json_schema", *at), fault) for at, fault in schema_faults(check.json_schema))


def _tests_faults(check: UnitTests) -> Iterator[tuple[KeyPath, str]]:
    if check.language == "python" and not check.entry.isidentifier():
        yield ("entry",), "must name the function or class that the tests call"
    try:
        tree = ast.parse(check.code)
    except (SyntaxError, ValueError, RecursionError) as error:
        yield ("code",), f"the tests are not valid Python: {error}"
        return
    if not any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        yield ("code",), "the tests have no assert"


def _rubric_faults(check: Rubric) -> Iterator[tuple[KeyPath, str]]:
    if check == Rubric():
        yield (), "has no condition"
    phrases: list[tuple[KeyPath, str]] = [
        ((name, index), phrase)
        for name in ("starts", "ends", "sections", "must_not")
        for index, phrase in enumerate(getattr(check, name))
    ]
    phrases += [
        (("must", index), phrase) for index, group in enumerate(check.must) for phrase in group
    ]
    yield from (
        (("lines", index), fault)
        for index, line in enumerate(check.lines)
        if (fault := regex_limits.pattern_problem(line, READ_LINE_CHARS))
    )
    for at, phrase in phrases:
        if not phrase.strip("/ "):
            yield at, "is empty"
        elif (pattern := phrase_pattern(phrase)) and (
            fault := regex_limits.pattern_problem(
                pattern, READ_LINE_CHARS if pattern[0] == "^" else READ_CHARS
            )
        ):
            yield at, fault


_FAULTS: dict[type[Any], Callable[[Any], Iterable[tuple[KeyPath, str]]]] = {
    Regex: _regex_faults,
    JsonSchema: _schema_faults,
    UnitTests: _tests_faults,
    Rubric: _rubric_faults,
}
