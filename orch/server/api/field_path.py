"""The path of a field in a request's body, as OpenAI's API writes it in `param`, and the error that
names one (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from orch.errors import OrchError

_FIELD = re.compile(r"[A-Za-z_][\w-]*")
_TYPE_TAGS = frozenset({"str", "int", "float", "bool", "dict", "list", "constrained-str"})
"""Pydantic ends the location in a union with the name of the branch, which is not a field."""


def field_path(location: Sequence[str | int]) -> str:
    """A location as a path: `messages[0].content`. Ends before the branch of a union."""
    path = ""
    for part in takewhile(_is_part, location):
        name = str(part)
        path += f"[{name}]" if name.isdigit() else f".{name}" if path else name
    return path


def _is_part(part: str | int) -> bool:
    if isinstance(part, int) or part.isdigit():
        return True
    return part not in _TYPE_TAGS and _FIELD.fullmatch(part) is not None


def field_error(place: str, message: str, hint: str = "") -> OrchError:
    """The error for a field of the body; `place` has its parts between dots (`input.0.role`)."""
    path = field_path(place.split("."))
    return OrchError(f"{place}: {message}", hint, code="bad_input", param=path)
