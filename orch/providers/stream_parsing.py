"""Bytes of a stream to its events, whatever way the bytes were split; knows nothing of HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from orch.errors import ProviderError
from orch.providers.read_limits import error_line, limit_error, limit_stream
from orch.types import Delta

MAX_LINE_BYTES = 16_000_000
_LONG_LINE = "a line of over 16 MB"
_Event = TypeVar("_Event")


class LineSplitter:
    """Cuts bytes into lines at \\n, without the line end. A line over 16 MB raises BackendError."""

    def __init__(self) -> None:
        self._pending: list[
            bytes
        ] = []  # pieces: joining at each would take time that grows with the square
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that this piece completes."""
        first, *others = data.split(b"\n")
        self._hold(first)
        if not others:
            return []
        lines = [self.flush(), *others[:-1]]
        self._hold(others[-1])
        if max(map(len, lines)) > MAX_LINE_BYTES:
            raise limit_error(_LONG_LINE)
        return lines

    def _hold(self, piece: bytes) -> None:
        self._pending.append(piece)
        self._size += len(piece)
        if self._size > MAX_LINE_BYTES:
            raise limit_error(_LONG_LINE)

    def flush(self) -> bytes:
        """What came after the last line end."""
        rest, self._pending, self._size = b"".join(self._pending), [], 0
        return rest


async def iter_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Every line that is not blank."""
    splitter = LineSplitter()
    async for chunk in chunks:
        for line in splitter.feed(chunk):
            if line.strip():
                yield line
    if (rest := splitter.flush()).strip():
        yield rest


async def iter_objects(chunks: AsyncIterable[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The objects of a stream with one JSON object a line."""
    async for line in iter_lines(chunks):
        yield parse_object(line)


async def iter_batches(
    chunks: AsyncIterable[bytes], read: Callable[[bytes], _Event]
) -> AsyncIterator[list[_Event]]:
    """What each piece of the stream completes, `read` from its lines that are not blank: what came
    together is handed on together."""
    splitter = LineSplitter()
    async for chunk in limit_stream(chunks):
        found: list[_Event] = []
        try:
            found.extend(read(line) for line in splitter.feed(chunk) if line.strip())
        except ProviderError:
            if found:
                yield found  # what came before the broken line was whole
            raise
        if found:
            yield found
    if (rest := splitter.flush()).strip():
        yield [read(rest)]


def merge_deltas(deltas: Iterable[Delta]) -> list[Delta]:
    """The same stream in fewer pieces: texts that follow each other as one."""
    found: list[Delta] = []
    for delta in deltas:
        last = found[-1] if found else None
        if (
            last is not None
            and _plain(last)
            and _plain(delta)
            and bool(last.content) == bool(delta.content)
            and bool(last.thinking) == bool(delta.thinking)
        ):
            found[-1] = Delta(
                last.content + delta.content,
                last.thinking + delta.thinking,
                logprobs=last.logprobs + delta.logprobs,
            )
        else:
            found.append(delta)
    return found


def _plain(delta: Delta) -> bool:
    return not delta.tool_calls and delta.completion is None


async def iter_sse(chunks: AsyncIterable[bytes]) -> AsyncIterator[dict[str, Any] | None]:
    """The objects of server-sent events as OpenAI's API sends them: one `data:` line an event; None
    for `[DONE]`."""
    async for line in iter_lines(chunks):
        event = parse_sse_line(line)
        if event is not SSE_COMMENT:
            yield event


SSE_COMMENT: dict[str, Any] = {}
"""What a line that is no event is read as."""


def parse_sse_line(line: bytes) -> dict[str, Any] | None:
    """The object of one line of server-sent events; None for `[DONE]`, COMMENT for a line without
    one."""
    text = line.strip()
    if text.startswith(b"data:"):
        data = text[5:].strip()
        return None if data == b"[DONE]" else parse_object(data)
    if text.startswith(b"error:"):
        return {"error": text[6:].decode("utf-8", "replace").strip()}
    if not text.startswith((b":", b"event:", b"id:", b"retry:")):
        raise ProviderError(
            "bad_response", f"the server sent a line that is no event: {_excerpt(text)}"
        )
    return SSE_COMMENT


def parse_object(line: bytes) -> dict[str, Any]:
    """One JSON object. Raises BackendError for anything else."""
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError):
        raise ProviderError(
            "bad_response", f"the server sent a broken line: {_excerpt(line)}"
        ) from None
    if not isinstance(value, dict):
        raise ProviderError("bad_response", f"the server sent no object: {_excerpt(line)}")
    return value


@contextmanager
def validating() -> Iterator[None]:
    """Reading JSON of another shape than the API promises is a bad response."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ProviderError(
            "bad_response", f"the server sent JSON of another shape: {error_line(error)}"
        ) from None


def parse_text(value: Any) -> str:
    """A text, or nothing; anything else raises TypeError."""
    if value is None or isinstance(value, str):
        return (
            (value or "")
            if not value or value.isascii()
            else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        )
    raise TypeError(f"no text: {_excerpt(str(value).encode())}")


def parse_objects(value: Any) -> tuple[dict[str, Any], ...]:
    """Tool calls or logprobs; anything but objects raises TypeError."""
    if not all(isinstance(each, dict) for each in value or ()):
        raise TypeError("what should be an object is none")
    return tuple(value or ())


def _excerpt(line: bytes) -> str:
    return repr(line[:60].decode("utf-8", "replace"))


class ThinkTagSplitter:
    """Parts `<think>…</think>` at the head of an answer from what is meant to be read: some servers
    leave the tags in."""

    OPEN, CLOSE = "<think>", "</think>"

    def __init__(self) -> None:
        self._state = "start"
        self._held = ""
        self._blank: list[
            str
        ] = []  # before anything else: joined once, since it may be long and come in small pieces

    def feed(self, text: str) -> tuple[str, str]:
        """(content, thinking) that this piece settles; what may still become a tag is held back."""
        if self._state == "answer":
            return text, ""
        if self._state == "gap":
            return self._gap(text)
        if self._state == "start" and not self._held and not text.strip():
            self._blank.append(text)
            return "", ""
        self._held += text
        return self._start() if self._state == "start" else self._inside()

    def _start(self) -> tuple[str, str]:
        head = self._held.lstrip()
        if head.startswith(self.OPEN):
            self._state, self._held = "thinking", head[len(self.OPEN) :]
            return self._inside()
        if self.OPEN.startswith(head):
            return "", ""
        return self._answer("".join((*self._blank, self._held)))

    def _inside(self) -> tuple[str, str]:
        thought, tag, after = self._held.partition(self.CLOSE)
        if tag:
            self._state, self._held = "gap", ""
            content, _ = self._gap(after)
            return content, thought
        keep = next(
            (n for n in range(len(self.CLOSE) - 1, 0, -1) if self._held.endswith(self.CLOSE[:n])), 0
        )
        settled, self._held = (
            self._held[: len(self._held) - keep],
            self._held[len(self._held) - keep :],
        )
        return "", settled

    def _gap(self, text: str) -> tuple[str, str]:
        text = text.lstrip()
        return self._answer(text) if text else ("", "")

    def _answer(self, text: str) -> tuple[str, str]:
        self._state, self._held = "answer", ""
        return text, ""

    def flush(self) -> tuple[str, str]:
        """(content, thinking) still held when the stream ends."""
        held, self._held = (
            self._held if self._state != "start" else "".join((*self._blank, self._held)),
            "",
        )
        return (held, "") if self._state == "start" else ("", held)
