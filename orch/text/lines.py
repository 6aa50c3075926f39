"""Reduces text to one line and validates names, so that foreign text can't start a new line in a
listing, a reason or a warning (pure)."""

from __future__ import annotations

from typing import Any

from orch.text.terminal import sanitize_text

MOST_NAME_CHARS = 300


def one_line(text: str) -> str:
    """The text on one line: line breaks and runs of blanks become one blank; control and
    bidirectional characters are removed."""
    return sanitize_text(" ".join(text.split()))


def truncate_line(text: str, most: int) -> str:
    """The text on one line of at most `most` characters."""
    line = one_line(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its type if there is none."""
    return next(filter(None, map(one_line, str(error).splitlines())), type(error).__name__)


def is_one_line(text: str) -> bool:
    """Whether a text is a single line, without tabs, control and bidirectional characters."""
    return text.splitlines() in ([], [text]) and "\t" not in text and sanitize_text(text) == text


def is_valid_name(value: Any) -> bool:
    """Whether a value can be a name: a single line, neither empty nor too long."""
    if not isinstance(value, str) or len(value) > MOST_NAME_CHARS:
        return False
    return bool(value) and is_one_line(value) and not value.isspace()
