"""Piped input and files: when stdin is read, how much, and what is text."""

from __future__ import annotations

import base64
import codecs
import os
import select
import stat
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orch.cli import render
from orch.config import files
from orch.errors import InputError, OrchError

if TYPE_CHECKING:
    from orch.text.prompt import Attachment

MAX_BYTES = 64_000_000
WAIT_NOTICE_S = 2.0
_CHUNK = 1 << 16
# UTF-32's first: that of UTF-16 is the beginning of it
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_IMAGES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}


def is_piped() -> bool:
    """Whether stdin is a pipe, a socket or a file: not a terminal, not /dev/null, not closed."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def read_stdin() -> str:
    """All of stdin as text. A slow producer is waited for; after two silent seconds one line on
    stderr says so. Raises InputError."""
    pieces: list[bytes] = []
    size, waiting_said = 0, False
    while True:
        if not waiting_said and size == 0 and not _ready(WAIT_NOTICE_S):
            render.print_stderr("orch: waiting for piped input; --no-stdin runs without it")
            waiting_said = True
        piece = os.read(0, _CHUNK)
        if not piece:
            return decode_text(b"".join(pieces), "stdin")
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BYTES:
            raise too_long_error(f"stdin holds over {MAX_BYTES // 1_000_000} MB", size)


def _ready(seconds: float) -> bool:
    if sys.platform == "win32":  # select knows no pipes there
        return True
    return bool(select.select([0], [], [], seconds)[0])


BYTES_PER_TOKEN = 4
"""Of English prose; any other text has more tokens."""


def too_long_error(what: str, size: int) -> OrchError:
    """The error for input that no context can hold."""
    return OrchError(
        f"{what}, over {size // BYTES_PER_TOKEN:,} tokens: no model's context holds that",
        "pipe the part that matters, such as through tail, grep or head -c",
        code="context_overflow",
    )


def decode_text(data: bytes, where: str) -> str:
    """Bytes as text: UTF-8, UTF-16 or UTF-32 with their mark, or Windows-1252. Raises InputError
    for anything that is no text."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    try:
        text = data.decode(encoding, "replace") if encoding else data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if _looks_binary(data):
            raise _binary(where) from None
        render.print_warning(f"{where} is not UTF-8: read as Windows-1252")
        return data.decode("cp1252", "replace")
    if "\0" in text:
        raise _binary(where)
    return text


def _looks_binary(data: bytes) -> bool:
    head = data[:8192]
    controls = sum(byte < 32 and byte not in (9, 10, 12, 13, 27) for byte in head)
    return b"\0" in head or controls > len(head) * 0.01


def _binary(where: str) -> InputError:
    return InputError(
        f"{where} is binary, not text", "convert it first, such as with pdftotext or strings"
    )


def read_attachment(path: str) -> Attachment:
    """A file as text, or as an image for models that can see. Raises InputError."""
    from orch.text.prompt import Attachment  # a thin client does without

    return Attachment(**read_file(path))


def read_files(paths: Sequence[str]) -> list[dict[str, str]]:
    """Several, as values. Raises InputError, also where they hold too much together."""
    found, size = [], 0
    for path in paths:
        found.append(read_file(path, MAX_BYTES - size))
        size += max(map(len, found[-1].values()))
    return found


def read_file(path: str, most: int = MAX_BYTES) -> dict[str, str]:
    """The same as values: `name`, and `text` or `image` (base64)."""
    try:
        data = files.read_bounded(
            path, max(most, 0), lambda: render.print_stderr(f"orch: waiting for {path}")
        )
    except files.FileTooLongError as error:
        others = " with the files before it" if most < MAX_BYTES else ""
        raise too_long_error(
            f"{path} holds over {MAX_BYTES // 1_000_000} MB{others}", max(error.size, MAX_BYTES)
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror or error}", "check the name; -f takes a file"
        ) from None
    name = path.encode("utf-8", "surrogateescape").decode(
        "utf-8", "replace"
    )  # a file may be called by any bytes
    if any(data.startswith(mark) for mark in _IMAGES):
        return {"name": name, "image": base64.b64encode(data).decode("ascii")}
    return {"name": name, "text": decode_text(data, path)}
