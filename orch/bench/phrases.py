"""Phrases and patterns of a suite, matched in the text of an answer within limits (pure)."""

from __future__ import annotations

import re

from orch.text.language import fold

READ_CHARS = 8_000
"""Characters of an answer that a pattern is matched against."""
READ_LINE_CHARS = 300
"""Characters of a line that a pattern starting with ^ is matched against."""


def phrase_pattern(phrase: str) -> str:
    """The pattern of a phrase written as /pattern/, else an empty string."""
    return phrase[1:-1] if len(phrase) > 2 and phrase[0] == phrase[-1] == "/" else ""


def has_phrase(text: str, phrase: str) -> bool:
    """Whether a pattern matches, or a phrase occurs as whole words; `*` ends a word prefix."""
    if pattern := phrase_pattern(phrase):
        parts = (
            [line[:READ_LINE_CHARS] for line in text[:READ_CHARS].split("\n")]
            if pattern[0] == "^"
            else [text[:READ_CHARS]]
        )
        return any(re.search(pattern, part, re.IGNORECASE) for part in parts)
    words = [re.escape(word).replace(r"\*", r"\w*") for word in fold(phrase).split()]
    body = r"\W+".join(words)
    return re.search(rf"(?<!\w){body}(?!\w)", fold(text)) is not None
