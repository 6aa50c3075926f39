"""Corrections: how far a type that the user corrected sways the same and similar tasks (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orch.text.language import fold, split_words
from orch.text.lines import one_line
from orch.types import Evidence, TaskType

SIMILAR_LOGITS, SAME_LOGITS = 8.0, 8.0
"""Logits of a correction, times the similarity; and what the very same words add, more than any
doubt."""
MIN_SIMILARITY = 0.5
"""Share of words in common below which a correction has no effect."""
READ_CHARS = 2_000
_SHOWN_CHARS = 60

Corrections = Sequence[tuple[str, str]]
"""Text and right type of each task that the user corrected."""


def correction_votes(text: str, corrections: Corrections) -> Iterator[Evidence]:
    """The vote of the most similar corrected task, if it shares half of the words."""
    own = _words(text) if corrections else frozenset()
    similar = [(_similarity(own, _words(task)), task, kind) for task, kind in corrections]
    share, task, kind = max(similar, default=(0.0, "", ""))
    if share >= MIN_SIMILARITY and kind in tuple(TaskType):
        logits = SIMILAR_LOGITS * share + (SAME_LOGITS if share == 1.0 else 0.0)
        yield Evidence(TaskType(kind), "correction", one_line(task)[:_SHOWN_CHARS], logits)


def _words(text: str) -> frozenset[str]:
    return frozenset(split_words(fold(text[:READ_CHARS])))


def _similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Words in common of all words (Jaccard)."""
    return len(a & b) / len(a | b) if a and b else 0.0
