"""Texts in chunks: cut at headings, paragraphs and sentences, without noise; of long questions, the
ends."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.memory import chunking


def test_a_long_question_is_asked_by_its_beginning_and_its_end() -> None:
    asked = chunking.search_text(f"Summarise this: {'word ' * 100_000} and tell me who nemo is")
    assert asked.startswith("Summarise this:")
    assert asked.endswith("who nemo is")
    assert len(asked) <= chunking.HEAD_ASKED + chunking.TAIL_ASKED + 1


def test_noise_in_a_question_is_not_looked_up() -> None:
    assert chunking.search_text(base64.b64encode(bytes(range(256)) * 8).decode()) == ""


# ---------------------------------------------------------------- splitting


def test_a_text_that_fits_is_one_chunk() -> None:
    assert chunking.split_text("  one\n\ntwo ", 8) == ["one\n\ntwo"]
    assert chunking.split_text(" \n ") == []


@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        ("# One\nsome words\n# Two\nmore words", ["# One\nsome words", "# Two\nmore words"]),
        ("some words here\n\nand more words", ["some words here", "and more words"]),
        ("A sentence here. Another one here.", ["A sentence here.", "Another one here."]),
        ("abcdefghijklmnopqrstuvwxyz", ["abcdefghijklmnopqrst", "uvwxyz"]),
    ],
)
def test_a_long_text_is_cut_at_its_coarsest_break(text: str, chunks: list[str]) -> None:
    assert chunking.split_text(text, 20) == chunks


def test_small_neighbours_are_joined_but_not_over_a_heading() -> None:
    assert chunking.split_text("a\n\nb\n\n# C\n\nd\n\neeeeeeeeeee", 16) == [
        "a\n\nb",
        "# C\n\nd",
        "eeeeeeeeeee",
    ]


@given(text=st.text(st.sampled_from("ab #.\n"), max_size=200), most=st.integers(5, 40))
def test_no_chunk_is_longer_than_the_most_and_no_letter_is_lost(text: str, most: int) -> None:
    chunks = chunking.split_text(text, most)
    assert all(0 < len(chunk) <= most for chunk in chunks)
    assert "".join("".join(chunks).split()) == "".join(text.split())


def test_a_short_question_stands_before_the_beginning_of_its_answer() -> None:
    assert chunking.run_chunks("what is nemo?", "the server") == ["what is nemo?\n\nthe server"]


def test_a_long_question_has_chunks_of_its_own() -> None:
    question = "a word " * 200
    chunks = chunking.run_chunks(question, "the answer")
    assert "the answer" in chunks[-1]
    assert all("the answer" not in chunk for chunk in chunks[:-1])
    assert " ".join(chunks[:-1]).split() == question.split()


def test_a_very_long_answer_is_cut_at_the_most_chunks() -> None:
    assert len(chunking.run_chunks("q", "some words. " * 5_000)) == chunking.MAX_CHUNKS
