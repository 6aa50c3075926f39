"""The shape of a request: its fields, roles, names and sizes with every text written anew at the
same length, since the texts are their authors' (pure).

A text is stored as `{"text": LENGTH}`, JSON within a text as `{"json": SHAPE}`.
"""

from __future__ import annotations

import json
import re
from typing import Any

KEPT = re.compile(r"[A-Za-z0-9_.:/$+-]{1,48}")
"""Values that are facts and no prose, where `KEPT_UNDER` says so."""
KEPT_UNDER = frozenset(
    "type role model name format effort tool_choice required enum encoding_format $schema display"
    " include summary".split()
)
WORD = "lorem ipsum "


def shape_of(value: Any, key: str = "") -> Any:
    """The shape of a JSON value under that key."""
    match value:
        case dict():
            return {name: shape_of(each, name) for name, each in value.items()}
        case list():
            return [shape_of(each, key) for each in value]
        case str() if key == "arguments" and value.startswith("{"):
            return {"json": shape_of(json.loads(value))}
        case str():
            kept = key in KEPT_UNDER and KEPT.fullmatch(value)
            return value if kept else {"text": len(value)}
        case _:
            return value


def filled(shape: Any) -> Any:
    """A JSON value of that shape."""
    match shape:
        case {"text": int() as length, **rest} if not rest:
            return filler(length)
        case {"json": inner, **rest} if not rest:
            return json.dumps(filled(inner))
        case dict():
            return {name: filled(each) for name, each in shape.items()}
        case list():
            return [filled(each) for each in shape]
        case _:
            return shape


def filler(length: int) -> str:
    """A text of that length."""
    return (WORD * (length // len(WORD) + 1))[:length]
