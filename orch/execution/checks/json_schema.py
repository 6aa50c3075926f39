"""Checks an answer against its JSON Schema, by the jsonschema library: in limited time, and without
resolving anything outside the schema."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from orch.errors import OrchError

CHECK_TIMEOUT_S = 5.0
"""A check that takes longer fails the attempt: some patterns (`(a+)+$`) and references that fan out
take practically forever."""
_MAX_VIOLATIONS = 50
"""Violations that are compared for the one that is reported."""
_MAX_CHARS = 160
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_CHECK_COMMAND = (sys.executable, "-P", "-m", "orch.execution.checks.json_schema")
"""-P: a jsonschema.py in the working directory is never imported."""
_OBJECT_KEYWORDS = (
    "required",
    "additionalProperties",
    "unevaluatedProperties",
    "dependentRequired",
)
_TOO_DEEP = "it is nested too deeply to be checked"
_TOO_SLOW = (
    f"it could not be checked within {CHECK_TIMEOUT_S:g} s: a pattern or a reference of the schema"
    " takes very long"
)


def schema_from_format(response_format: dict[str, Any] | None) -> Any:
    """The JSON Schema of a response_format: OpenAI's json_schema, llama.cpp's json_object with a
    schema, or a bare schema; None without one."""
    kind = (response_format or {}).get("type")
    if not response_format or kind == "text":
        return None
    if kind == "json_schema":
        wrapper = response_format.get("json_schema")
        return wrapper.get("schema") if isinstance(wrapper, dict) else None
    return response_format.get("schema") if kind == "json_object" else response_format


class AnswerSchema:
    """A JSON Schema (draft by its `$schema`, else 2020-12). Raises OrchError (`bad_input`) if it is
    invalid or has external references.

    Imports jsonschema: 15x `python -c pass`, which a run without a schema need not pay.
    """

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        try:
            self._needs_process = _validate(schema)
        except RecursionError:
            raise _invalid("it is nested too deeply") from None
        except OrchError:
            raise
        # URLs that urllib can't parse, fragments that no draft defines: found by random schemas
        except Exception as error:
            raise _invalid(f"it can't be read ({_shorten(str(error))})") from None

    async def violation(self, text: str) -> str:
        """How an answer violates the schema, in one phrase; empty if it does not. Never raises,
        whatever the answer or the schema contains."""
        in_process = self._needs_process and sys.executable
        check = self._check_in_process if in_process else self._check_in_thread
        return await asyncio.to_thread(check, text)

    def _check_in_thread(self, text: str) -> str:
        return _violation(self._schema, text, time.monotonic() + CHECK_TIMEOUT_S)

    def _check_in_process(self, text: str) -> str:
        """`re` does not release the interpreter, and only the end of its process stops it."""
        try:
            checked = subprocess.run(
                _CHECK_COMMAND,
                input=json.dumps([self._schema, text]).encode(),
                capture_output=True,
                timeout=CHECK_TIMEOUT_S,
                check=True,
            )
        except (subprocess.SubprocessError, OSError):
            return _TOO_SLOW
        return checked.stdout.decode()


# ---------------------------------------------------------------- the schema


def _validate(schema: Any) -> bool:
    """Whether answers must be checked in another process: the schema has patterns, or changes its
    draft inside. Raises OrchError for an invalid one."""
    from jsonschema.exceptions import SchemaError
    from referencing.jsonschema import DRAFT202012, specification_with

    is_object = isinstance(schema, dict) and isinstance(schema.get("$schema", ""), str)
    if not is_object and not isinstance(schema, bool):
        raise _invalid("it must be an object, and its $schema a text")
    validator = validator_class(schema)
    try:
        validator.check_schema(schema, format_checker=None)
    except SchemaError as error:
        raise _invalid(describe_error(error)) from None
    draft = specification_with(validator.META_SCHEMA.get("$schema", ""), default=DRAFT202012)
    resource = draft.create_resource(schema)
    subschemas = _subschemas(resource, _registry().resolver_with_root(resource))
    needs_process = False
    for number, (subschema, resolver) in enumerate(subschemas):
        _check_references(subschema, resolver)
        _check_patterns(subschema)
        changes_draft = number > 0 and "$schema" in subschema
        has_patterns = "pattern" in subschema or "patternProperties" in subschema
        needs_process = needs_process or changes_draft or has_patterns
    return needs_process


def validator_class(schema: Any) -> Any:
    """The validator of a schema's draft: by its `$schema`, else 2020-12."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    return validator_for(schema, default=Draft202012Validator)


def _registry() -> Any:
    """The drafts' own schemas and nothing else: it has no function that retrieves others."""
    from jsonschema_specifications import REGISTRY

    return REGISTRY


