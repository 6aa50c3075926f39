"""Classifies a task: the trained classifier, with the user's rules and corrections on top
(pure)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from orch.classifier.corrections import Corrections, correction_votes
from orch.classifier.keyword_rules import RuleClassifier, softmax
from orch.classifier.linear_model import LinearClassifier
from orch.classifier.opening_words import EVIDENCE_KIND as OPENING_KIND
from orch.config.spec import TaskTypeRule
from orch.types import Classification, Evidence, TaskType

OWN_RULE = 4.0
"""Logits of a keyword or pattern of the user: two of them always outvote the trained classifier,
one does where it is not very sure."""
_FLOOR = 1e-6
"""Probability of a type that the trained classifier gives none: its logit must be finite."""


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
        trained = LinearClassifier.shipped().classify(text, previous, explained=explained)
        votes = (*self._rule_votes(text), *correction_votes(text, corrections))
        return _with_votes(trained, votes) if votes else trained

    def _rule_votes(self, text: str) -> Iterator[Evidence]:
        if self._rules is not None:
            yield from (replace(each, weight=OWN_RULE) for each in self._rules.evidence(text))


def _with_votes(trained: Classification, votes: Sequence[Evidence]) -> Classification:
    """Replaces the votes of opening words by the user's: what the user said counts the same
    whatever the text begins with."""
    logits = {kind: math.log(max(score, _FLOOR)) for kind, score in trained.scores.items()}
    for each in trained.evidence:
        if each.kind == OPENING_KIND:
            logits[each.task_type] -= each.weight
    for vote in votes:
        logits[vote.task_type] += vote.weight
    scores = softmax(logits)
    best = max(TaskType, key=lambda kind: scores[kind])
    evidence = (*votes, *(each for each in trained.evidence if each.kind != OPENING_KIND))
    return replace(
        trained,
        task_type=best,
        confidence=scores[best],
        scores=scores,
        evidence=evidence,
        second=None,
        unsure=False,
    )
