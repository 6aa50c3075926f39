"""Whether an answer follows its JSON Schema: checked by jsonschema, in a bounded time, and without
looking up anything elsewhere."""

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
"""A check that takes longer ends the attempt: a pattern may need ages (`(a+)+$`), and references
that fan out may, too."""
_MOST_FAULTS = 50
"""Faults that are looked at for the one that is told."""
_MOST_CHARS = 160
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_PYTHON = (
    sys.executable,
    "-P",
    "-m",
    "orch.execution.json_schema",
)  # -P: a jsonschema.py in the working directory is never imported


def schema_from_format(response_format: dict[str, Any] | None) -> Any:
    """The JSON Schema of a response_format: OpenAI's json_schema, llama.cpp's json_object with a
    schema, or a bare schema; None without one."""
    kind = (response_format or {}).get("type")
    if not response_format or kind == "text":
        return None
    if kind == "json_schema":
        held = response_format.get("json_schema")
        return held.get("schema") if isinstance(held, dict) else None
    return response_format.get("schema") if kind == "json_object" else response_format


class AnswerSchema:
    """A JSON Schema (draft by its `$schema`, else 2020-12). Raises OrchError (`bad_input`) for one
    that is invalid or refers to another place.

    jsonschema is imported here: 15x `python -c pass`, which a run without a schema need not pay.
    """

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        try:
            self._apart = _examined(schema)
        except RecursionError:
            raise _invalid("it is nested too deeply") from None
        except OrchError:
            raise
        # addresses that urllib does not read, fragments that no draft foresees: found by random
        # schemas
        except Exception as error:
            raise _invalid(f"it can't be read ({_cut(str(error))})") from None

    async def violation(self, text: str) -> str:
        """What of an answer breaks it, short; empty where nothing does. Never raises for what an
        answer or a schema may hold."""
        return await asyncio.to_thread(
            self._in_own_process if self._apart and sys.executable else self._here, text
        )

    def _here(self, text: str) -> str:
        return _fault(self._schema, text, time.monotonic() + CHECK_TIMEOUT_S)

    def _in_own_process(self, text: str) -> str:
        """`re` holds the interpreter as long as it likes, and only the end of a process stops
        it."""
        try:
            asked = json.dumps([self._schema, text]).encode()
            done = subprocess.run(
                _PYTHON, input=asked, capture_output=True, timeout=CHECK_TIMEOUT_S, check=True
            )
        except (subprocess.SubprocessError, OSError):
            return _TOO_LONG
        return done.stdout.decode()


_TOO_DEEP = "it is nested too deeply to be checked"
_TOO_LONG = (
    f"it could not be checked within {CHECK_TIMEOUT_S:g} s: a pattern or a reference of the schema"
    " takes very long"
)


# ---------------------------------------------------------------- the schema


def _examined(schema: Any) -> bool:
    """Whether it must be checked in a process of its own: it has patterns, or changes its draft
    inside. Raises OrchError for an invalid one."""
    from jsonschema.exceptions import SchemaError
    from referencing.jsonschema import DRAFT202012, specification_with

    if not isinstance(schema, (dict, bool)) or (
        isinstance(schema, dict) and not isinstance(schema.get("$schema", ""), str)
    ):
        raise _invalid("it must be an object, and its $schema a text")
    kind = _kind_of(schema)
    try:
        kind.check_schema(schema, format_checker=None)
    except SchemaError as error:
        raise _invalid(_words(error)) from None
    specification = specification_with(kind.META_SCHEMA.get("$schema", ""), default=DRAFT202012)
    resource = specification.create_resource(schema)
    apart = False
    for number, (part, resolver) in enumerate(
        _parts(resource, _registry().resolver_with_root(resource))
    ):
        for reference in (part[name] for name in _REFERENCES if isinstance(part.get(name), str)):
            _must_be_inside(reference, resolver)
        apart = (
            apart
            or "pattern" in part
            or "patternProperties" in part
            or (number > 0 and "$schema" in part)
        )
        _must_compile(part)
    return apart


def _kind_of(schema: Any) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    return validator_for(schema, default=Draft202012Validator)


def _registry() -> Any:
    """The drafts' own schemas, and nothing else: it has no way to retrieve what it does not
    hold."""
    from jsonschema_specifications import REGISTRY

    return REGISTRY


