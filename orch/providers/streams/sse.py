"""Assembles server-sent events from their lines, as WHATWG defines them, and parses their data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orch.errors import ProviderError
from orch.providers.read_limits import limit_error
from orch.providers.streams.lines import (
    MAX_LINE_BYTES,
    broken_line,
    excerpt,
    is_truncated,
    parse_json,
)

Event = dict[str, Any] | None
"""The object of an event; None for the `[DONE]` that ends a stream."""
_DONE = b"[DONE]"
_DONE_WORDS = frozenset({_DONE, b"DONE", b"[END]", b"END", b"[EOS]", b"EOF"})
_END_NAMES = frozenset({"done", "[done]", "end", "eos", "close", "finish", "finished", "complete"})
"""Names of an event that ends a stream, unless an object is in it; gateways and small servers send
one, with or without `[DONE]`."""
_NOTHING = frozenset({b"", b"{}", b"null", b"true", b"1", b"0"})
_KEEP_ALIVE = frozenset(
    {"ping", "pong", "heartbeat", "keepalive", "keep-alive", "keep_alive", "noop", "waiting"}
)
"""Names of events without a meaning, whatever their data are, and data without one."""
KNOWN_FIELDS = frozenset({b"data", b"event", b"id", b"retry", b"error", b""})
"""Names of fields; a comment has the empty name, and llama.cpp sent `error:` until September 2025
(PR 16109)."""


class EventFields:
    """The fields of the event that is being received. `ignore` is called with data that are passed
    over. Raises ProviderError for over 16 MB."""

    def __init__(self, ignore: Callable[[bytes], None] = lambda _: None) -> None:
        self._name, self._ignore = "", ignore
        self._data: list[bytes] = []
        self._size = 0

    def add_data(self, value: bytes, out: list[Event]) -> None:
        """Adds a line of data. One that follows a whole object begins the next event: some servers
        leave out the blank line between two."""
        if self._data:
            if len(self._data) == 1 and _is_whole(self._data[0]):
                self.dispatch(out)
            self._size += len(value)
            if self._size > MAX_LINE_BYTES:
                raise limit_error("an event of over 16 MB")
        self._data.append(value)

    def add_field(self, line: bytes, out: list[Event]) -> bool:
        """Adds any other line; returns whether its field is known."""
        field, _, value = line.partition(b":")
        if field == b"data":  # without a colon
            self.add_data(value, out)
        elif field == b"event":
            self._name = value.strip().decode("utf-8", "replace")
        elif field == b"error":
            self.dispatch(out)
            self._name = "error"
            self.add_data(value, out)
        return field in KNOWN_FIELDS

    def dispatch(self, out: list[Event], *, at_end: bool = False) -> None:
        """Ends the event, as a blank line does; at the end of the stream, one that is not whole was
        cut."""
        if not self._data:
            self._name = ""
            return
        name, lines = self._name, self._data
        self._name, self._data, self._size = "", [], 0
        data = (lines[0] if len(lines) == 1 else b"\n".join(lines)).strip()
        if data[:5] == b"data:":
            data = data[5:].lstrip()
        try:
            if not name and data[:1] == b"{":
                try:
                    out.append(parse_json(data))
                except (ValueError, RecursionError):
                    raise broken_line(data) from None
                return
            events = _parse_named(name, data) if name else parse_data(data)
            if events:
                out += events
            elif not _is_keep_alive(name, data):
                self._ignore(data)
        except ProviderError:
            if at_end and is_truncated(data):
                raise cut_error() from None
            if len(lines) == 1:
                raise
            # several events without a blank line between them
            out += (event for line in lines for event in parse_data(line.strip()))


def parse_data(data: bytes) -> list[Event]:
    """The events of one event's data: several for a list; none for nothing, for a number, a string,
    a literal and the word of a keep-alive."""
    if data[:1] == b"{":
        value = _parse(data)
        return [value]
    if data.strip(b'"').upper() in _DONE_WORDS:
        return [None]
    if data[:1] != b"[" and _is_keep_alive("", data):
        return []
    value = _parse(data)
    return objects_of(value, data) if isinstance(value, list) else []


def objects_of(value: Any, data: bytes) -> list[Event]:
    """The objects of a JSON value: one, or a list of them. Raises ProviderError."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in values):
        raise ProviderError(
            "bad_response", f"the server sent JSON that is not an object: {excerpt(data)}"
        )
    return [each for each in values if each is not None]


def cut_error() -> ProviderError:
    """The error for a stream that ended before its answer did."""
    return ProviderError("cut", "the stream ended before the model was done")


def _parse(data: bytes) -> Any:
    try:
        return parse_json(data)
    except (ValueError, RecursionError):
        raise broken_line(data) from None


def _parse_named(name: str, data: bytes) -> list[Event]:
    """The events of an event with a name; that of one called error is an error, whatever its
    form."""
    word = name.lower()
    if word in _KEEP_ALIVE:
        return []
    if word in _END_NAMES and (data in _NOTHING or _word(data) in _END_NAMES):
        return [None]
    if word != "error":
        return parse_data(data)
    try:
        value = parse_json(data)
    except (ValueError, RecursionError):
        value = data.decode("utf-8", "replace")
    if isinstance(value, dict) and value.get("error"):
        return [value]
    return [{"error": value or "the server reported an error without a text"}]


def _is_keep_alive(name: str, data: bytes) -> bool:
    """Whether an event says nothing but that the connection lives."""
    return data in (b"", b"null") or name.lower() in _KEEP_ALIVE or _word(data) in _KEEP_ALIVE


def _word(data: bytes) -> str:
    """Short data as a word in lower case, without quotation marks."""
    return data[:16].strip(b'"').decode("utf-8", "replace").lower()


def _is_whole(line: bytes) -> bool:
    data = line.strip()
    if not (data.startswith(b"{") and data.endswith(b"}")):
        return data == _DONE
    try:
        parse_json(data)
    except (ValueError, RecursionError):
        return False
    return True
