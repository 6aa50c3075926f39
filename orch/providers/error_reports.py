"""Reads the error object of a model server, of any form: its message, its codes and its status
(pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from orch.providers.read_limits import error_line

MOST_NESTED = 6
"""Levels of an error object that are read: proxies wrap the error of the server behind them."""
MOST_PLAIN_CHARS = 1_000
"""Of a body that is not JSON and is used as the message."""
MAX_LOADING_S = 60.0
"""The longest wait that a server's own estimate of its loading time is believed."""


class ErrorReport(NamedTuple):
    """What an error object says."""

    message: str = ""
    words: tuple[str, ...] = ()
    """The values of its code and type fields, the outermost first, in lower case with
    underscores."""
    status: int | None = None
    """A number in its code or status field."""
    wait_s: float | None = None
    """The server's estimate of the time until it is ready."""


# ---------------------------------------------------------------- the error object

_WORD_FIELDS = ("code", "type", "error_type", "error_code", "errortype", "reason", "status")
_TEXT_FIELDS = ("error", "message", "error_message", "detail", "errors", "msg", "title")
_STATUS_FIELDS = ("code", "status", "status_code", "error_code", "http_status")


def parse_report(value: Any) -> ErrorReport:
    """Reads an error body (bytes), or an error object of a stream, of any form: OpenAI's and
    Ollama's, vLLM's flat one, FastAPI's `detail`, TGI's `error_type`, one nested in another."""
    levels = list(_levels(_loaded(value), 0))
    objects = [level for level in levels if isinstance(level, dict)]
    texts = [level for level in levels if isinstance(level, str) and level.strip()]
    words = [word for level in objects for word in _words(level)]
    statuses = [status for level in objects for status in _statuses(level)]
    waits = [_number(level.get("estimated_time")) for level in objects]  # Hugging Face
    return ErrorReport(
        error_line(texts[0]) if texts else "",
        tuple(words),
        next(iter(statuses), None),
        next((min(wait, MAX_LOADING_S) for wait in waits if wait), None),
    )


def _loaded(value: Any) -> Any:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace").strip()
        # Go's and proxies' plain texts; a page has a title at best
        is_plain = len(text) <= MOST_PLAIN_CHARS and not text.startswith("<")
        return _parsed(text, otherwise=text if is_plain else {})
    return value


def _parsed(text: str, otherwise: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return otherwise


def _levels(value: Any, depth: int) -> Iterator[Any]:
    """The objects of an error from the outside to the inside, then the text of the innermost, then
    the texts around it."""
    if isinstance(value, str):
        inner = _parsed(value, None) if value.lstrip()[:1] in ("{", "[") else None
        if isinstance(inner, (dict, list)) and depth < MOST_NESTED:
            yield from _levels(inner, depth + 1)
        yield value
    elif isinstance(value, list) and value and depth < MOST_NESTED:
        yield from _levels(value[0], depth + 1)
    elif isinstance(value, dict):
        yield value
        if depth < MOST_NESTED:
            for inner in _inner_values(value):
                yield from _levels(inner, depth + 1)


def _inner_values(level: Mapping[str, Any]) -> Iterator[Any]:
    """What may hold the message. A proxy's `metadata.raw` (OpenRouter) is closer to the cause than
    its own message."""
    metadata = level.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("raw"), str):
        yield metadata["raw"]
    fields = [level[name] for name in _TEXT_FIELDS if level.get(name)]
    place = level.get("loc")  # FastAPI: where the fault is
    if isinstance(place, list) and isinstance(level.get("msg"), str):
        yield f"{'.'.join(map(str, place[:8]))}: {level['msg']}"
    yield from fields


def _words(level: Mapping[str, Any]) -> Iterator[str]:
    values = (level.get(name) for name in _WORD_FIELDS)
    return (_word(value) for value in values if isinstance(value, str) and value)


def _word(value: str) -> str:
    return value[:100].strip().lower().replace("-", "_").replace(" ", "_")


def _statuses(level: Mapping[str, Any]) -> Iterator[int]:
    for name in _STATUS_FIELDS:
        value = level.get(name)
        if isinstance(value, str) and len(value) == 3 and value.isdecimal():
            value = int(value)  # LiteLLM
        if isinstance(value, int) and 400 <= value <= 599:
            yield value


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and 0 < value < 1e6 else 0.0
