"""The origins whose pages may call the server: full origins, and patterns for a port or for the
windows of editors and desktop programs (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from orch.errors import UsageError

NULL, FILES = "null", "file://"
"""What pages without an origin send: sandboxed frames of any site, files. And the files of desktop
programs, which no page of the web can claim."""
WEB_SCHEMES = frozenset(
    ("http", "https", "ws", "wss", "ftp", "about", "blob", "data", "filesystem", "javascript")
)
"""Schemes of which a page of the web can have any host: `*` would let all of them in."""
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[^\s/?#*@:\[\]\x00-\x1f\x7f]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_ANY_PORT, _ANY_HOST = ":*", "://*"


class AllowedOrigins:
    """Origins and patterns, as `validate_origin` returns them."""

    def __init__(self, patterns: Iterable[str]) -> None:
        every = frozenset(patterns)
        self._ports = frozenset(each[:-2] for each in every if each.endswith(_ANY_PORT))
        self._schemes = frozenset(each[:-4] for each in every if each.endswith(_ANY_HOST))
        self._exact = frozenset(each.encode() for each in every)

    def matches(self, origin: bytes) -> bool:
        """Whether a page of that origin may call the server."""
        if origin in self._exact:
            return b"*" not in origin
        if not (self._ports or self._schemes):
            return False
        match = _ORIGIN.fullmatch(origin.decode("latin-1").lower())
        if match is None:
            return False
        scheme, host = match["scheme"], match["host"]
        return scheme in self._schemes or f"{scheme}://{host}" in self._ports


def validate_origin(origin: str) -> str:
    """An origin or a pattern in the form that is compared. Raises UsageError for one that could
    never match, and for one that would let in any page of the web."""
    pattern = FILES if origin.lower() == f"{FILES}*" else origin.lower()  # as Ollama writes it
    if pattern in (NULL, FILES) or _ORIGIN.fullmatch(pattern):
        return pattern
    if pattern.endswith(_ANY_PORT) and (match := _ORIGIN.fullmatch(pattern[:-2])):
        if not match["port"]:
            return pattern
    elif pattern.endswith(_ANY_HOST) and _ORIGIN.fullmatch(f"{pattern[:-1]}x"):
        if pattern[: -len(_ANY_HOST)] not in WEB_SCHEMES:
            return pattern
        raise UsageError(
            f"{origin!r} would let in any page of the web", "name the hosts: https://chat.example"
        )
    raise UsageError(
        f"{origin!r} is not an origin",
        "give it in full, such as https://chat.example, http://localhost:*, vscode-webview://* or"
        " file://",
    )


def allowing_option(origin: bytes) -> str:
    """The option of `orch serve` that would allow an origin, quoted for a shell; empty if none
    would."""
    text = origin.decode("latin-1").lower()
    match = _ORIGIN.fullmatch(text)
    if text not in (NULL, FILES) and (match is None or not text.isascii() or "'" in text):
        return ""
    if match and match["host"] in ("localhost", "127.0.0.1", "[::1]") and match["port"]:
        text = f"{match['scheme']}://{match['host']}{_ANY_PORT}"
    elif match and match["scheme"] == "vscode-webview":
        text = f"vscode-webview{_ANY_HOST}"  # its host is random
    keys = " --api-key FILE" if text == NULL else ""
    return f"orch serve --allow-origin '{text}'{keys}"
