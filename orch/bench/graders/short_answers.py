"""Grades short answers: an exact answer, a number, a pattern (pure)."""

from __future__ import annotations

import re

from orch.bench.answer_parsing import (
    extract_code,
    final_number,
    labelled_answer,
    normalized,
    without_markdown,
)
from orch.bench.check_forms import Exact, Number, Regex
from orch.bench.graders.grade import Grade, Submission
from orch.bench.phrases import READ_CHARS, has_phrase

_COPULA = r"(?:\b(?:is|are|was|were|es|son|fue|era|sera|seria)\b|[:=→])"
_CLAUSE_START = r"(?:is|was|are|were|es|fue|son|because|porque|ya)"
_ARTICLE = r"(?:(?:the|an?|el|la|los|las|un|una)\s+)?"


def grade_exact(check: Exact, answer: Submission) -> Grade:
    """Grades an exact answer, alone or as the conclusion of a text."""
    wanted = [normalized(each) for each in check.exact]
    label = labelled_answer(answer.text)
    if normalized(answer.text) in wanted or (label is not None and normalized(label) in wanted):
        return Grade(1.0, "the expected answer")
    if check.answer_only:
        return Grade(0.0, f"not {check.exact[0]!r}")
    for sentence in [normalized(label)] if label is not None else _ends_of(answer.text):
        if any(
            _states(sentence, each) or (label is not None and _opens(sentence, each))
            for each in wanted
        ):
            rival = next((each for each in check.rivals if has_phrase(sentence, each)), "")
            return (
                Grade(0.0, f"it names {rival!r} beside it")
                if rival
                else Grade(1.0, "it concludes with the expected answer")
            )
    return Grade(0.0, f"it does not conclude with {check.exact[0]!r}")


def _ends_of(text: str) -> list[str]:
    """The last and the first sentence, normalized."""
    sentences = [
        sentence
        for each in re.split(r"\n+|(?<=[.!?])\s+", without_markdown(text))
        if (sentence := normalized(each))
    ]
    return sentences[-1:] + sentences[:1]


def _states(sentence: str, wanted: str) -> bool:
    """Whether a normalized sentence says `... is WANTED`, `WANTED is ...` or `WANTED, ...`, and
    does not negate it."""
    name = re.escape(wanted)
    ends = rf"{_COPULA}\s+{_ARTICLE}[\"']?{name}$"
    opens = rf"{name}(?:[\"']?\s*[,;:(—–]|\s+-|\s+{_CLAUSE_START}\b(?!\s+(?:not|no|never|nunca)\b))"
    return sentence == wanted or bool(re.search(ends, sentence) or re.match(opens, sentence))


def _opens(sentence: str, wanted: str) -> bool:
    """Whether the text after `answer:` starts with the word and does not negate it at once."""
    return (
        re.match(
            rf"{re.escape(wanted)}\b(?!\s+(?:\w+\s+)?(?:not|no|never|nunca|or|o)\b|\s+\w+n't)",
            sentence,
        )
        is not None
    )


def grade_regex(check: Regex, answer: Submission) -> Grade:
    """Grades an answer, or its code, by a pattern."""
    text = extract_code(answer.text) if check.inside == "code" else without_markdown(answer.text)
    match = re.search(check.regex, text[:READ_CHARS])
    return Grade(1.0, "it matches") if match else Grade(0.0, f"it does not match {check.regex}")


def grade_number(check: Number, answer: Submission) -> Grade:
    """Grades the final number of an answer."""
    values = final_number(answer.text, answer.lang)
    if not values:
        return Grade(0.0, "it has no number")
    near = any(
        abs(value - check.number) <= check.tolerance + 1e-9 * max(1.0, abs(check.number))
        for value in values
    )
    return (
        Grade(1.0, "the expected number")
        if near
        else Grade(0.0, f"{values[0]:g} instead of {check.number:g}")
    )
