"""Views of a text for the detectors: lower case and character classes, one byte a character, which
C searches fast."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

Span = tuple[int, int, str]
"""Start and end of a secret, and the name of its form."""
TOKEN_RUN = b"a" * 14
"""In `TextView.token_mask` where a vendor key may be."""

NAME_STEMS = tuple(
    stem.encode()
    for stem in (
        "pass pwd secret key token contrase clave credential credencial auth cookie "
        "bearer psk sessid pw"
    ).split()
)
"""Every name of a secret contains one of these."""


def _table(members: bytes) -> bytes:
    return bytes(0x61 if byte in members else 0x20 for byte in range(256))


_LETTERS = (
    bytes(
        byte
        for byte in range(256)
        if chr(byte).isalnum() and byte not in b"\xaa\xba\xb2\xb3\xb9\xbc\xbd\xbe"
    )
    + b"\x7f"
)
_LOWER = bytes(ord(chr(byte).lower()) for byte in range(256))
_NAMES, _TOKENS = (
    _table(_LETTERS + b"_-."),
    _table(bytes(byte for byte in _LETTERS if byte < 0x7F) + b"_-.+/=~:|%$"),
)
_MAPPED = (
    ("\u0303", "\x7f"),
    ("—", "\x80"),
    ("–", "\x80"),
    ("→", "\x80"),
    ("：", ":"),
    ("“", '"'),
    ("”", '"'),
    ("‘", "'"),
    ("’", "'"),
)
"""Characters beyond Latin-1 that matter: a combining tilde, dashes and arrows between a name and
its value, typographic quotes."""


@dataclass(frozen=True)
class TextView:
    """One piece of a text."""

    text: str

    @cached_property
    def lowered(self) -> bytes:
        """Lower case; a character beyond Latin-1 becomes a question mark, except those in
        `_MAPPED`."""
        text = self.text
        if not text.isascii():
            for char, byte in _MAPPED:
                text = text.replace(char, byte)
        return text.encode("latin-1", "replace").translate(_LOWER)

    @cached_property
    def name_mask(self) -> bytes:
        """`a` where a name may have a character, a space elsewhere."""
        return self.lowered.translate(_NAMES)

    @cached_property
    def token_mask(self) -> bytes:
        """`a` where a key may have a character, a space elsewhere."""
        return self.lowered.translate(_TOKENS)
