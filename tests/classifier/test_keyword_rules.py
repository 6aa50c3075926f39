"""Keywords and patterns of routing.yaml as votes for task types, with evidence."""

from __future__ import annotations

import pytest

from orch.classifier.keyword_rules import (
    KEYWORD_WEIGHT,
    OPENING_WEIGHT,
    PATTERN_WEIGHT,
    PHRASE_WEIGHT,
    RuleClassifier,
    forced_classification,
)
from orch.config.regex_limits import READ_CHARS
from orch.config.spec import Keywords, TaskTypeRule
from orch.types import TaskType

PAD = "one two three four five "
RULES = RuleClassifier(
    {
        TaskType.CODING: TaskTypeRule(
            keywords=Keywords(
                en=("debug", "stack trace", "refactor*"), es=("código", "debug", "¿?")
            ),
            patterns=(r"\bdef \w+\(", "```"),
        ),
        TaskType.RESEARCH: TaskTypeRule(keywords=Keywords(en=("sources",))),
    }
)


def votes(text: str) -> list[tuple[str, str, float]]:
    return [(each.kind, each.feature, each.weight) for each in RULES.evidence(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{PAD} debug it", [("keyword", "debug", KEYWORD_WEIGHT)]),
        (f"{PAD} DEBUG, debug", [("keyword", "debug", KEYWORD_WEIGHT)]),
        (f"{PAD} codigo", [("keyword", "código", KEYWORD_WEIGHT)]),
        (f"{PAD} a stack trace", [("keyword", "stack trace", PHRASE_WEIGHT)]),
        (f"{PAD} a stack of traces", []),
        (f"{PAD} refactoring", [("keyword", "refactor*", KEYWORD_WEIGHT)]),
        (f"{PAD} debugging", []),
        ("please debug it", [("keyword", "debug", KEYWORD_WEIGHT + OPENING_WEIGHT)]),
        (f"{PAD} def f(): pass", [("pattern", r"\bdef \w+\(", PATTERN_WEIGHT)]),
        ("", []),
    ],
)
def test_each_rule_that_occurs_is_one_vote(
    text: str, expected: list[tuple[str, str, float]]
) -> None:
    assert votes(text) == expected


def test_the_type_with_the_most_evidence_is_first() -> None:
    result = RULES.classify(f"{PAD} debug the sources with a stack trace")
    assert result.task_type is TaskType.CODING
    assert result.confidence == result.scores[TaskType.CODING] == max(result.scores.values())
    assert result.scores[TaskType.RESEARCH] > result.scores[TaskType.CREATIVE]
    assert sum(result.scores.values()) == pytest.approx(1)
    assert result.language == "en"


def test_a_text_without_evidence_is_simple_at_a_fifth() -> None:
    result = RULES.classify("hola, ¿qué tal?")
    assert (result.task_type, result.language) == (TaskType.SIMPLE, "es")
    assert result.confidence == pytest.approx(0.19, abs=0.01)


def test_the_head_and_the_tail_of_a_long_text_are_read() -> None:
    text = f"{PAD * READ_CHARS}debug{PAD * READ_CHARS}"
    assert votes(text) == []
    assert votes(f"{text} sources") == [("keyword", "sources", KEYWORD_WEIGHT)]
    assert votes(f"debug {text}")[0][1] == "debug"


def test_patterns_are_searched_in_the_head_alone() -> None:
    assert votes(f"{PAD * READ_CHARS}```") == []


def test_a_forced_type_is_certain() -> None:
    result = forced_classification(TaskType.CODING, "¿Cuál es la capital de Perú?")
    assert (result.task_type, result.confidence, result.language) == ("coding", 1.0, "es")
    assert result.scores == {kind: float(kind is TaskType.CODING) for kind in TaskType}
    assert [each.kind for each in result.evidence] == ["forced"]