def _subschemas(resource: Any, resolver: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """The schema and every schema inside it, each with the resolver of its references."""
    if isinstance(resource.contents, dict):
        yield resource.contents, resolver
    for inner in resource.subresources():
        yield from _subschemas(inner, resolver.in_subresource(inner))


def _check_references(subschema: dict[str, Any], resolver: Any) -> None:
    for reference in (subschema.get(name) for name in _REFERENCES):
        if isinstance(reference, str):
            _check_reference(reference, resolver)


def _check_reference(reference: str, resolver: Any) -> None:
    from referencing.exceptions import Unresolvable

    try:
        resolver.lookup(reference)
    except (Unresolvable, LookupError, ValueError, TypeError, AttributeError):
        if reference.startswith("#"):
            raise _invalid(f"its $ref {_quote(reference)} points nowhere") from None
        raise _invalid(
            f"its $ref {_quote(reference)} is outside of it: references to other files or addresses"
            " are never followed",
            "put what it names into the schema, under $defs",
        ) from None


def _check_patterns(subschema: dict[str, Any]) -> None:
    import re

    properties = subschema.get("patternProperties")
    names = properties if isinstance(properties, dict) else ()
    for pattern in (subschema.get("pattern"), *names):
        try:
            re.compile(pattern if isinstance(pattern, str) else "")
        except (re.error, OverflowError, RecursionError) as error:
            raise _invalid(
                f"its pattern {_quote(pattern)} is not a regular expression of Python: {error}"
            ) from None


def _invalid(reason: str, hint: str = "") -> OrchError:
    return OrchError(f"the JSON Schema can't be used: {reason}", hint, code="bad_input")


# ---------------------------------------------------------------- the answer


def _violation(schema: Any, text: str, deadline: float) -> str:
    try:
        return first_violation(schema, json.loads(text), deadline)
    except RecursionError:
        return _TOO_DEEP
    except ValueError:
        return "it is not JSON"


def first_violation(
    schema: Any, value: Any, deadline: float = math.inf, pattern_chars: int | None = None
) -> str:
    """How a value violates a valid schema, in one phrase; empty if it does not. Runs in this
    thread. Patterns see the first `pattern_chars` characters only."""
    try:
        return _best_violation(schema, value, deadline, pattern_chars)
    except RecursionError:
        return _TOO_DEEP
    except TimeoutError:
        return _TOO_SLOW
    except Exception as error:  # numbers that no float holds, keywords of a single draft
        return f"it could not be checked ({_shorten(str(error))})"


def _best_violation(schema: Any, value: Any, deadline: float, pattern_chars: int | None) -> str:
    from jsonschema.exceptions import best_match
    from jsonschema.validators import extend

    validator = validator_class(schema)
    keywords = validator.VALIDATORS
    checks = {name: _timed(keywords[name], deadline) for name in _REFERENCES if name in keywords}
    if pattern_chars is not None:
        checks["pattern"] = _truncating(keywords["pattern"], pattern_chars)
    violations = extend(validator, checks)(schema, registry=_registry()).iter_errors(value)
    error = best_match(islice(violations, _MAX_VIOLATIONS))
    return describe_error(error) if error is not None else ""


def _timed(check: Callable[..., Any], deadline: float) -> Callable[..., Any]:
    """A keyword with a deadline: references alone can make a small schema fan out without end."""

    def timed(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        if time.monotonic() > deadline:
            raise TimeoutError
        yield from check(validator, value, instance, schema) or ()

    return timed


def _truncating(check: Callable[..., Any], limit: int) -> Callable[..., Any]:
    def truncating(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        text = instance[:limit] if isinstance(instance, str) else instance
        yield from check(validator, value, text, schema) or ()

    return truncating


def describe_error(error: Any) -> str:
    """The path and what was expected there. jsonschema's own message quotes the whole value, which
    may be megabytes."""
    path, keyword, expected = _shorten(error.json_path), error.validator, error.validator_value
    if keyword is None:
        return f"{path} must not be there"
    if keyword == "type":
        types = " or ".join(expected) if isinstance(expected, list) else expected
        return f"{path} must be of type {types}"
    if keyword in _OBJECT_KEYWORDS and isinstance(error.instance, dict):
        return f"{path}: {_shorten(error.message)}"
    return f"{path} must fit {keyword}: {_quote(expected)}"


def _quote(value: Any) -> str:
    return _shorten(json.dumps(value, ensure_ascii=False, default=str))


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else f"{text[:_MAX_CHARS]}…"


if __name__ == "__main__":
    schema, text = json.load(sys.stdin)
    violation = _violation(schema, text, time.monotonic() + CHECK_TIMEOUT_S)
    sys.stdout.buffer.write(violation.encode("utf-8", "replace"))
