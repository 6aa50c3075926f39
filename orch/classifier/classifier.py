"""Classifies a task: the trained classifier, with the user's rules and corrections on top
(pure)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from orch.classifier.keyword_rules import RuleClassifier
from orch.classifier.linear_model import LinearClassifier
from orch.classifier.opening_words import EVIDENCE_KIND as OPENING_KIND
from orch.config.spec import TaskTypeRule
from orch.text.language import fold, split_words
from orch.text.lines import one_line
from orch.types import Classification, Evidence, TaskType

OWN_RULE = 4.0
"""Logits of a keyword or pattern of the user: two of them always outvote the trained classifier,
one does where it is not very sure."""
CORRECTION, SAME = 8.0, 8.0
"""Logits of a correction; less for less alike words, none below LEAST_ALIKE, and of the very same
words more than any doubt."""
LEAST_ALIKE = 0.5
READ_CHARS = 2_000
_FLOOR = 1e-6

Corrections = Sequence[tuple[str, str]]
"""Task and right type of what the user corrected."""


class Classifier:
    """The classifier of one configuration. `own` are the rules that the user wrote."""

    def __init__(self, own: Mapping[TaskType, TaskTypeRule]) -> None:
        self._rules = RuleClassifier(own) if own else None

    def classify(
        self,
        text: str,
        previous: TaskType | None = None,
        corrections: Corrections = (),
        *,
        explained: bool = True,
    ) -> Classification:
        """Classifies a text. `previous` is the type of the previous turn; `explained` False omits
        the evidence. Accepts any text."""
        found = LinearClassifier.shipped().classify(text, previous, explained=explained)
        votes = (*self._own(text), *_corrected(text, corrections))
        return _outvoted(found, votes) if votes else found

    def _own(self, text: str) -> Iterator[Evidence]:
        if self._rules is not None:
            yield from (replace(each, weight=OWN_RULE) for each in self._rules.evidence(text))


def _corrected(text: str, corrections: Corrections) -> Iterator[Evidence]:
    """The nearest corrected task, if it shares half of the words."""
    own = frozenset(split_words(fold(text[:READ_CHARS]))) if corrections else frozenset()
    alike = [
        (_alike(own, frozenset(split_words(fold(task[:READ_CHARS])))), task, kind)
        for task, kind in corrections
    ]
    share, task, kind = max(alike, default=(0.0, "", ""))
    if share >= LEAST_ALIKE and kind in tuple(TaskType):
        yield Evidence(
            TaskType(kind),
            "correction",
            one_line(task)[:60],
            CORRECTION * share + (SAME if share == 1.0 else 0.0),
        )


def _alike(a: frozenset[str], b: frozenset[str]) -> float:
    """Words in common of words in all (Jaccard)."""
    return len(a & b) / len(a | b) if a and b else 0.0


def _outvoted(found: Classification, votes: Sequence[Evidence]) -> Classification:
    """Replaces the votes of opening words by the user's: what the user said counts the same
    whatever the text begins with."""
    logits = {kind: math.log(max(score, _FLOOR)) for kind, score in found.scores.items()}
    for each in found.evidence:
        if each.kind == OPENING_KIND:
            logits[each.task_type] -= each.weight
    for vote in votes:
        logits[vote.task_type] += vote.weight
    top = max(logits.values())
    weights = {kind: math.exp(value - top) for kind, value in logits.items()}
    total = sum(weights.values())
    scores = {kind: weight / total for kind, weight in weights.items()}
    best = max(TaskType, key=lambda kind: scores[kind])
    evidence = (*votes, *(each for each in found.evidence if each.kind != OPENING_KIND))
    return replace(
        found,
        task_type=best,
        confidence=scores[best],
        scores=scores,
        evidence=evidence,
        second=None,
        unsure=False,
    )