def _parts(resource: Any, resolver: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """The schema and every schema in it, each with what resolves its references."""
    if isinstance(resource.contents, dict):
        yield resource.contents, resolver
    for inner in resource.subresources():
        yield from _parts(inner, resolver.in_subresource(inner))


def _must_be_inside(reference: str, resolver: Any) -> None:
    from referencing.exceptions import Unresolvable

    try:
        resolver.lookup(reference)
    except (Unresolvable, LookupError, ValueError, TypeError, AttributeError):
        if reference.startswith("#"):
            raise _invalid(f"its $ref {_short(reference)} points nowhere") from None
        said = (
            f"its $ref {_short(reference)} is outside of it: references to other files or addresses"
            " are never followed"
        )
        raise _invalid(said, "put what it names into the schema, under $defs") from None


def _must_compile(part: dict[str, Any]) -> None:
    import re

    properties = part.get("patternProperties")
    for pattern in (part.get("pattern"), *(properties if isinstance(properties, dict) else ())):
        try:
            re.compile(pattern if isinstance(pattern, str) else "")
        except (re.error, OverflowError, RecursionError) as error:
            raise _invalid(
                f"its pattern {_short(pattern)} is not a regular expression that Python reads:"
                f" {error}"
            ) from None


def _invalid(why: str, hint: str = "") -> OrchError:
    return OrchError(f"the JSON Schema can't be used: {why}", hint, code="bad_input")


# ---------------------------------------------------------------- the answer


def _fault(schema: Any, text: str, deadline: float) -> str:
    try:
        return first_violation(schema, json.loads(text), deadline)
    except RecursionError:
        return _TOO_DEEP
    except ValueError:
        return "it is not JSON"


def first_violation(
    schema: Any, value: Any, deadline: float = math.inf, read_chars: int | None = None
) -> str:
    """What of a value breaks a schema that was found to be usable, in this thread; empty where
    nothing does. Patterns read so many characters."""
    try:
        return _breaks(schema, value, deadline, read_chars)
    except RecursionError:
        return _TOO_DEEP
    except TimeoutError:
        return _TOO_LONG
    except Exception as error:  # numbers that no float holds, keywords that one draft alone knows
        return f"it could not be checked ({_cut(str(error))})"


def _breaks(schema: Any, value: Any, deadline: float, read_chars: int | None) -> str:
    from jsonschema.exceptions import best_match
    from jsonschema.validators import extend

    kind = _kind_of(schema)
    checks = {
        name: _timed(kind.VALIDATORS[name], deadline)
        for name in _REFERENCES
        if name in kind.VALIDATORS
    }
    if read_chars is not None:
        checks["pattern"] = _reading(kind.VALIDATORS["pattern"], read_chars)
    found = extend(kind, checks)(schema, registry=_registry()).iter_errors(value)
    error = best_match(islice(found, _MOST_FAULTS))
    return _words(error) if error is not None else ""


def _timed(check: Callable[..., Any], deadline: float) -> Callable[..., Any]:
    """A keyword that ends when the time is over: references alone can make a small schema fan out
    without end."""

    def timed(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        if time.monotonic() > deadline:
            raise TimeoutError
        yield from check(validator, value, instance, schema) or ()

    return timed


def _reading(check: Callable[..., Any], most: int) -> Callable[..., Any]:
    def reading(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        yield from (
            check(
                validator, value, instance[:most] if isinstance(instance, str) else instance, schema
            )
            or ()
        )

    return reading


def _words(error: Any) -> str:
    """Where, and what was expected. jsonschema's own words hold the whole value, which may be
    megabytes."""
    path, keyword, wanted = _cut(error.json_path), error.validator, error.validator_value
    if keyword is None:
        return f"{path} must not be there"
    if keyword == "type":
        return (
            f"{path} must be of type {' or '.join(wanted) if isinstance(wanted, list) else wanted}"
        )
    if keyword in (
        "required",
        "additionalProperties",
        "unevaluatedProperties",
        "dependentRequired",
    ) and isinstance(error.instance, dict):
        return f"{path}: {_cut(error.message)}"
    return f"{path} must fit {keyword}: {_short(wanted)}"


def _short(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False, default=str))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}…"


if __name__ == "__main__":
    schema, text = json.load(sys.stdin)
    sys.stdout.buffer.write(
        _fault(schema, text, time.monotonic() + CHECK_TIMEOUT_S).encode("utf-8", "replace")
    )
