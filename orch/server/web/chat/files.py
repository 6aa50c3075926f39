"""What a reader attaches: bytes of a file to a text or a picture, or a clear word why not
(pure)."""

from __future__ import annotations

import base64

from orch.errors import InputError
from orch.server.web.components.i18n import Translator
from orch.text.prompt import Attachment

MAX_FILES = 10
MAX_FILE_BYTES = 8_000_000
"""Of one file."""
MAX_TOTAL_BYTES = 24_000_000
"""Below what the server takes as one request."""
MAX_TEXT_BYTES = 2_000_000
"""Of a text: more than half a million tokens, which no local model's context holds."""
_PICTURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def attachment_from_bytes(name: str, data: bytes, say: Translator) -> Attachment:
    """The file as a task takes it. Raises InputError where it is neither a text nor a picture,
    empty, or too large."""
    if not data:
        raise InputError(say("{name} is empty", name=name))
    if len(data) > MAX_FILE_BYTES:
        raise InputError(
            say("{name} is larger than {n} MB", name=name, n=MAX_FILE_BYTES // 1_000_000)
        )
    if data.startswith(_PICTURES):
        return Attachment(name, image=base64.b64encode(data).decode())
    text = _text(data)
    if text is None:
        raise InputError(
            say("{name} is neither a text nor a picture (PNG, JPEG, GIF, WebP)", name=name),
            say("PDFs and archives have to be turned into text first"),
        )
    if len(data) > MAX_TEXT_BYTES:
        raise InputError(
            say("{name} is longer than {n} MB of text", name=name, n=MAX_TEXT_BYTES // 1_000_000),
            say("attach the part that matters"),
        )
    return Attachment(name, text)


def _text(data: bytes) -> str | None:
    try:
        text = data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def size_text(data: int, say: Translator) -> str:
    """A size with its unit."""
    for unit, bytes_ in (("MB", 1_000_000), ("kB", 1_000)):
        if data >= bytes_:
            return f"{say.number(data / bytes_, 1)} {unit}"
    return f"{say.number(data)} B"
