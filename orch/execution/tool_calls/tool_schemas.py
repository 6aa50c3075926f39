"""The schema of a tool's arguments: what breaks it, in bounded time, by the jsonschema library.

What a client's schema says wrongly, or in a way that cannot be checked safely, checks nothing: the
call is the model's, the schema is not. Compiled schemas are kept, since an agent sends the same
tools with every request: the last used, up to a number and a total of their text.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from itertools import islice
from threading import Lock
from typing import Any

from orch.config.regex_limits import pattern_problem
from orch.errors import OrchError

CHECK_TIMEOUT_S = 0.5
"""A check that takes longer finds nothing: references can make a small schema fan out."""
MAX_SCHEMA_CHARS = 200_000
"""A longer schema of one tool is not compiled. All 24 of Claude Code's have 64,000 together."""
MAX_KEPT, MAX_KEPT_CHARS = 256, 2_000_000
"""Compiled schemas that are kept, and the characters of their text together."""
PATTERN_CHARS = 1_000
"""Longer texts are not matched against patterns, and no pattern that could be slow on them."""
MAX_UNIQUE_ITEMS = 1_000
"""jsonschema compares the items of a longer list one by one."""
_MAX_VIOLATIONS = 20
_VALUES = ("enum", "const", "default", "examples", "example")
"""Keywords that hold values, in which nothing is a schema."""
_DEADLINE: ContextVar[float] = ContextVar("deadline")


class ToolSchema:
    """The arguments that one tool takes. `schema` is the client's own."""

    def __init__(self, schema: Mapping[str, Any], validator: Any) -> None:
        self.schema, self._validator = schema, validator

    def error(self, value: Any) -> Any | None:
        """The error of jsonschema that tells best how a value breaks the schema; None if it does
        not, or if that can't be told in time."""
        if self._validator is None:
            return None
        from jsonschema.exceptions import best_match

        token = _DEADLINE.set(time.monotonic() + CHECK_TIMEOUT_S)
        try:
            return best_match(islice(self._validator.iter_errors(value), _MAX_VIOLATIONS))
        except Exception:  # a schema of its own making: RecursionError, TimeoutError, any other
            return None
        finally:
            _DEADLINE.reset(token)


def tool_schema(parameters: Any) -> ToolSchema:
    """The schema of a tool's `parameters`; one that checks nothing for what is none."""
    if not isinstance(parameters, Mapping) or not parameters:
        return ToolSchema({}, None)
    try:
        text = json.dumps(parameters)
        return _KEPT.get(text) if len(text) <= MAX_SCHEMA_CHARS else ToolSchema(parameters, None)
    except (TypeError, ValueError, RecursionError):
        return ToolSchema({}, None)


class _Kept:
    """The compiled schemas by their text, the last used. Answers are checked in several threads."""

    def __init__(self) -> None:
        self._schemas: OrderedDict[str, ToolSchema] = OrderedDict()
        self._lock, self._chars = Lock(), 0

    def get(self, text: str) -> ToolSchema:
        with self._lock:
            if text in self._schemas:
                self._schemas.move_to_end(text)
                return self._schemas[text]
        compiled = _compiled(text)
        with self._lock:
            if text not in self._schemas:
                self._schemas[text] = compiled
                self._chars += len(text)
            while len(self._schemas) > MAX_KEPT or self._chars > MAX_KEPT_CHARS:
                self._chars -= len(self._schemas.popitem(last=False)[0])
        return compiled


_KEPT = _Kept()


def _compiled(text: str) -> ToolSchema:
    schema = json.loads(text)
    # 150 ms of imports, which a request without a tool call does not pay
    from orch.execution.checks.json_schema import AnswerSchema, validator_class

    try:
        tamed = _tamed(schema)
        AnswerSchema(tamed)
    except (OrchError, ValueError):  # invalid, or refers to another file: nothing is fetched
        return ToolSchema(schema, None)
    return ToolSchema(schema, _bounded(validator_class(tamed))(tamed, registry=_registry()))


def _registry() -> Any:
    from jsonschema_specifications import REGISTRY  # the drafts' own schemas and nothing else

    return REGISTRY


# ---------------------------------------------------------------- what is left out


def _tamed(schema: Any) -> Any:
    """The schema without patterns that are none or may be slow. Raises ValueError where names are
    checked by patterns, on which other keywords depend."""
    if isinstance(schema, list):
        return [_tamed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("patternProperties"), dict):
        raise ValueError("patterns of names are not checked")
    return {
        key: value if key in _VALUES else _tamed(value)
        for key, value in schema.items()
        if not (key == "pattern" and isinstance(value, str) and _is_slow(value))
    }


def _is_slow(pattern: str) -> bool:
    return pattern_problem(pattern, PATTERN_CHARS) is not None


# ---------------------------------------------------------------- in bounded time


@lru_cache(maxsize=8)
def _bounded(validator: Any) -> Any:
    from jsonschema.validators import extend

    checks = {name: _timed(check) for name, check in validator.VALIDATORS.items()}
    checks["pattern"] = _short_only(checks["pattern"])
    if "uniqueItems" in checks:
        checks["uniqueItems"] = _few_only(checks["uniqueItems"])
    checks["type"] = _nullable(checks["type"])
    checks["enum"] = _nullable(checks["enum"])
    return extend(validator, checks)


_Check = Callable[..., Any]


def _timed(check: _Check) -> _Check:
    def timed(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if time.monotonic() > _DEADLINE.get():
            raise TimeoutError
        yield from check(validator, value, instance, schema) or ()

    return timed


def _short_only(check: _Check) -> _Check:
    def short_only(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if isinstance(instance, str) and len(instance) <= PATTERN_CHARS:
            yield from check(validator, value, instance, schema)

    return short_only


def _few_only(check: _Check) -> _Check:
    def few_only(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if isinstance(instance, list) and len(instance) <= MAX_UNIQUE_ITEMS:
            yield from check(validator, value, instance, schema)

    return few_only


def _nullable(check: _Check) -> _Check:
    """OpenAPI's `nullable: true`, which many tools have from there."""

    def nullable(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if not (instance is None and schema.get("nullable") is True):
            yield from check(validator, value, instance, schema)

    return nullable
