"""Texts as hashed words, word pairs and surface features, of bounded size."""

from __future__ import annotations

import math
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.quality.features import BUCKETS, HEAD_CHARS, TAIL_CHARS, TOKENS, hash_text


def bucket(name: str) -> int:
    return zlib.crc32(name.encode()) % BUCKETS


def buckets(text: str) -> list[set[int]]:
    return [set(at) for at, _ in hash_text(text)]


@given(st.text(max_size=200))
def test_every_group_has_length_1_and_each_bucket_a_name(text: str) -> None:
    for at, value in hash_text(text):
        assert len(at) * value**2 == pytest.approx(1)
        assert all(0 <= each < BUCKETS for each in at)


def test_words_and_pairs_ignore_case_and_repetition() -> None:
    words, pairs, _ = buckets("Sort the list, sort the LIST")
    assert words == {bucket(f"1{word}") for word in ("sort", "the", "list", ",")}
    assert bucket("2sort the") in pairs
    assert bucket("2list sort") not in pairs
    assert hash_text("sort")[0] == ([bucket("1sort")], 1.0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sort the list", "Sort the list"),
        ("sort the list", "sort the list?"),
        ("sort the list", "sort the\nlist"),
        ("sort 1 list", "sort 1 2 3 lists"),
        ("what is x", "what is $x"),
        ("sort the list", "list the sort"),
    ],
)
def test_the_surface_of_a_text_counts_too(one: str, other: str) -> None:
    assert buckets(one)[-1] != buckets(other)[-1]


def test_an_empty_text_has_a_surface_alone() -> None:
    assert len(hash_text("")) == len(hash_text(" ")) == 1


def test_the_head_and_the_tail_of_a_long_text_are_read() -> None:
    head, tail = "head " * (HEAD_CHARS // 5), "tail " * (TAIL_CHARS // 5)
    words = buckets(f"{head}middle {'x ' * 5_000}{tail}")[0]
    assert bucket("1head") in words
    assert bucket("1tail") in words
    assert bucket("1middle") not in words


def test_a_text_of_many_tokens_is_cut_in_the_middle() -> None:
    text = " ".join(f"w{number}" for number in range(TOKENS))
    assert len(text) < HEAD_CHARS + TAIL_CHARS
    marks = "." * 300
    words = buckets(f"first {marks}middle{marks} last")[0]
    assert {bucket("1first"), bucket("1last")} <= words
    assert bucket("1middle") not in words
    assert math.isclose(hash_text(text)[0][1], TOKENS**-0.5)


def test_lone_surrogates_are_hashed() -> None:
    assert len(hash_text("\ud800 a")) == 3
