"""Reads JSON values of foreign servers: text as a string or as parts, numbers in any form."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from orch.errors import ProviderError
from orch.providers.read_limits import error_line
from orch.providers.streams.lines import excerpt

_TEXT_KEYS = ("text", "content", "value", "refusal")
_THINKING_KEYS = ("thinking", "reasoning", "text", "content", "summary", "value")
_THINKING_TYPES = ("thinking", "reasoning", "reasoning_content", "thought", "redacted_thinking")
MAX_DEPTH = 5
"""Of parts in parts: Magistral nests two."""


@contextmanager
def validating() -> Iterator[None]:
    """Turns the exceptions of reading JSON with an unexpected structure into ProviderError."""
    try:
        yield
    except STRUCTURE_ERRORS as error:
        raise structure_error(error) from None


STRUCTURE_ERRORS = (
    *(AttributeError, KeyError, TypeError, ValueError, IndexError),
    RecursionError,
)


def structure_error(error: Exception) -> ProviderError:
    """The error for JSON with an unexpected structure."""
    return ProviderError(
        "bad_response", f"the server sent JSON with an unexpected structure: {error_line(error)}"
    )


def parse_text(value: Any) -> str:
    """Returns a string, empty for None; surrogates are replaced. Raises TypeError."""
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise TypeError(f"not a string: {excerpt(str(value)[:60].encode())}")
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def parse_content(value: Any) -> tuple[str, str]:
    """Returns the answer and the thinking of a message's content: a string, a part or a list of
    parts. Parts without text (images, references) are left out. Raises TypeError."""
    if isinstance(value, str) or value is None:
        return parse_text(value), ""
    content, thinking = [], []
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, dict) and _is_thinking(part):
            thinking.append(parse_thinking(part))
        else:
            content.append(_text_of(part, _TEXT_KEYS))
    return "".join(content), "".join(thinking)


def parse_thinking(value: Any) -> str:
    """Returns the text of thinking in any form: a string, an object, a list of either. Raises
    TypeError."""
    return _text_of(value, _THINKING_KEYS)


def _is_thinking(part: dict[str, Any]) -> bool:
    kind = part.get("type")
    return kind in _THINKING_TYPES or (
        kind is None and "text" not in part and bool(part.get("thinking"))
    )


def _text_of(value: Any, keys: tuple[str, ...], depth: int = 0) -> str:
    if depth > MAX_DEPTH:
        return ""
    if isinstance(value, list):
        return "".join(_text_of(each, keys, depth + 1) for each in value)
    if isinstance(value, dict):
        inner = next((value[key] for key in keys if value.get(key)), None)
        return _text_of(inner, keys, depth + 1)
    return parse_text(value)


def parse_objects(value: Any) -> tuple[dict[str, Any], ...]:
    """Returns a list of objects (tool calls), empty for None; surrogates are replaced. Raises
    TypeError and RecursionError."""
    if not value:
        return ()
    objects = [value] if isinstance(value, dict) else value
    if not all(isinstance(each, dict) for each in objects):
        raise TypeError("not a list of objects")
    text = json.dumps(objects, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        objects = json.loads(parse_text(text))
    return tuple(objects)


def parse_logprobs(value: Any) -> tuple[dict[str, Any], ...]:
    """Returns the logprobs of tokens; empty for any other form: no answer fails for them."""
    if isinstance(value, dict):
        value = value.get("content")
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        return ()
    return tuple(value)


def parse_count(value: Any) -> int | None:
    """Returns a number of tokens, also from a float or a string; None for anything else."""
    number = parse_number(value)
    return None if number is None else int(number)


def parse_number(value: Any) -> float | None:
    """Returns a number that is not negative, also from a string; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 <= number < 1e18 else None
