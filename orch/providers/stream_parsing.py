"""Parses the byte stream of an answer into events, wherever the bytes were split; knows nothing of
HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from orch.errors import ProviderError
from orch.providers.chat import Delta
from orch.providers.read_limits import error_line, limit_error, limit_stream

MAX_LINE_BYTES = 16_000_000
SSE_COMMENT: dict[str, Any] = {}
"""The result of parsing a line without an event."""
_LONG_LINE = "a line of over 16 MB"
_Event = TypeVar("_Event")


class LineSplitter:
    """Splits bytes into lines at \\n. Raises ProviderError for a line of over 16 MB."""

    def __init__(self) -> None:
        # chunks: joining them each time would take quadratic time
        self._pending: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Returns the lines that `data` completes, without their line ends."""
        first, *others = data.split(b"\n")
        self._append(first)
        if not others:
            return []
        lines = [self.flush(), *others[:-1]]
        self._append(others[-1])
        if max(map(len, lines)) > MAX_LINE_BYTES:
            raise limit_error(_LONG_LINE)
        return lines

    def _append(self, chunk: bytes) -> None:
        self._pending.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_LINE_BYTES:
            raise limit_error(_LONG_LINE)

    def flush(self) -> bytes:
        """Returns what follows the last line end."""
        rest, self._pending, self._size = b"".join(self._pending), [], 0
        return rest


async def iter_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Yields every line that is not blank."""
    splitter = LineSplitter()
    async for chunk in chunks:
        for line in splitter.feed(chunk):
            if line.strip():
                yield line
    if (rest := splitter.flush()).strip():
        yield rest


async def iter_objects(chunks: AsyncIterable[bytes]) -> AsyncIterator[dict[str, Any]]:
    """Yields the objects of a stream with one JSON object a line."""
    async for line in iter_lines(chunks):
        yield parse_object(line)


async def iter_batches(
    chunks: AsyncIterable[bytes], parse: Callable[[bytes], _Event]
) -> AsyncIterator[list[_Event]]:
    """Parses every line that is not blank; yields the events that one chunk completes together."""
    splitter = LineSplitter()
    async for chunk in limit_stream(chunks):
        batch: list[_Event] = []
        try:
            batch.extend(parse(line) for line in splitter.feed(chunk) if line.strip())
        except ProviderError:
            if batch:
                yield batch  # the lines before the broken one are valid
            raise
        if batch:
            yield batch
    if (rest := splitter.flush()).strip():
        yield [parse(rest)]


def merge_deltas(deltas: Iterable[Delta]) -> list[Delta]:
    """Joins consecutive deltas of the same kind of text."""
    merged: list[Delta] = []
    for delta in deltas:
        if merged and _can_merge(merged[-1], delta):
            merged[-1] = Delta(
                merged[-1].content + delta.content,
                merged[-1].thinking + delta.thinking,
                logprobs=merged[-1].logprobs + delta.logprobs,
            )
        else:
            merged.append(delta)
    return merged


def _can_merge(a: Delta, b: Delta) -> bool:
    return (
        all(not delta.tool_calls and delta.completion is None for delta in (a, b))
        and bool(a.content) == bool(b.content)
        and bool(a.thinking) == bool(b.thinking)
    )


def parse_sse_line(line: bytes) -> dict[str, Any] | None:
    """Parses one line of server-sent events as OpenAI's API sends them, one `data:` line an event.

    Returns None for `[DONE]` and SSE_COMMENT for a line without an event. Raises ProviderError.
    """
    text = line.strip()
    if text.startswith(b"data:"):
        data = text[5:].strip()
        return None if data == b"[DONE]" else parse_object(data)
    if text.startswith(b"error:"):
        return {"error": text[6:].decode("utf-8", "replace").strip()}
    if not text.startswith((b":", b"event:", b"id:", b"retry:")):
        raise ProviderError(
            "bad_response", f"the server sent a line that is not an event: {_excerpt(text)}"
        )
    return SSE_COMMENT


def parse_object(line: bytes) -> dict[str, Any]:
    """Parses one JSON object. Raises ProviderError for anything else."""
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError):
        raise ProviderError(
            "bad_response", f"the server sent a broken line: {_excerpt(line)}"
        ) from None
    if not isinstance(value, dict):
        raise ProviderError(
            "bad_response", f"the server sent JSON that is not an object: {_excerpt(line)}"
        )
    return value


@contextmanager
def validating() -> Iterator[None]:
    """Turns the exceptions of reading JSON with an unexpected structure into ProviderError."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ProviderError(
            "bad_response",
            f"the server sent JSON with an unexpected structure: {error_line(error)}",
        ) from None


def parse_text(value: Any) -> str:
    """Returns a string, empty for None; surrogates are replaced. Raises TypeError."""
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise TypeError(f"not a string: {_excerpt(str(value).encode())}")
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def parse_objects(value: Any) -> tuple[dict[str, Any], ...]:
    """Returns a list of objects (tool calls, logprobs), empty for None. Raises TypeError."""
    if not all(isinstance(each, dict) for each in value or ()):
        raise TypeError("not a list of objects")
    return tuple(value or ())


def _excerpt(line: bytes) -> str:
    return repr(line[:60].decode("utf-8", "replace"))
