"""Control and bidirectional characters are removed from terminal output, nothing else is."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import TextIO, cast

import pytest

from orch.text.terminal import SanitizedStream, sanitize_json, sanitize_streams, sanitize_text

EVIL = (
    "\x1b]52;c;ZXZpbA==\x07\x1b]0;owned\x07\x1b[2J\x1bc\x9b31m\x9d0;x\x9c\x08"
    "\u202e\u202a\u2066\u2069\u206e"
)
"""Sequences that write the clipboard, set the title, clear the screen, reset, and reorder text."""
DRIVES = re.compile(r"[\x00-\x06\x07\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u206f]")


def test_marks_that_right_to_left_text_and_emoji_need_stay() -> None:
    text = "שלום\u200f 1\u200e \u061c نمی\u200cخواهم 👨\u200d👩\u200d👧 🏳️\u200d🌈\tx\n"
    assert sanitize_text(text) == text


def test_lone_surrogates_are_replaced() -> None:
    assert sanitize_text(b"\x9b31m".decode("utf-8", "surrogateescape")) == "?31m"


def test_sanitized_json_is_the_same_value() -> None:
    text = json.dumps({f"k{EVIL}": f"{EVIL}\udc9b"}, ensure_ascii=False)
    assert DRIVES.findall(sanitize_json(text)) == []
    assert json.loads(sanitize_json(text)) == json.loads(text)


def test_a_stream_is_sanitized_as_text_and_as_bytes() -> None:
    written = io.StringIO()
    stream = cast(TextIO, SanitizedStream(written))
    stream.write(f"a{EVIL}")
    stream.writelines([f"b{EVIL}"])
    for byte in f"é{EVIL}".encode():
        stream.buffer.write(bytes([byte]))
    assert DRIVES.findall(written.getvalue()) == []
    assert "é" in written.getvalue()


def test_only_a_terminal_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Tty())
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())
    sanitize_streams()
    assert isinstance(sys.stdout, SanitizedStream)
    assert sys.stderr is pipe
