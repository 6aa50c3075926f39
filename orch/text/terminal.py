"""Sanitizes what is printed to a terminal, by any module or library: only orch's own control
sequences pass. Does not import rich.

A terminal obeys the control codes in what is printed (ECMA-48): it sets its title, writes the
clipboard, moves the cursor. Unicode's embeddings,
overrides and isolates let a line read otherwise than it is written (CVE-2021-42574). Marks that
right-to-left text and emoji need (U+200C to U+200F,
U+061C) change the order of no other text and stay. A pipe gets every byte.
"""

from __future__ import annotations

import codecs
import sys
from typing import Any, TextIO, cast

_CONTROLS = [code for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"]
_REORDERING = (*range(0x202A, 0x202F), *range(0x2066, 0x2070))
"""Embeddings and overrides; isolates, and after them what Unicode has deprecated."""
_LEFT_OUT = dict.fromkeys((*_CONTROLS, *_REORDERING))
_ESCAPED = {code: f"\\u{code:04x}" for code in _LEFT_OUT}


def sanitize_text(text: str) -> str:
    """Text without what could drive a terminal or turn a line round."""
    return _encodable(text.translate(_LEFT_OUT), "replace")


def sanitize_json(text: str) -> str:
    """JSON that means the same, with such characters as escapes."""
    return _encodable(text.translate(_ESCAPED), "backslashreplace")


def _encodable(text: str, errors: str) -> str:
    """Without half characters, which stand for bytes that are not UTF-8: some locales would print
    those as they were."""
    return text if text.isascii() else text.encode("utf-8", errors).decode()


class SanitizedStream:
    """stdout or stderr on a terminal: `write` and `buffer` let nothing through that drives it;
    `own` is the stream for orch's own sequences."""

    def __init__(self, own: TextIO) -> None:
        self.own = own
        self.buffer = _Buffer(self)

    def write(self, text: str) -> int:
        """The text without such characters. Raises what the stream itself would."""
        self.own.write(sanitize_text(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Each line likewise."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)


class _Buffer:
    """Its bytes, which are text."""

    def __init__(self, stream: SanitizedStream) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: bytes) -> int:
        self._stream.write(self._decoder.decode(data))
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream.own, name)


def sanitize_streams() -> None:
    """Puts a HarmlessStream before stdout and stderr where they are terminals, each by itself."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream.isatty() and not isinstance(stream, SanitizedStream):
            setattr(sys, name, cast(TextIO, SanitizedStream(stream)))


def raw_stream(stream: TextIO) -> TextIO:
    """The stream that takes orch's own sequences. Whoever writes to it makes its texts harmless
    first."""
    return stream.own if isinstance(stream, SanitizedStream) else stream
