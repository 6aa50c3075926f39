"""Sanitizes what any module or library prints to a terminal: only orch's own control sequences
pass. Does not import rich.

A terminal obeys control codes in its output (ECMA-48): it sets its title, writes the clipboard,
moves the cursor. Unicode embeddings, overrides and isolates make a line read differently from what
it is (CVE-2021-42574). Marks that right-to-left text and emoji need (U+200C to U+200F, U+061C)
don't reorder other text and stay. A pipe gets every byte.
"""

from __future__ import annotations

import codecs
import sys
from typing import Any, TextIO, cast

_CONTROLS = [code for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"]
_REORDERING = (*range(0x202A, 0x202F), *range(0x2066, 0x2070))
"""Embeddings and overrides; isolates, and the deprecated characters after them."""
_LEFT_OUT = dict.fromkeys((*_CONTROLS, *_REORDERING))
_ESCAPED = {code: f"\\u{code:04x}" for code in _LEFT_OUT}


def sanitize_text(text: str) -> str:
    """The text without control and bidirectional characters."""
    return _encodable(text.translate(_LEFT_OUT), "replace")


def sanitize_json(text: str) -> str:
    """Equivalent JSON, with such characters escaped."""
    return _encodable(text.translate(_ESCAPED), "backslashreplace")


def _encodable(text: str, errors: str) -> str:
    """Without lone surrogates, which stand for bytes that are not UTF-8: some locales would print
    those bytes."""
    return text if text.isascii() else text.encode("utf-8", errors).decode()


class SanitizedStream:
    """stdout or stderr on a terminal: `write` and `buffer` remove control characters; `own` is the
    raw stream for orch's own sequences."""

    def __init__(self, own: TextIO) -> None:
        self.own = own
        self.buffer = _Buffer(self)

    def write(self, text: str) -> int:
        """Writes the text without control characters. Raises what the stream itself does."""
        self.own.write(sanitize_text(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Writes each line, sanitized."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)


class _Buffer:
    """The binary buffer of the stream, decoded as UTF-8."""

    def __init__(self, stream: SanitizedStream) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: bytes) -> int:
        self._stream.write(self._decoder.decode(data))
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream.own, name)


def sanitize_streams() -> None:
    """Wraps stdout and stderr, each if it is a terminal."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream.isatty() and not isinstance(stream, SanitizedStream):
            setattr(sys, name, cast(TextIO, SanitizedStream(stream)))


def raw_stream(stream: TextIO) -> TextIO:
    """The stream for orch's own control sequences. Callers must sanitize their texts first."""
    return stream.own if isinstance(stream, SanitizedStream) else stream
