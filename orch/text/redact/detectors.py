"""Runs the detectors over a piece of text, each only where a literal that it requires occurs."""

from __future__ import annotations

from collections.abc import Iterator

from orch.text.redact.text_view import NAME_STEMS, TOKEN_RUN, Span, TextView

_BLOCKS = ("PRIVATE KEY", "PuTTY-User-Key-File", "kty", "LS0tL", "kind: Secret")

_RULES = ("|-", "| -", "|:", "| :", "-|", "- |", ",")
_NAMES = ("password", "passwd", "pwd", "secret", "token", "api_key", "apikey", "contraseña")
_HEADINGS = tuple(
    each
    for name in _NAMES
    for each in (
        f",{name}",
        f", {name}",
        f"{name},",
        f"|{name}",
        f"| {name}",
        f"| **{name}",
        f"{name} |",
    )
)
"""How a table heading names a secret, without quotes: in Markdown, in CSV, in an INSERT."""
_COMMANDS = tuple(
    (
        b" -| /|passw|identified|login|net use|auth|oauth2-|sqlplus|expdp|impdp|mysql|sequelize("
        b"|getconnection(|pdo(|securestring|:*:|:54|:6432:"
    ).split(b"|")
)
"""Each command form contains one of these."""

_HEADERS = (b"authorization", b"bearer", b"cookie")
_WITHOUT_SIGN = (
    b"machine ",
    b"login ",
    b"account ",
    b"env ",
    b"arg ",
    b"set ",
    b"setx",
    b"config",
    b"requirepass",
    b"masterauth",
)
"""After one of these, a value may follow its name after a space alone."""
_SIGNS, _CLOSERS, _QUOTES = b"=:<>|&%?!+/\x80{", b"\"'`)]}*_ \t\\", b"\"'`\\"
_VALUE_WORDS = (b"value", b"val", b"content", b"default", b"string", b"->", b"\n", b"\r")
_LINKS = tuple(
    word.encode()
    for word in "is was es era for of to de del para in on at en secret privad maestr".split()
)
_SAYS = (b":", b" is ", b" was ", b" es ", b" era ", b"=")
_LINK_CHARS = 160


def _has_named_value(view: TextView) -> bool:
    """Whether a possible secret name is followed by a sign or a word that could introduce a value.
    Cheaper than loading the detector."""
    low = view.lowered
    if not any(stem in low for stem in NAME_STEMS):
        return False
    if any(word in low for word in _WITHOUT_SIGN):
        return True
    return any(_may_have_value(view, place) for stem in NAME_STEMS for place in _all(low, stem))


def _all(low: bytes, stem: bytes) -> Iterator[int]:
    at = low.find(stem)
    while at >= 0:
        yield at
        at = low.find(stem, at + len(stem))


def _may_have_value(view: TextView, place: int) -> bool:
    low, end = view.lowered, view.name_mask.find(b" ", place)
    if end < 0:
        return False
    after = low[end : end + _LINK_CHARS]
    rest = after.lstrip(_CLOSERS)
    if not rest or rest[0] in _SIGNS or rest.startswith(_VALUE_WORDS):
        return True
    if after[:1] in (b" ", b"\t") and (
        after.lstrip()[:1] in _QUOTES or low[view.name_mask.rfind(b" ", 0, place) + 1] == 0x2D
    ):
        return True
    if rest[:1] in (b",", b"(", b"["):
        return after[:1] in _QUOTES or any(quote in rest[1:8] for quote in (b'"', b"'", b"`", b"]"))
    return rest.startswith(_LINKS) and any(word in after for word in _SAYS)


def find_multiline_secrets(text: str) -> Iterator[Span]:
    """Secrets that span lines of a whole text: private keys and the columns of tables."""
    if any(literal in text for literal in _BLOCKS):
        from orch.text.redact import private_keys

        yield from private_keys.find_private_keys(text)
    if _has_table(text):
        from orch.text.redact import tables

        yield from tables.find_table_secrets(text)


def _has_table(text: str) -> bool:
    if not any(sign in text for sign in _RULES):
        return False
    low = text.lower().replace('"', "").replace("'", "").replace("`", "")
    return any(heading in low for heading in _HEADINGS)


def find_secrets(text: str) -> Iterator[Span]:
    """Start, end and form name of the secrets in a text; they may overlap."""
    view = TextView(text)
    if TOKEN_RUN in view.token_mask:
        from orch.text.redact import vendor_key_detector

        yield from vendor_key_detector.find_vendor_keys(view)
    if b"://" in view.lowered or b":thin:" in view.lowered:
        from orch.text.redact import urls

        yield from urls.find_url_secrets(view)
    if any(name in view.lowered for name in _HEADERS):
        from orch.text.redact import headers

        yield from headers.find_header_secrets(view)
    if _has_named_value(view):
        from orch.text.redact import assignments

        yield from assignments.find_assignments(view)
    if any(hint in view.lowered for hint in _COMMANDS):
        from orch.text.redact import commands

        yield from commands.find_command_passwords(view)
