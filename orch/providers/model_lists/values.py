"""Reads single values of a model list, each of which can have any type: numbers within bounds,
words and flags; None or empty for everything else (pure)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

MOST_TOKENS = 10**8
"""Of a context: ten times the longest that is advertised."""
MOST_BYTES = 10**14
MOST_BILLIONS = 100_000.0
MOST_SLOTS = 100_000
MAX_WORD = 64
MAX_WORDS = 64
MAX_DIGITS = 24
_SIZE = re.compile(
    r"(?:(?P<experts>\d{1,3})x)?(?P<count>\d{1,6}(?:\.\d{1,3})?)\s?(?P<unit>[kmbt])"
    r"(?:-a(?P<active>\d{1,5}(?:\.\d{1,3})?)b)?",
    re.ASCII,
)
_BILLIONS = {"k": 1e-6, "m": 1e-3, "b": 1.0, "t": 1e3}


def number(value: Any, most: float) -> float | None:
    """A number above 0 and at most `most`; also as digits in a string."""
    if isinstance(value, str) and len(value) <= MAX_DIGITS:
        value = _parsed(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= most else None  # false for NaN too


def _parsed(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def whole(value: Any, most: int) -> int | None:
    """A whole number from 1 to `most`."""
    found = number(value, most)
    return int(found) if found is not None and found == math.floor(found) else None


def flag(value: Any) -> bool | None:
    """True or false; None for everything else."""
    return value if isinstance(value, bool) else None


def word(value: Any) -> str:
    """A word in lower case, `-` for `_` and blanks; empty for everything else."""
    if not isinstance(value, str) or len(value) > MAX_WORD:
        return ""
    return value.strip().lower().replace("_", "-").replace(" ", "-")


def words(value: Any) -> frozenset[str] | None:
    """The words of a list, or of an object's keys that are true; None for everything else."""
    items: Iterable[Any]
    if isinstance(value, dict):
        items = (key for key, holds in value.items() if holds is True)
    elif isinstance(value, list):
        items = value
    else:
        return None
    return frozenset(filter(None, map(word, list(items)[:MAX_WORDS])))


def billions(value: Any) -> tuple[float | None, float | None]:
    """Billions of parameters, all and those that a token takes: of `8.0B`, `30B-A3B`, or a count
    such as 8030261312."""
    text = value.strip().lower() if isinstance(value, str) and len(value) <= MAX_WORD else ""
    if match := _SIZE.fullmatch(text):
        size = float(match["count"]) * _BILLIONS[match["unit"]] * int(match["experts"] or 1)
        return number(size, MOST_BILLIONS), number(match["active"], MOST_BILLIONS)
    count = number(value, MOST_BILLIONS * 1e9)
    return (count / 1e9 if count is not None and count >= 1e6 else None), None
