"""Attached files: turns a file's bytes into a text or an image, or says why not (pure)."""

from __future__ import annotations

import base64

from orch.server.web.components.errors import PageError
from orch.server.web.components.i18n import Translator
from orch.text.prompt import Attachment

MAX_FILES = 10
MAX_FILE_BYTES = 8_000_000
MAX_TOTAL_BYTES = 24_000_000
"""Of one upload: below the server's limit for a request."""
MAX_TEXT_BYTES = 2_000_000
"""Of a text: more than half a million tokens, which exceeds the context of any local model."""
_IMAGE_SIGNATURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def attachment_from_bytes(name: str, data: bytes, translator: Translator) -> Attachment:
    """The file as an attachment of a task.

    Raises PageError if it is empty, too large, or neither a text nor an image.
    """
    if not data:
        raise PageError(translator("{name} is empty", name=name))
    if len(data) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 1_000_000
        raise PageError(translator("{name} is larger than {n} MB", name=name, n=limit))
    if data.startswith(_IMAGE_SIGNATURES):
        return Attachment(name, image=base64.b64encode(data).decode())
    return Attachment(name, _checked_text(name, data, translator))


def _checked_text(name: str, data: bytes, translator: Translator) -> str:
    text = _decoded(data)
    if text is None:
        raise PageError(
            translator("{name} is neither text nor an image (PNG, JPEG, GIF, WebP)", name=name),
            translator("Convert PDFs and archives to text first"),
        )
    if len(data) > MAX_TEXT_BYTES:
        limit = MAX_TEXT_BYTES // 1_000_000
        raise PageError(
            translator("{name} has more than {n} MB of text", name=name, n=limit),
            translator("attach only the relevant part"),
        )
    return text


def _decoded(data: bytes) -> str | None:
    """The text of UTF-8 or marked UTF-16; None for anything else."""
    try:
        text = data.decode("utf-16" if data.startswith(_UTF16_MARKS) else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def size_text(size_bytes: int, translator: Translator) -> str:
    """A size with its unit."""
    for unit, factor in (("MB", 1_000_000), ("kB", 1_000)):
        if size_bytes >= factor:
            return f"{translator.number(size_bytes / factor, 1)} {unit}"
    return f"{translator.number(size_bytes)} B"
