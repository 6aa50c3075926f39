"""Classifies by the keywords and patterns of routing.yaml, with evidence (pure).

Scores are logits: every keyword or pattern that occurs adds its weight once, words at the start of
the text count more, and a softmax turns the sums into probabilities. Without evidence, `simple`
comes first with a low probability.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from orch.config.regex_limits import READ_CHARS
from orch.config.spec import TaskTypeRule
from orch.text.language import detect_language, fold, split_words
from orch.types import Classification, Evidence, TaskType

KEYWORD_WEIGHT = 1.0
PHRASE_WEIGHT = 1.4
PATTERN_WEIGHT = 1.4
OPENING_WEIGHT = 1.2
"""Added for a keyword among the first words: requests in both languages open with their verb."""
OPENING_WORDS = 4
SIMPLE_PRIOR = 0.5
"""Initial logits of `simple`: its probability is a fifth instead of an eighth without evidence."""
TAIL_CHARS = 1_000

_WORD = re.compile(r"\w+")


class RuleClassifier:
    """The rules of one routing.yaml, ready to use."""

    def __init__(self, rules: Mapping[TaskType, TaskTypeRule]) -> None:
        self._phrases: dict[str, list[tuple[tuple[str, ...], TaskType, str]]] = {}
        self._stems: dict[str, list[tuple[TaskType, str]]] = {}
        self._patterns: list[tuple[TaskType, str]] = []
        for task_type, rule in rules.items():
            for keyword in dict.fromkeys((*rule.keywords.en, *rule.keywords.es)):
                self._add(task_type, keyword)
            self._patterns += [(task_type, pattern) for pattern in rule.patterns]
        self._stem_lengths = sorted({len(stem) for stem in self._stems})

    def _add(self, task_type: TaskType, keyword: str) -> None:
        if keyword.endswith("*"):
            self._stems.setdefault(fold(keyword[:-1]), []).append((task_type, keyword))
            return
        words = tuple(split_words(fold(keyword)))
        if words:
            self._phrases.setdefault(words[0], []).append((words, task_type, keyword))

    def evidence(self, text: str) -> tuple[Evidence, ...]:
        """The keywords and patterns that occur in the head or the tail of a text."""
        read = (
            text
            if len(text) <= READ_CHARS + TAIL_CHARS
            else f"{text[:READ_CHARS]}\n{text[-TAIL_CHARS:]}"
        )
        return tuple(self._evidence(read, split_words(fold(read))))

    def classify(self, text: str) -> Classification:
        """Classifies a text by its head and its tail. Accepts any text."""
        read = (
            text
            if len(text) <= READ_CHARS + TAIL_CHARS
            else f"{text[:READ_CHARS]}\n{text[-TAIL_CHARS:]}"
        )
        words = split_words(fold(read))
        evidence = tuple(self._evidence(read, words))
        logits = dict.fromkeys(TaskType, 0.0)
        logits[TaskType.SIMPLE] = SIMPLE_PRIOR
        for item in evidence:
            logits[item.task_type] += item.weight
        scores = softmax(logits)
        best = max(TaskType, key=lambda task_type: scores[task_type])
        return Classification(best, scores[best], scores, evidence, detect_language(read, words))

    def _evidence(self, text: str, words: list[str]) -> Iterator[Evidence]:
        seen: set[tuple[TaskType, str]] = set()
        for index, word in enumerate(words):
            for task_type, keyword, length in self._keywords_at(words, index, word):
                if (task_type, keyword) in seen:
                    continue
                seen.add((task_type, keyword))
                weight = (PHRASE_WEIGHT if length > 1 else KEYWORD_WEIGHT) + (
                    OPENING_WEIGHT if index < OPENING_WORDS else 0.0
                )
                yield Evidence(task_type, "keyword", keyword, weight)
        head = text[:READ_CHARS]
        for task_type, pattern in self._patterns:
            # re has its own cache of compiled patterns
            if re.search(pattern, head):
                yield Evidence(task_type, "pattern", pattern, PATTERN_WEIGHT)

    def _keywords_at(
        self, words: list[str], index: int, word: str
    ) -> Iterator[tuple[TaskType, str, int]]:
        for phrase, task_type, keyword in self._phrases.get(word, ()):
            if len(phrase) == 1 or tuple(words[index : index + len(phrase)]) == phrase:
                yield task_type, keyword, len(phrase)
        for length in self._stem_lengths:
            for task_type, keyword in (
                self._stems.get(word[:length], ()) if len(word) >= length else ()
            ):
                yield task_type, keyword, 1


def forced_classification(task_type: TaskType, text: str) -> Classification:
    """The classification of a task whose type the caller gave."""
    scores = {each: 1.0 if each is task_type else 0.0 for each in TaskType}
    return Classification(
        task_type,
        1.0,
        scores,
        (Evidence(task_type, "forced", str(task_type), 0.0),),
        detect_language(text),
    )


def softmax(logits: Mapping[TaskType, float]) -> dict[TaskType, float]:
    """The probability of each type."""
    top = max(logits.values())
    weights = {task_type: math.exp(value - top) for task_type, value in logits.items()}
    total = sum(weights.values())
    return {task_type: weight / total for task_type, weight in weights.items()}
