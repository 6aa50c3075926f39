"""Converts a model's Markdown to inert HTML: no scripts, no event handlers, no images, and links
only to the web and to mail (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import nh3
from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from orch.text.markdown import closes_fence, opening_fence

TAGS = frozenset(
    "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre s strong table tbody td th thead"
    " tr ul span div".split()  # no img: it would be fetched
)
ATTRIBUTES = {
    "a": {"href"},
    "ol": {"start"},
    "td": {"class"},
    "th": {"class"},
    "span": {"class"},
    "div": {"class"},
    "code": {"class"},
}
MAX_MARKDOWN_CHARS = 20_000
"""Rendering this much takes some 40 ms of the event loop; the rest follows as plain text."""
MAX_HIGHLIGHTED_CHARS, MAX_HIGHLIGHTED_LINE_CHARS = 6_000, 300
"""Limits of highlighting in one text: lexers are regular expressions in Python, 100 kB/s at their
worst, and some take time quadratic in the length of a line."""
LEXERS = frozenset(
    (
        "python javascript jsx typescript tsx json yaml bash console html xml css scss sql go rust"
        " kotlin swift c cpp php ruby lua splus julia scala haskell elixir dart diff docker make"
        " toml ini powershell"
    ).split()
)
"""Lexers that take at most 60 ms for any of 42 kinds of hostile code of that length (Pygments
2.20). Perl's and Java's take seconds."""
_SUBSTITUTE_LEXERS = {"java": "cpp", "csharp": "cpp"}
"""Languages without a bounded lexer, and a lexer that knows most of their keywords."""
_SCHEMES = {"http", "https", "mailto"}


@dataclass(frozen=True, slots=True)
class HtmlBlock:
    """A part of an answer: prose as HTML, or a code block as HTML and as text to copy."""

    html: str
    code: str = ""
    language: str = ""


def render_blocks(markdown: str) -> list[HtmlBlock]:
    """Renders an answer as blocks; each code block is one of its own, with its own copy button."""
    head = markdown[: _markdown_end(markdown)]
    rest = markdown[len(head) :]
    return [*_drawn(head), *([HtmlBlock(f"<pre>{escape(rest)}</pre>")] if rest else [])]


def _markdown_end(markdown: str) -> int:
    """The offset up to which the text is rendered as Markdown. Code blocks do not count: they are
    parsed line by line."""
    at, counted, fence = 0, 0, ""
    for line in markdown.splitlines(keepends=True) if len(markdown) > MAX_MARKDOWN_CHARS else ():
        if not fence:
            counted += len(line)
            fence = opening_fence(line.strip())
        elif closes_fence(line.strip(), fence):
            fence = ""
        if counted > MAX_MARKDOWN_CHARS:
            return at or MAX_MARKDOWN_CHARS
        at += len(line)
    return len(markdown)


def _drawn(markdown: str) -> list[HtmlBlock]:
    blocks: list[HtmlBlock] = []
    tokens: list[Any] = _PARSER.parse(markdown)
    prose: list[Any] = []
    left = MAX_HIGHLIGHTED_CHARS

    def close() -> None:
        if prose:
            blocks.append(HtmlBlock(sanitize(_PARSER.renderer.render(prose, _PARSER.options, {}))))
            prose.clear()

    for token in tokens:
        if token.type in ("fence", "code_block") and token.level == 0:
            close()
            left -= len(token.content)
            blocks.append(
                _code(
                    token.content,
                    token.info.split()[0] if token.info.strip() else "",
                    coloured=left >= 0,
                )
            )
        else:
            prose.append(token)
    close()
    return blocks


def sanitize(html: str) -> str:
    """HTML reduced to the allowed tags, attributes and URL schemes."""
    return nh3.clean(
        html,
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer",
    )


def _code(text: str, language: str, *, coloured: bool) -> HtmlBlock:
    lexer = (
        _lexer(language)
        if coloured and max(map(len, text.split("\n"))) <= MAX_HIGHLIGHTED_LINE_CHARS
        else None
    )
    inner = (
        highlight(text, lexer, HtmlFormatter(nowrap=True, classprefix="hl-"))
        if lexer
        else escape(text)
    )
    return HtmlBlock(sanitize(f"<pre><code>{inner}</code></pre>"), text.rstrip("\n"), language)


def _lexer(language: str) -> Lexer | None:
    """The lexer of a language, if there is one with bounded time."""
    try:
        name = str(get_lexer_by_name(language).aliases[0])
    except ClassNotFound:
        return None
    name = _SUBSTITUTE_LEXERS.get(name, name)
    return get_lexer_by_name(name) if name in LEXERS else None


def _image(self: Any, tokens: list[Any], index: int, options: Any, env: Any) -> str:
    """An image as its description: fetching it would tell its host that it was viewed."""
    description = tokens[index].content or str(tokens[index].attrs.get("src", ""))
    return f"<em>[{escape(description)}]</em>"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(
        ["table", "strikethrough"]
    )
    parser.add_render_rule("image", _image)
    return parser


_PARSER = _parser()
