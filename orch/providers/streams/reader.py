"""Reads the events of a stream, whatever its form and content type: server-sent events, a JSON
object a line, or one JSON document."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from orch.errors import ProviderError
from orch.providers.read_limits import limit_error, limit_stream
from orch.providers.streams.lines import (
    MAX_LINE_BYTES,
    LineSplitter,
    broken_line,
    excerpt,
    is_truncated,
    parse_concatenated,
    parse_json,
)
from orch.providers.streams.sse import Event, EventFields, cut_error, objects_of

MAX_UNKNOWN_LINES = 1_000
"""Lines before the first event that belong to none, after which the stream is none."""
MAX_IDLE_LINES = 500_000
"""Lines in a row that complete no event: a compressed stream of blank lines is quickly sent, and
takes seconds to read. A JSON document with the logprobs of 8,000 tokens has 400,000."""
_BOM = b"\xef\xbb\xbf"


class StreamReader:
    """The events of one stream. Each line tells its own form: some servers send an error as bare
    JSON between server-sent events, and label either as the other."""

    def __init__(self) -> None:
        self._splitter, self._fields = LineSplitter(), EventFields(self._add_unknown)
        self._document: JsonDocument | None = None
        self._is_first = True
        self._has_events = False
        self._idle_lines = 0
        self._unknown: list[bytes] = []

    def feed(self, chunk: bytes, out: list[Event]) -> None:
        """Appends the events that `chunk` completes to `out`. Raises ProviderError; the events
        before the broken one are in `out` then."""
        lines, count, fields = self._splitter.feed(chunk), len(out), self._fields
        for line in lines:
            # the usual lines, with one call less
            if line[:5] == b"data:" and not (self._document or self._is_first):
                fields.add_data(line[5:], out)
            elif not line and self._has_events and self._document is None:
                fields.dispatch(out)
            else:
                self._add(line, out)
        self._idle_lines = 0 if len(out) > count else self._idle_lines + len(lines)
        if self._idle_lines > MAX_IDLE_LINES:
            raise limit_error(f"over {MAX_IDLE_LINES:,} lines without an event")

    def flush(self, out: list[Event]) -> None:
        """Appends the event that the end of the stream completes. Raises ProviderError."""
        if rest := self._splitter.flush():
            self._add(rest, out, at_end=True)
        if self._document:
            out += self._document.flush()
        self._fields.dispatch(out, at_end=True)
        if self._unknown and not (self._has_events or out):
            raise self._not_an_event()

    def _add(self, line: bytes, out: list[Event], *, at_end: bool = False) -> None:
        if self._is_first:
            self._is_first, line = False, line.removeprefix(_BOM)
        if self._document:
            out += self._document.add(line)
            if self._document.is_whole:
                self._document = None
        elif line[:5] == b"data:":
            self._fields.add_data(line[5:], out)
        elif not line:
            self._fields.dispatch(out)
            self._has_events = self._has_events or bool(out)
        elif line.strip() == b"[DONE]":
            self._fields.dispatch(out)
            out.append(None)
        elif line.lstrip()[:1] in (b"{", b"["):
            self._add_json(line.strip(), out, at_end=at_end)
        elif not self._fields.add_field(line, out):
            self._add_unknown(line)

    def _add_json(self, line: bytes, out: list[Event], *, at_end: bool) -> None:
        self._fields.dispatch(out)
        try:
            value = parse_json(line)
        except (ValueError, RecursionError):
            self._add_part(line, out, at_end=at_end)
        else:
            out += (value,) if isinstance(value, dict) else objects_of(value, line)
            self._has_events = True

    def _add_part(self, line: bytes, out: list[Event], *, at_end: bool) -> None:
        """Adds a line that is not one JSON value: several of them, or the first of a document."""
        try:
            out += objects_of(parse_concatenated(line), line)
        except ValueError:
            is_document = at_end or not self._has_events or line[-1:] in (b"{", b"[", b",")
            if not is_document:
                raise broken_line(line) from None
            self._document = JsonDocument(line)

    def _add_unknown(self, line: bytes) -> None:
        """An unknown field and a bare value are ignored, but a stream without any event is another
        language."""
        if self._has_events or not line.strip():
            return
        self._unknown.append(line[:60])
        if line.lstrip()[:1] == b"<" or len(self._unknown) > MAX_UNKNOWN_LINES:
            raise self._not_an_event()

    def _not_an_event(self) -> ProviderError:
        return ProviderError(
            "bad_response",
            f"the server sent a line that is not an event: {excerpt(self._unknown[0])}",
        )


class JsonDocument:
    """JSON over several lines. It is parsed where a line may close it, at sizes that double, so
    that the time stays linear."""

    def __init__(self, first: bytes) -> None:
        self._lines, self._size, self._next_try = [first], len(first), 0
        self.is_whole = False

    def add(self, line: bytes) -> list[Event]:
        """Adds a line; returns the objects of the document if it is whole now."""
        self._lines.append(line)
        self._size += len(line) + 1
        if self._size > MAX_LINE_BYTES:
            raise limit_error("a JSON document of over 16 MB")
        if line[:1] not in (b"}", b"]") or self._size < self._next_try:
            return []
        self._next_try = 2 * self._size
        return self._parse() or []

    def flush(self) -> list[Event]:
        """Returns the objects at the end of the stream. Raises ProviderError for a document that
        was cut, or is broken."""
        if (events := self._parse()) is not None:
            return events
        data = b"\n".join(self._lines)
        try:
            return objects_of(parse_concatenated(data), data)
        except ValueError:
            raise (cut_error() if is_truncated(data) else broken_line(data)) from None

    def _parse(self) -> list[Event] | None:
        data = b"\n".join(self._lines)
        try:
            value = parse_json(data)
        except (ValueError, RecursionError):
            return None
        self.is_whole = True
        return objects_of(value, data)


async def iter_batches(chunks: AsyncIterable[bytes]) -> AsyncIterator[list[Event]]:
    """Yields the events that one chunk completes together; never an empty list, so that a comment
    that keeps the connection alive does not count as a token for timeouts."""
    reader = StreamReader()
    async for chunk in limit_stream(chunks):
        batch: list[Event] = []
        try:
            reader.feed(chunk, batch)
        except ProviderError:
            if batch:
                yield batch
            raise
        if batch:
            yield batch
    batch = []
    reader.flush(batch)
    if batch:
        yield batch


async def iter_objects(chunks: AsyncIterable[bytes]) -> AsyncIterator[dict[str, Any]]:
    """Yields the objects of a stream one by one."""
    async for batch in iter_batches(chunks):
        for event in batch:
            if event is not None:
                yield event
