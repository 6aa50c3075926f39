"""Folds text to one line and validates names, so that text from elsewhere can't begin a line of a
listing, a reason or a warning (pure)."""

from __future__ import annotations

from typing import Any

from orch.text.terminal import sanitize_text

MOST_NAME_CHARS = 300


def one_line(text: str) -> str:
    """The text on one line: line breaks and runs of blanks as one blank, without controls and what
    turns a line round."""
    return sanitize_text(" ".join(text.split()))


def first_line(error: BaseException) -> str:
    """The first line of what an error says; its kind where it says nothing."""
    return next(filter(None, map(one_line, str(error).splitlines())), type(error).__name__)


def is_valid_name(value: Any) -> bool:
    """Whether it can be a name: a text of one line, neither empty nor longer than any name."""
    if not isinstance(value, str) or len(value) > MOST_NAME_CHARS:
        return False
    return (
        value.splitlines() == [value]
        and "\t" not in value
        and sanitize_text(value) == value
        and not value.isspace()
    )
