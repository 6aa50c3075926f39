"""Validates the arguments of memory operations: clients on a socket may send anything."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from orch.config.durations import parse_since
from orch.errors import UsageError
from orch.memory.store import Filter
from orch.types import TaskType


def check_arguments(name: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Raises UsageError unless a function accepts these arguments, and each has the type of its
    parameter. The function's first parameter is not one of them."""
    signature = inspect.signature(function)
    try:
        signature.bind(None, **arguments)
    except TypeError as error:
        raise UsageError(f"memory {name}: {error}") from None
    for argument, value in arguments.items():
        if not _VALIDATORS[signature.parameters[argument].annotation](value):
            raise UsageError(f"memory {name}: {argument} can't be {value!r:.100}")


def parse_filter(
    *, session: str = "", kind: str = "", model: str = "", since: str = "", before: str = ""
) -> Filter:
    """The filter of a search. Raises UsageError."""
    if kind and kind not in tuple(TaskType):
        raise UsageError(f"{kind!r} is not a task type", f"one of: {', '.join(TaskType)}")
    return Filter(
        session=session or None,
        task_type=kind or None,
        model=model or None,
        since=parse_since(since) if since else None,
        before=parse_since(before, "--before") if before else None,
    )


def _is_text(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("text"), str)
        and isinstance(value.get("title"), str | None)
    )


_VALIDATORS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: type(value) is int and 0 <= value < 1 << 63,
    "Sequence[str]": lambda value: (
        isinstance(value, list | tuple) and {type(each) for each in value} <= {str}
    ),
    "list[Result]": lambda value: isinstance(value, list) and all(map(_is_text, value)),
}
"""A validator for each annotation of a parameter."""
