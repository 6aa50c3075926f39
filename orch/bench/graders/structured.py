"""Grades structured answers: a list of items, a JSON value (pure)."""

from __future__ import annotations

import re
from typing import Any

from orch.bench.answer_json import find_json, value_at_path
from orch.bench.answer_parsing import listed_items, normalized
from orch.bench.check_forms import Items, JsonSchema
from orch.bench.graders.grade import Grade, Submission
from orch.config import regex_limits
from orch.execution.checks.json_schema import first_violation


def grade_items(check: Items, answer: Submission) -> Grade:
    """Grades a list of items by F1, by recall, or by their longest run in order."""
    indexes = [_index_of(item, check) for item in listed_items(answer.text)]
    named = list(dict.fromkeys(index for index in indexes if index is not None))
    if not named:
        return Grade(0.0, f"none of the {len(check.items)} expected things")
    right, others = _longest_rise(named) if check.ordered else len(named), indexes.count(None)
    recall, precision = right / len(check.items), right / (len(named) + others)
    score = recall if check.extra == "allow" else 2 * recall * precision / (recall + precision)
    return Grade(score, f"{right} of {len(check.items)} expected things, {others} others")


def _index_of(item: str, check: Items) -> int | None:
    """The index of the expected item that a listed one names."""
    return next(
        (
            index
            for index, names in enumerate(check.items)
            if any(_names(item, normalized(name)) for name in names)
        ),
        None,
    )


def _longest_rise(indexes: list[int]) -> int:
    best = [0] * len(indexes)
    for i, index in enumerate(indexes):
        best[i] = 1 + max((best[j] for j in range(i) if indexes[j] < index), default=0)
    return max(best)


def _names(item: str, name: str) -> bool:
    return item == name or bool(re.match(rf"{re.escape(name)}\s*(?:[:(,;=–—→]|\s-)", item))


def grade_json(check: JsonSchema, answer: Submission) -> Grade:
    """Grades a JSON value by its schema and by the values at its paths."""
    has_json, value = find_json(answer.text)
    if not has_json:
        return Grade(0.0, "no JSON")
    fault = first_violation(check.json_schema, value, pattern_chars=regex_limits.READ_CHARS)
    wrong = [fault] if fault else []
    wrong += [
        f"{path} is not {wanted!r}"
        for path, wanted in check.equals.items()
        if not _equal(*value_at_path(value, path), wanted)
    ]
    return Grade(1 - len(wrong) / (1 + len(check.equals)), "; ".join(wrong) or "the expected JSON")


def _equal(exists: bool, value: Any, wanted: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return exists and normalized(value) == normalized(wanted)
    return bool(exists and value == wanted and isinstance(value, bool) == isinstance(wanted, bool))
