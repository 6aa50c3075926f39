"""Folds text to lower case without accents in linear time (pure, standard library only)."""

from __future__ import annotations

from typing import Literal
from unicodedata import combining, normalize

SLICE_CHARS = 256
"""Normalizing sorts each run of combining marks by insertion: 200,000 marks in one piece take
minutes, in a call that holds the interpreter.

The marks are thrown away here, so their order does not matter, and a text may be cut anywhere.
"""


def fold(text: str) -> str:
    """Lower case, without accents."""
    low = text.lower()
    return low if low.isascii() else strip_marks(low, "NFKD")


def strip_marks(text: str, form: Literal["NFD", "NFKD"]) -> str:
    """The text decomposed, without its combining marks."""
    slices = (text[begin : begin + SLICE_CHARS] for begin in range(0, len(text), SLICE_CHARS))
    return "".join(
        [each for part in slices for each in normalize(form, part) if not combining(each)]
    )
