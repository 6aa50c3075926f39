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
# UTF-32 first: its mark begins with that of UTF-16
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_IMAGE_SIGNATURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}


def is_piped() -> bool:
    """Whether stdin is a pipe, a socket or a file: not a terminal, not /dev/null, not closed."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def read_stdin() -> str:
    """All of stdin as text. Raises InputError.

    Waits for a slow producer; a notice on stderr follows after two silent seconds.
    """
    pieces: list[bytes] = []
    size, has_notified = 0, False
    while True:
        if not has_notified and size == 0 and not _is_readable(WAIT_NOTICE_S):
            render.print_stderr("orch: waiting for piped input; --no-stdin runs without it")
            has_notified = True
        piece = os.read(0, _CHUNK)
        if not piece:
            return decode_text(b"".join(pieces), "stdin")
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BYTES:
            raise too_long_error(f"stdin holds over {MAX_BYTES // 1_000_000} MB", size)


def _is_readable(seconds: float) -> bool:
    if sys.platform == "win32":  # where select takes no pipes
        return True
    return bool(select.select([0], [], [], seconds)[0])


BYTES_PER_TOKEN = 4
"""Of English prose; any other text has more tokens."""


def too_long_error(what: str, size: int) -> OrchError:
    """The error for input that no context can hold."""
    return OrchError(
        f"{what}, over {size // BYTES_PER_TOKEN:,} tokens: no model's context holds that",
        "pipe only the relevant part, for example through tail, grep or head -c",
        code="context_overflow",
    )


def decode_text(data: bytes, where: str) -> str:
    """Decodes UTF-8, UTF-16 or UTF-32 with a byte order mark, or Windows-1252.

    Raises InputError for binary data.
    """
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "")
    try:
        text = data.decode(encoding, "replace") if encoding else data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if _looks_binary(data):
            raise _binary_error(where) from None
        render.print_warning(f"{where} is not UTF-8: read as Windows-1252")
        return data.decode("cp1252", "replace")
    if "\0" in text:
        raise _binary_error(where)
    return text


def _looks_binary(data: bytes) -> bool:
    head = data[:8192]
    controls = sum(byte < 32 and byte not in (9, 10, 12, 13, 27) for byte in head)
    return b"\0" in head or controls > len(head) * 0.01


def _binary_error(where: str) -> InputError:
    return InputError(
        f"{where} is binary, not text", "convert it first, for example with pdftotext or strings"
    )


def read_attachment(path: str) -> Attachment:
    """A text or image file as an attachment. Raises InputError."""
    from orch.text.prompt import Attachment  # `orch run` with a running server does without

    return Attachment(**read_file(path))


def read_files(paths: Sequence[str]) -> list[dict[str, str]]:
    """The files' attachment fields. Raises InputError, also where they are too long together."""
    attachments, size = [], 0
    for path in paths:
        attachments.append(read_file(path, MAX_BYTES - size))
        size += max(map(len, attachments[-1].values()))
    return attachments


def read_file(path: str, max_bytes: int = MAX_BYTES) -> dict[str, str]:
    """A file's attachment fields: `name`, and `text` or `image` (base64). Raises InputError."""
    try:
        data = files.read_bounded(
            path, max(max_bytes, 0), lambda: render.print_stderr(f"orch: waiting for {path}")
        )
    except files.FileTooLongError as error:
        others = " with the files before it" if max_bytes < MAX_BYTES else ""
        raise too_long_error(
            f"{path} holds over {MAX_BYTES // 1_000_000} MB{others}", max(error.size, MAX_BYTES)
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror or error}", "check the name; -f takes a file"
        ) from None
    name = path.encode("utf-8", "surrogateescape").decode(
        "utf-8", "replace"
    )  # a file name may have any bytes
    if any(data.startswith(mark) for mark in _IMAGE_SIGNATURES):
        return {"name": name, "image": base64.b64encode(data).decode("ascii")}
    return {"name": name, "text": decode_text(data, path)}
