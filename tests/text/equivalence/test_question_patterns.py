"""The kind of a question, and what remains without its opening."""

from __future__ import annotations

import re

import pytest

from orch.text.equivalence.question_patterns import QUESTION_PATTERNS, split_question

OPENINGS = {
    "howto": ["how to sort", "como puedo sort", "steps to sort", "how do i sort"],
    "how": ["how does sort", "como sort"],
    "how many": ["how many sort", "cuantos sort"],
    "how long": ["how long does it take to sort", "cuanto tiempo se tarda en sort"],
    "how much": ["how much sort", "cuanto sort"],
    "why": ["why sort", "explica por que sort"],
    "when": ["when sort", "cuando sort", "in which year sort"],
    "where": ["where is sort", "donde esta sort"],
    "who": ["who sort", "quien sort"],
    "use": ["what is sort used for", "para que sirve sort"],
    "does": ["what does sort do", "que hace sort"],
    "explain": ["explain what is sort", "explica sort"],
    "define": ["define sort", "what is the definition of sort"],
    "list": ["list the sort", "calcula sort"],
    "what": ["what is sort", "cual es sort"],
    "what object": ["what do sort", "which did sort"],
    "which": ["which sort", "cuales sort"],
    "can": ["can sort", "es posible sort"],
    "should": ["should i sort", "debo sort"],
    "yes or no": ["is sort", "hay sort"],
    "give": ["suggest sort", "recomienda sort"],
    "cause": ["cause sort"],
    "": ["sort"],
}


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in OPENINGS.items() for text in texts]
)
def test_an_opening_says_the_kind_of_question_and_is_removed(kind: str, text: str) -> None:
    assert split_question(text) == (kind, "sort")


@pytest.mark.parametrize(
    ("text", "kind", "rest"),
    [
        ("what is the git command to undo", "howto", "undo with git"),
        ("recipe for soup", "howto", "make soup"),
        ("how many legs do cats have", "how many", "legs cats"),
        ("write a short poem about rain", "write", "short poem about rain"),
        ("tell a joke", "write", "joke"),
        ("how often sort", "how often", "sort"),
        ("what advantages does git have", "what", "advantages of git"),
        ("dime sinonimos de feliz", "what", "synonym of feliz"),
    ],
)
def test_some_openings_leave_more_than_the_rest(text: str, kind: str, rest: str) -> None:
    assert split_question(text) == (kind, rest)


def test_a_longer_opening_is_tried_first() -> None:
    assert split_question("explain how to sort")[0] == "howto"
    assert split_question("explain what is sort")[0] == "explain"


def test_every_kind_of_the_patterns_has_an_opening_here() -> None:
    kinds = {kind for _, kind, _ in QUESTION_PATTERNS if "\\" not in kind}
    assert kinds <= {*OPENINGS, "write"}


def test_every_replacement_names_groups_of_its_pattern() -> None:
    for pattern, kind, to in QUESTION_PATTERNS:
        groups = re.compile(pattern).groups
        assert all(int(number) <= groups for number in re.findall(r"\\(\d)", kind + to)), pattern
