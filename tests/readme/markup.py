"""Writes tables with `|` escaped, and reads documents with a GFM parser."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from markdown_it import MarkdownIt
from markdown_it.rules_block.table import escapedSplit
from markdown_it.token import Token

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@dataclass(frozen=True, slots=True)
class Fence:
    """One code block: its language, its text and the line of the document on which it begins."""

    language: str
    text: str
    line: int


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A GFM table."""
    return "\n".join([row(heads), "|---" * len(heads) + "|", *map(row, rows)])


def row(cells: Iterable[str]) -> str:
    """One row of a table; every cell is Markdown, with `|` escaped already."""
    return f"| {' | '.join(cells)} |"


def code(text: str) -> str:
    """Code in a table cell.

    `|` becomes an entity: of a backslash before it, GitHub reads an escape in backticks, and
    Python-Markdown shows the backslash.
    """
    if "|" not in text:
        return f"`{text}`"
    return f"<code>{escape(text, quote=False).replace('|', '&#124;')}</code>"


def cell(text: str) -> str:
    """Plain text in a table cell: what is in backticks stays code, everything else is escaped."""
    parts = re.split(r"`([^`]+)`", text)
    words = (code(part) if index % 2 else _plain(part) for index, part in enumerate(parts))
    return "".join(words)


def _plain(text: str) -> str:
    return re.sub(r"[\\*\[\]<>|~]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)


def fences(text: str) -> Iterator[Fence]:
    """Every code block of a document."""
    for token in PARSER.parse(text):
        if token.type == "fence" and token.map:
            yield Fence(token.info.strip(), token.content, token.map[0] + 1)


def uneven_rows(text: str) -> Iterator[tuple[int, str]]:
    """Rows of tables that have more or fewer cells than their header, with their line numbers.

    A GFM parser drops extra cells and fills missing ones, so the source is split as it splits it.
    """
    lines = text.splitlines()
    for token in PARSER.parse(text):
        if token.type != "table_open" or not token.map:
            continue
        first, last = token.map
        columns = len(_cells(lines[first]))
        yield from (
            (number + 1, lines[number])
            for number in range(first, last)
            if len(_cells(lines[number])) != columns
        )


def _cells(line: str) -> list[str]:
    return escapedSplit(re.sub(r"^\||(?<!\\)\|$", "", line.strip()))


def broken_tables(text: str) -> Iterator[tuple[int, str]]:
    """Lines that begin like a row of a table but are not part of one, with their line numbers."""
    taken: set[int] = set()
    for token in PARSER.parse(text):
        if token.type in ("table_open", "fence", "html_block", "code_block") and token.map:
            taken.update(range(*token.map))
    yield from (
        (number + 1, line)
        for number, line in enumerate(text.splitlines())
        if number not in taken and line.startswith("|")
    )


def links(text: str) -> Iterator[str]:
    """The targets of all links and images."""
    for token in _inline(PARSER.parse(text)):
        target = (
            token.attrGet("href")
            if token.type == "link_open"
            else token.attrGet("src")
            if token.type == "image"
            else None
        )
        if target:
            yield str(target)


def images(text: str) -> Iterator[str]:
    """The sources of all images."""
    yield from (
        str(token.attrGet("src")) for token in _inline(PARSER.parse(text)) if token.type == "image"
    )


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub and Python-Markdown make them of plain words."""
    made: set[str] = set()
    for before, token in zip(tokens := PARSER.parse(text), tokens[1:], strict=False):
        if before.type == "heading_open":
            made.add(_slug("".join(child.content for child in token.children or ())))
    return made


def _slug(title: str) -> str:
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())


def _inline(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _inline(token.children or ())
