"""All secrets in a piece of a text: each detector is asked only where a literal that it needs is there."""

from __future__ import annotations

from collections.abc import Iterator

from orch.redact.view import RUN, STEMS, Span, View

_BLOCKS = ("PRIVATE KEY", "PuTTY-User-Key-File", "kty", "LS0tL", "kind: Secret")

_COMMANDS = (b" -", b" /", b"passw", b"identified", b" login ", b"net user", b"securestring", b":*:", b":54", b":6432:")
"""Each form of a command has one of these in it."""


def blocks_of(text: str) -> Iterator[Span]:
    """The private keys of a whole text."""
    if any(literal in text for literal in _BLOCKS):
        from orch.redact import blocks

        yield from blocks.found(text)


def spans(text: str) -> Iterator[Span]:
    """From where to where secrets stand in a text, and the name of each form; they may overlap."""
    view = View(text)
    if RUN in view.tokens:
        from orch.redact import vendors

        yield from vendors.found(view)
    if b"://" in view.low or b":thin:" in view.low:
        from orch.redact import urls

        yield from urls.found(view)
    if any(stem in view.low for stem in STEMS):
        from orch.redact import assignments, headers

        yield from headers.found(view)
        yield from assignments.found(view)
    if any(hint in view.low for hint in _COMMANDS):
        from orch.redact import commands

        yield from commands.found(view)
