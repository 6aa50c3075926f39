"""The forms of the checks: the keys that a task of a suite may set for each grader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


def _at_least_1() -> Any:
    return field(default=None, metadata={"ge": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """One of these answers; with `answer_only: false` also as the conclusion of a longer text
    without a rival answer."""

    exact: tuple[str, ...] = field(metadata={"min_length": 1})
    answer_only: bool = True
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """The final number of the answer, within the tolerance."""

    number: float = field(metadata={"allow_inf_nan": False})
    tolerance: float = field(default=0.0, metadata={"ge": 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Regex:
    """A pattern that must match in the answer, or in its code."""

    regex: str
    inside: Literal["answer", "code"] = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A set of items, each with its synonyms. Score: F1, or recall where extra items are allowed;
    with `ordered` the longest run in order counts."""

    items: tuple[tuple[str, ...], ...] = field(metadata={"min_length": 1})
    extra: Literal["penalise", "allow"] = "penalise"
    ordered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonSchema:
    """JSON that follows a schema and has these values at these paths."""

    json_schema: dict[str, Any]
    equals: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTests:
    """Python tests for code. For sql, regex and text the code is the string `answer`."""

    language: Literal["python", "sql", "regex", "text"] = "python"
    entry: str = ""
    code: str = field(metadata={"min_length": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """Conditions on a text, each a bound, a phrase, or a /pattern/ (a /^pattern/ matches lines).

    The score is the share of conditions met times the share of limits (`max_...`, `must_not`)
    kept, so that what an empty answer would meet earns nothing. `must` holds lists of
    alternatives; `*` ends a word prefix. `lines` are patterns for the first lines, in order.
    """

    language: Literal["en", "es"] | None = None
    min_words: int | None = _at_least_1()
    max_words: int | None = _at_least_1()
    min_lines: int | None = _at_least_1()
    max_lines: int | None = _at_least_1()
    min_sentences: int | None = _at_least_1()
    max_sentences: int | None = _at_least_1()
    max_sentence_words: int | None = _at_least_1()
    max_chars: int | None = _at_least_1()
    starts: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    acrostic: str | None = None
    lines: tuple[str, ...] = ()
    must: tuple[tuple[str, ...], ...] = ()
    must_not: tuple[str, ...] = ()


Check = Exact | Number | Regex | Items | JsonSchema | UnitTests | Rubric
CHECK_FORMS: dict[str, type[Any]] = {
    "exact": Exact,
    "number": Number,
    "regex": Regex,
    "items": Items,
    "json_schema": JsonSchema,
    "tests": UnitTests,
    "rubric": Rubric,
}
"""The key of a grader, and its form. The keys of `tests` and `rubric` are inside it, those of the
others beside it."""
