"""Assembles server-sent events from their lines, as WHATWG defines them, and parses their data."""

from __future__ import annotations

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
_KEEP_ALIVE = frozenset({"ping", "heartbeat", "keepalive", "keep-alive", "keep_alive"})
"""Names of events without a meaning, whatever their data are."""
KNOWN_FIELDS = frozenset({b"data", b"event", b"id", b"retry", b"error", b""})
"""Names of fields; a comment has the empty name, and llama.cpp sent `error:` until September 2025
(PR 16109)."""


class EventFields:
    """The fields of the event that is being received. Raises ProviderError for over 16 MB."""

    def __init__(self) -> None:
        self._name = ""
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
            out += _parse_named(name, data) if name else parse_data(data)
        except ProviderError:
            if at_end and is_truncated(data):
                raise cut_error() from None
            if len(lines) == 1:
                raise
            # several events without a blank line between them
            out += (event for line in lines for event in parse_data(line.strip()))


def parse_data(data: bytes) -> list[Event]:
    """The events of one event's data: none for `null` and for nothing, several for a list."""
    if data[:1] == b"{":
        value = _parse(data)
        return [value]
    if not data or data == b"null":
        return []
    if data.strip(b'"').upper() in (_DONE, b"DONE"):
        return [None]
    return objects_of(_parse(data), data)


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
    if name.lower() in _KEEP_ALIVE:
        return []
    if name.lower() != "error":
        return parse_data(data)
    try:
        value = parse_json(data)
    except (ValueError, RecursionError):
        value = data.decode("utf-8", "replace")
    if isinstance(value, dict) and value.get("error"):
        return [value]
    return [{"error": value or "the server reported an error without a text"}]


def _is_whole(line: bytes) -> bool:
    data = line.strip()
    if not (data.startswith(b"{") and data.endswith(b"}")):
        return data == _DONE
    try:
        parse_json(data)
    except (ValueError, RecursionError):
        return False
    return True
