"""Markdown of a model to HTML that can do nothing: no script, no event handler, no picture from elsewhere, no link but to the web (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import nh3
from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.lexers.special import TextLexer
from pygments.util import ClassNotFound

TAGS = frozenset(
    "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre s strong table tbody td th thead tr ul span div".split()  # no img: it would be fetched
)
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}, "td": {"class"}, "th": {"class"}, "span": {"class"}, "div": {"class"}, "code": {"class"}}
_SCHEMES = {"http", "https", "mailto"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer: prose as HTML, or a block of code with its language, as HTML and as it is to be copied."""

    html: str
    code: str = ""
    language: str = ""


def pieces(markdown: str) -> list[Piece]:
    """An answer in parts. Blocks of code stand alone, so that each has its own button."""
    found: list[Piece] = []
    tokens: list[Any] = _PARSER.parse(markdown)
    prose: list[Any] = []

    def close() -> None:
        if prose:
            found.append(Piece(clean(_PARSER.renderer.render(prose, _PARSER.options, {}))))
            prose.clear()

    for token in tokens:
        if token.type in ("fence", "code_block") and token.level == 0:
            close()
            found.append(_code(token.content, token.info.split()[0] if token.info.strip() else ""))
        else:
            prose.append(token)
    close()
    return found


def clean(html: str) -> str:
    """HTML without anything that acts."""
    return nh3.clean(
        html, tags=set(TAGS), attributes={tag: set(names) for tag, names in ATTRIBUTES.items()}, url_schemes=_SCHEMES, link_rel="noopener noreferrer"
    )


def _code(text: str, language: str) -> Piece:
    try:
        lexer = get_lexer_by_name(language) if language else TextLexer()
    except ClassNotFound:
        lexer = TextLexer()
    coloured = highlight(text, lexer, HtmlFormatter(nowrap=True, classprefix="hl-"))
    return Piece(clean(f"<pre><code>{coloured}</code></pre>"), text.rstrip("\n"), language)


def _image(self: Any, tokens: list[Any], index: int, options: Any, env: Any) -> str:
    """A picture as its description: fetching it would tell somebody that it was looked at."""
    said = tokens[index].content or str(tokens[index].attrs.get("src", ""))
    return f"<em>[{escape(said)}]</em>"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    parser.add_render_rule("image", _image)
    return parser


_PARSER = _parser()
