"""Grades a text by the conditions of a rubric: size, language, phrases, sections, lines (pure)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from statistics import fmean

from orch.bench.answer_parsing import BULLET, normalized, plain_with_bullets
from orch.bench.check_forms import Rubric
from orch.bench.graders.grade import Grade, Submission
from orch.bench.phrases import READ_LINE_CHARS, has_phrase
from orch.text.language import detect_language, fold, split_words

_WORD = re.compile(r"[\w'’-]*\w")


def grade_rubric(check: Rubric, answer: Submission) -> Grade:
    """Grades a text by the share of the conditions that it meets."""
    text = plain_with_bullets(answer.text)
    if _is_repetitive(split_words(fold(text))):
        return Grade(0.0, "it repeats itself")
    wanted, limits = list(_wanted(check, text)), list(_limits(check, text))
    missed = [what for what, met in [*wanted, *limits] if not met]
    score = _share(wanted) * _share(limits)
    return Grade(
        score,
        (
            f"not met: {', '.join(missed)}"
            if missed
            else f"all {len(wanted) + len(limits)} conditions met"
        ),
    )


def _share(conditions: list[tuple[str, bool]]) -> float:
    return fmean(met for _, met in conditions) if conditions else 1.0


def _is_repetitive(words: list[str]) -> bool:
    """Whether the same six words occur four times or more."""
    most = Counter(zip(*(words[i:] for i in range(6)), strict=False)).most_common(1)
    return bool(most) and most[0][1] >= 4


def _sizes(text: str) -> dict[str, int]:
    sentences = [
        each for each in re.split(r"[.!?…]+(?:[\"”»')]*)(?:\s|$)", text) if re.search(r"\w", each)
    ]
    return {
        "words": len(_WORD.findall(text)),
        "lines": len(_lines(text)),
        "sentences": len(sentences),
        "chars": len(text),
        "sentence_words": max((len(_WORD.findall(each)) for each in sentences), default=0),
    }


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _limits(check: Rubric, text: str) -> Iterator[tuple[str, bool]]:
    for unit, size in _sizes(text).items():
        high = getattr(check, f"max_{unit}")
        if high is not None:
            yield f"at most {high} {unit}, not {size}", size <= high
    yield from (
        (f"does not name {phrase}", not has_phrase(text, phrase)) for phrase in check.must_not
    )


def _wanted(check: Rubric, text: str) -> Iterator[tuple[str, bool]]:
    sizes = _sizes(text)
    if check.language:
        yield (
            f"in {check.language}",
            detect_language(text) == check.language
            or (detect_language(text) == "" and sizes["words"] <= 20),
        )
    for unit in ("words", "lines", "sentences"):
        low = getattr(check, f"min_{unit}")
        if low is not None:
            yield f"at least {low} {unit}, not {sizes[unit]}", sizes[unit] >= low
    yield from _edges(check, text, _lines(text))
    yield from (
        (f"names {' or '.join(group)}", any(has_phrase(text, phrase) for phrase in group))
        for group in check.must
    )


def _edges(check: Rubric, text: str, lines: list[str]) -> Iterator[tuple[str, bool]]:
    bare = normalized(text)
    if check.starts:
        yield (
            f"starts with {check.starts[0]}",
            any(bare.startswith(normalized(each)) for each in check.starts),
        )
    if check.ends:
        yield (
            f"ends with {check.ends[0]}",
            any(bare.endswith(normalized(each)) for each in check.ends),
        )
    heads = [normalized(BULLET.sub("", line)) for line in lines]
    for name in check.sections:
        yield f"a section {name}", any(head.startswith(normalized(name)) for head in heads)
    for index, pattern in enumerate(check.lines):
        yield (
            f"line {index + 1} as asked",
            index < len(lines)
            and re.search(pattern, lines[index][:READ_LINE_CHARS], re.IGNORECASE) is not None,
        )
    if check.acrostic:
        yield (
            f"the lines spell {check.acrostic}",
            "".join(
                split_words(fold(BULLET.sub("", line)))[0][:1]
                for line in lines
                if split_words(line)
            )
            == fold(check.acrostic),
        )
