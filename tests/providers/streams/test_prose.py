"""What follows a marker: a sentence about it, an answer or a thought."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.providers.streams.prose import (
    LOOKAHEAD,
    MAX_MENTION_CHARS,
    begins_thought,
    goes_on,
    goes_on_unquoted,
)
from tests.support.untimed import untimed

TEXTS = st.text(alphabet="aZ \t\n.,<>/`…é是", max_size=2 * MAX_MENTION_CHARS)
CLOSES = ("</a>", "</b>")


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (" is a tag", True),
        (" 是标签", True),
        (" – an end", True),
        ("`, a tag", True),
        (": a tag", True),
        ("…", True),
        (" Yes", False),
        ("yes", False),
        ("\nand so", False),
        ("  \nand so", False),
        (" 42", False),
        (" **Yes**", False),
        (" " * LOOKAHEAD, False),
        ("", None),
        ("  ", None),
    ],
)
def test_a_sentence_goes_on_in_lower_case_or_with_a_sign(after: str, expected: bool | None) -> None:
    assert goes_on(after) is expected
    assert goes_on(after, is_last=True) is bool(expected)


def test_an_answer_that_is_whole_may_begin_with_a_quotation_mark() -> None:
    assert goes_on('"Hi"') is True
    assert not goes_on_unquoted('"Hi"')
    assert goes_on_unquoted(", as said")


@untimed
@given(TEXTS, st.booleans())
def test_what_is_decided_early_is_never_taken_back(text: str, after_blank: bool) -> None:
    """The text comes in pieces: once there is a verdict, it is the one of the whole text."""

    def thinks(part: str, *, is_last: bool) -> bool | None:
        return begins_thought(part, CLOSES, after_blank=after_blank, is_last=is_last)

    for verdict in (goes_on, thinks):
        whole = verdict(text, is_last=True)
        early = [verdict(text[:size], is_last=False) for size in range(len(text))]
        assert all(each in (None, whole) for each in early)


@untimed
@given(st.text(min_size=MAX_MENTION_CHARS + LOOKAHEAD + 4), st.booleans())
def test_a_verdict_is_reached_within_the_bounds(text: str, after_blank: bool) -> None:
    assert begins_thought(text, CLOSES, after_blank=after_blank, is_last=False) is not None
    assert goes_on(text) is not None


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("\nSo", True),
        ("So\n", True),
        (" So\n", True),
        (" so\n", False),
        ("</a> is empty", False),
        ("so</B> is a pair", False),
        ("so</b>\n", True),
        ("so", None),
        (", and", False),
    ],
)
def test_a_sentence_about_the_opening_marker_begins_no_thought(
    after: str, expected: bool | None
) -> None:
    assert begins_thought(after, CLOSES, after_blank=False, is_last=False) is expected


def test_a_blank_is_no_sign_where_the_first_thought_began_with_one() -> None:
    assert begins_thought(" so\n", CLOSES, after_blank=True, is_last=False) is True
