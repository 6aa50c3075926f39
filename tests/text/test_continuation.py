"""Continuing a partial answer: what is asked, and how the two texts are joined."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orch.text.continuation import (
    MAX_HELD_CHARS,
    MAX_REPEATED_CHARS,
    ContinuationJoiner,
    is_in_code,
    lacks_blank,
    last_words,
    with_partial,
)

ASKED = [{"role": "user", "content": "Tell me of the lake."}]


def joined(before: str, text: str, *, prefilled: bool = False, size: int = 3) -> str:
    """The whole answer, with the continuation in pieces of that size."""
    joiner = ContinuationJoiner(before, prefilled=prefilled)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return before + "".join(map(joiner.feed, pieces)) + joiner.flush()


# ---------------------------------------------------------------- what is asked


def test_a_server_that_prefills_gets_the_partial_answer_last() -> None:
    messages, continues = with_partial(ASKED, "The lake", prefills=True)
    assert messages == [*ASKED, {"role": "assistant", "content": "The lake"}]
    assert continues == "The lake"


def test_other_servers_get_a_users_turn_that_names_the_last_words() -> None:
    messages, _ = with_partial(ASKED, "The lake is as deep as", prefills=False)
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert "“lake is as deep as”" in messages[-1]["content"]


@pytest.mark.parametrize("partial", ["", " deep"])
def test_an_answer_that_the_client_begins_is_continued(partial: str) -> None:
    begun: Any = {"role": "assistant", "content": [{"type": "text", "text": "The lake is"}]}
    messages, continues = with_partial([*ASKED, begun], partial, prefills=True)
    assert continues == f"The lake is{partial}"
    assert messages == [*ASKED, {"role": "assistant", "content": continues}]


def test_the_last_words_are_few_and_of_one_line() -> None:
    assert last_words("First line\nthe second ends here. ") == "the second ends here."
    assert last_words("one two three four five six") == "two three four five six"
    assert last_words("x" * 500) == "x" * MAX_REPEATED_CHARS
    assert last_words("") == ""


# ---------------------------------------------------------------- repeated text


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize(
    ("before", "text", "whole"),
    [
        ("The water was as cold as", "was as cold as ice.", "The water was as cold as ice."),
        ("The water was as cold as", "… as cold as ice.", "The water was as cold as ice."),
        ("The water was as cold as", "as ice.", "The water was as cold as ice."),
        ("Ice is as cold as", "Ice is as cold as it gets.", "Ice is as cold as it gets."),
        ("They went swim", "went swimming.", "They went swimming."),
        ("They went swim", "swimming.", "They went swimming."),
        ("It was cold. ", "It was cold. So we left.", "It was cold. So we left."),
        ("Rows:\n\n- one\n", "- one\n- two", "Rows:\n\n- one\n- two"),
    ],
)  # fmt: skip
def test_what_a_model_repeats_is_shown_once(before: str, text: str, whole: str, size: int) -> None:
    assert joined(before, text, size=size) == whole


def test_an_answer_that_begins_again_within_a_prefill_is_shown_once() -> None:
    before = "The capital of Peru is Li"
    assert joined(before, f"{before}ma.", prefilled=True) == "The capital of Peru is Lima."
    assert joined(before, "ma.", prefilled=True) == "The capital of Peru is Lima."
    assert joined(before, before, prefilled=True) == before


@pytest.mark.parametrize(
    ("before", "text"),
    [("0, 1, 0, 1,", " 0, 1, 0, 1"), ("ha ha", " ha ha!"), ("| a | b |\n", "| a | b |\n")],
)
def test_a_short_repetition_within_a_prefill_belongs_to_the_answer(before: str, text: str) -> None:
    begun = f"Well now: {before}"
    assert joined(begun, text, prefilled=True) == begun + text


def test_digits_are_no_repetition() -> None:
    assert joined("The first digits are 3.1", "1, then 4") == "The first digits are 3.11, then 4"


def test_a_long_run_of_blanks_is_held_back_only_so_far() -> None:
    joiner = ContinuationJoiner("It ends")
    shown = [joiner.feed(" ") for _ in range(MAX_HELD_CHARS)]
    assert "".join(shown) == " " * MAX_HELD_CHARS
    assert joiner.feed("here") == "here"


@pytest.mark.parametrize(
    ("before", "text", "whole"),
    [
        ("Fruit:\n1. Figs\n2.", "2. Pears", "Fruit:\n1. Figs\n2. Pears"),
        ("Sum:\n42", "42 eggs", "Sum:\n42 eggs"),
        ("Data:\n{", '{"a": 1}', 'Data:\n{"a": 1}'),
    ],
)
def test_last_words_without_letters_are_shown_once(before: str, text: str, whole: str) -> None:
    assert joined(before, text) == whole


@pytest.mark.parametrize("marks", ["“”", '""', "``", "«»"])
def test_the_quotation_marks_around_repeated_words_go_with_them(marks: str) -> None:
    text = f"{marks[0]}sat on the{marks[1]} mat."
    assert joined("The cat sat on the", text) == "The cat sat on the mat."


def test_a_quotation_that_the_text_before_opened_is_closed() -> None:
    assert joined("She said “yes", "“yes” to him") == "She said “yes” to him"


# ---------------------------------------------------------------- blanks


@pytest.mark.parametrize(("before", "text"), [("a,", "b"), ("std::", "vector"), ("f(x)", "dx")])
def test_no_blank_is_invented_where_the_server_goes_on_within(before: str, text: str) -> None:
    assert joined(before, text, prefilled=True) == before + text


@pytest.mark.parametrize(
    ("before", "text", "whole"),
    [
        ("the plan was bound to", "Yet it held.", "the plan was bound to Yet it held."),
        ("It was over.", "Then rain fell.", "It was over. Then rain fell."),
        ("red, green,", "blue", "red, green, blue"),
        ("in the year 1984", "I was born", "in the year 1984 I was born"),
        ("half of a wo", "rd", "half of a word"),
        ("bound to", " fail", "bound to fail"),
        ("bound to ", "fail", "bound to fail"),
        ("bound to ", " fail", "bound to fail"),
        ("a line\n", "    indented", "a line\n    indented"),
        ("3.", "14", "3.14"),
        ("see example.", "org", "see example.org"),
        ("NA", "SA", "NASA"),
        ("これは", "ペンです", "これはペンです"),
        ("```js\nconst get", "Name = 1", "```js\nconst getName = 1"),
        ("call `get", "Name`", "call `getName`"),
    ],
)
def test_a_blank_stands_where_a_new_word_begins(before: str, text: str, whole: str) -> None:
    assert joined(before, text) == whole


def test_a_name_of_two_capitals_is_one_word_where_the_server_goes_on_within_it() -> None:
    assert joined("It is on Git", "Hub.", prefilled=True) == "It is on GitHub."
    assert joined("It was bound to", "But no", prefilled=True) == "It was bound to But no"
    assert lacks_blank("It is on Git", "Hub.")


def test_code_is_told_by_its_fence_or_backtick() -> None:
    assert [is_in_code(text) for text in ("```py\nx", "a `b", "```py\nx\n```\n", "a `b` c")] == [
        True,
        True,
        False,
        False,
    ]


# ---------------------------------------------------------------- of all texts

words = st.text("ab .,`\n", max_size=12)


@given(words, words, st.booleans(), st.integers(1, 5))
@example("aa  ", "aa  ", False, 1)
def test_the_pieces_make_no_difference(before: str, text: str, prefilled: bool, size: int) -> None:
    whole = joined(before, text, prefilled=prefilled, size=size)
    assert whole == joined(before, text, prefilled=prefilled, size=100)


@given(words, words)
def test_the_text_ends_as_the_continuation_does(before: str, text: str) -> None:
    whole = joined(before, text)
    assert whole.startswith(before)
    assert text.endswith(whole[len(before) :].lstrip())


@given(words)
def test_a_new_answer_is_left_as_it_is(text: str) -> None:
    assert joined("", text) == text
