"""HTML pages without NiceGUI: the login, and errors that happen before a view is drawn."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template

from orch.server.web.components.i18n import Translator

TEMPLATE = Path(__file__).with_name("standalone.html")


def standalone_page(translator: Translator, title: str, body: str, nonce: str) -> str:
    """A page with a title and a body that is HTML already; `nonce` allows its style sheet."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        language=translator.language, nonce=nonce, title=escape(title), body=body
    )


def error_page(translator: Translator, status: int, nonce: str) -> str:
    """The page for an HTTP error, without what the exception says: that may quote a prompt."""
    title = translator("Page not found") if status == 404 else translator("Server error")
    link = escape(translator("Open the chat"))
    return standalone_page(
        translator, title, f'<p>HTTP {status}</p>\n<a href="/">{link}</a>', nonce
    )
