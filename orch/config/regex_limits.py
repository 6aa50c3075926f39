"""Bounds the time that a user's regular expression can take, before it runs.

Python's `re` can't be interrupted. A pattern is refused if its worst case on the text that it reads
could take too long. The bound is the product of the choices of its repeats and alternatives, times
the positions where a match may start.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

# the standard library's own parser: private, but stable since 3.11 and only read here
op: Any = import_module("re._constants")
_parser: Any = import_module("re._parser")

MAX_LENGTH = 300
READ_CHARS = 2_000
MAX_STEPS = 50_000_000
"""About half a second of `re` on one core in the worst case; a usual pattern stays under 10,000."""
MAX_STEPS_IN_ALL = 100_000_000
"""For all patterns that read the same text: a second. Room for twenty-five with one `.*` each."""
TOO_MUCH_IN_ALL = (
    "all patterns together could take too long on some texts, this one most of them; bound their"
    " repeats, such as .{0,40} for .*"
)
MAX_COUNT = 1_000
"""All patterns are compiled at every start: 20,000 short ones took .3 s of CPU (2026-11-29)."""


def _steps(item: tuple[Any, Any], length: int) -> int:
    code, value = item
    if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        low, high, body = value
        inner = _product(body, length)
        high = min(int(high), length)
        return int(min((high - int(low) + 1) * inner ** (high if inner > 1 else 1), MAX_STEPS + 1))
    if code is op.BRANCH:
        return sum(_product(branch, length) for branch in value[1])
    if code is op.SUBPATTERN:
        return _product(value[3], length)
    if code in (op.ASSERT, op.ASSERT_NOT):
        return _product(value[1], length)
    if code is op.ATOMIC_GROUP:
        return _product(value, length)
    if code is op.GROUPREF_EXISTS:
        return sum(_product(branch, length) for branch in value[1:] if branch)
    return 1


def _product(items: Any, length: int) -> int:
    total = 1
    for item in items:
        total = min(total * _steps(item, length), MAX_STEPS + 1)
    return total


def pattern_problem(pattern: str, read_chars: int = READ_CHARS) -> str | None:
    """Why a pattern can't be used, or None."""
    if len(pattern) > MAX_LENGTH:
        return f"the pattern has {len(pattern)} characters; {MAX_LENGTH} are allowed"
    try:
        tree = _parser.parse(pattern)
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"not a regular expression: {error}"
    if _steps_of(tree, read_chars) > MAX_STEPS:
        return (
            "the pattern could take too long on some texts; bound its repeats, such as .{0,40}"
            " for .*"
        )
    return None


def max_steps(pattern: str, read_chars: int = READ_CHARS) -> int:
    """The most steps that a valid pattern can take."""
    return _steps_of(_parser.parse(pattern), read_chars)


def _steps_of(tree: Any, read_chars: int) -> int:
    anchored = len(tree) > 0 and tree[0] in (
        (op.AT, op.AT_BEGINNING),
        (op.AT, op.AT_BEGINNING_STRING),
    )
    return int(_product(tree, read_chars) * (1 if anchored else read_chars))
