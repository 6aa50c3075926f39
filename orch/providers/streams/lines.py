"""Splits the bytes of a stream into lines, wherever the chunks were cut, and parses JSON."""

from __future__ import annotations

import json
from typing import Any

from orch.errors import ProviderError
from orch.providers.read_limits import limit_error

MAX_LINE_BYTES = 16_000_000
_LITERALS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
_ESCAPE_CHARS = 6
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_LONG_LINE = "a line of over 16 MB"


class LineSplitter:
    """Splits bytes into lines at LF, CR or CRLF. Raises ProviderError for a line of over 16 MB."""

    def __init__(self) -> None:
        # chunks: joining them each time would take quadratic time
        self._pending: list[bytes] = []
        self._size = 0
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """Returns the lines that `data` completes, without their line ends."""
        if self._after_cr and data:
            # the LF of a CRLF that was split between two chunks
            data, self._after_cr = data.removeprefix(b"\n"), False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = data.split(b"\n")
        self._append(first)
        if not others:
            return []
        lines = [self.flush(), *others[:-1]]
        self._append(others[-1])
        if len(data) > MAX_LINE_BYTES and max(map(len, lines)) > MAX_LINE_BYTES:
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


def parse_json(data: bytes) -> Any:
    """Parses JSON; invalid UTF-8 is replaced, and control characters may stand in strings. Raises
    ValueError, also for JSON that is nested too deeply."""
    text = data.decode("utf-8", "replace")
    try:
        # what json.loads calls by way of three functions, which take as long as a token's event
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except (StopIteration, ValueError, RecursionError):
        pass  # blanks around it, control characters, or broken
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_concatenated(data: bytes) -> list[Any]:
    """Parses several JSON values that follow one another on one line. Raises ValueError."""
    text, values, at = data.decode("utf-8", "replace"), [], 0
    decoder = json.JSONDecoder(strict=False)
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            at += len(text[at : at + 64]) - len(text[at : at + 64].lstrip())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return values


def is_truncated(data: bytes) -> bool:
    """Whether the data are the beginning of JSON whose rest is missing."""
    if data and b"[DONE]".startswith(data):
        return True
    if data[:1] not in (b"{", b"["):
        return False
    text = data.decode("utf-8", "replace").rstrip()
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return _is_cut_off(error.msg, text[error.pos :])
    except (ValueError, RecursionError):
        return False
    return False


def _is_cut_off(message: str, rest: str) -> bool:
    """Whether the parser failed at the end: in a string, an escape, a literal or a number."""
    if message.startswith("Expecting value"):
        return any(word.startswith(rest) for word in _LITERALS)
    if message.startswith("Invalid \\uXXXX"):
        return len(rest) < _ESCAPE_CHARS
    return message.startswith("Unterminated string") or rest.lower() in ("", ".", "e", "e-", "e+")


def broken_line(data: bytes) -> ProviderError:
    """The error for a line that is not JSON."""
    return ProviderError("bad_response", f"the server sent a broken line: {excerpt(data)}")


def excerpt(data: bytes) -> str:
    """The beginning of a line, quoted."""
    return repr(data[:60].decode("utf-8", "replace"))
