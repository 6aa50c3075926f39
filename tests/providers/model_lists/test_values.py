"""Single values of model lists: what they are, within bounds, or nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest

from orch.providers.model_lists.values import (
    MOST_TOKENS,
    billions,
    flag,
    number,
    whole,
    word,
    words,
)

NOTHING: tuple[Any, ...] = (
    None,
    "",
    "many",
    [],
    {},
    True,
    False,
    -1,
    0,
    "-4",
    "nan",
    math.nan,
    math.inf,
    1e30,
    b"4",
)


@pytest.mark.parametrize("value", [4_096, 4_096.0, "4096", " 4096 ", "4096.0"])
def test_a_whole_number_in_any_form(value: Any) -> None:
    assert whole(value, MOST_TOKENS) == 4_096


@pytest.mark.parametrize("value", [*NOTHING, 4.5, MOST_TOKENS + 1, "9" * 5_000, 10**400])
def test_what_is_no_context_is_unknown(value: Any) -> None:
    assert whole(value, MOST_TOKENS) is None


@pytest.mark.parametrize("value", NOTHING)
def test_what_is_no_number_is_unknown(value: Any) -> None:
    assert number(value, 1e20) is None


def test_only_true_and_false_are_flags() -> None:
    assert [flag(value) for value in (True, False, 1, 0, "true", None)] == [
        *(True, False),
        *[None] * 4,
    ]


def test_words_are_compared_in_one_spelling() -> None:
    assert [word(value) for value in ("Tool_Use", " not loaded ", 7, None, "x" * 65)] == [
        *("tool-use", "not-loaded"),
        *[""] * 3,
    ]
    assert words({"vision": True, "tools": False, "a": "true"}) == frozenset({"vision"})
    assert words(["Vision", 4, None, ["x"]]) == frozenset({"vision"})
    assert words("vision") is None
    assert len(words([f"w{n}" for n in range(100_000)]) or ()) <= 64


@pytest.mark.parametrize(
    ("value", "sizes"),
    [
        ("8.0B", (8.0, None)),
        ("270M", (0.27, None)),
        ("30B-A3B", (30.0, 3.0)),
        ("8x7b", (56.0, None)),
        ("1T", (1000.0, None)),
        (8_030_261_312, (8.030261312, None)),
        ("8030261312", (8.030261312, None)),
        (7, (None, None)),
        *((value, (None, None)) for value in (*NOTHING, "B", "8", "999999T", {"max_seq_len": 1})),
    ],
)
def test_sizes_in_every_form(value: Any, sizes: tuple[float | None, float | None]) -> None:
    assert billions(value) == sizes
