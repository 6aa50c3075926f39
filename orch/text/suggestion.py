"""Suggests the known word that was probably meant (pure)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`, did you mean X?` for the closest known word; empty if none is close."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean {matches[0]}?" if matches else ""
