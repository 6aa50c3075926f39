"""The vocabulary corrects single typing errors, and tells known words from unknown ones."""

from __future__ import annotations

import pytest

from orch.classifier.linear_model import LinearClassifier
from orch.classifier.spelling import MAX_GUESSES, READ_WORDS, Vocabulary

WORDS = LinearClassifier.shipped().vocabulary


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("fucntion", "function"),
        ("funtion", "function"),
        ("functiom", "function"),
        ("funcction", "function"),
        ("resmue", "resume"),
        ("traducee", "traduce"),
    ],
)
def test_a_typing_error_is_corrected(typed: str, meant: str) -> None:
    assert WORDS.corrected([typed]) == [meant]


def test_known_short_and_unusual_words_are_not_corrected() -> None:
    words = ["write", "teh", "x1", "qzxwvk", "größe", "__init__"]
    assert WORDS.corrected(words) == words


def test_of_two_corrections_the_more_frequent_word_is_taken() -> None:
    assert Vocabulary(["string", "strong"]).corrected(["strng", "strxng"]) == ["strng", "string"]


def test_a_vocabulary_survives_serialization() -> None:
    again = Vocabulary.from_bytes(WORDS.to_bytes())
    assert len(again) == len(WORDS) > 5_000
    with pytest.raises(ValueError, match="not a vocabulary"):
        Vocabulary.from_bytes(b"words")


def test_only_the_first_unknown_words_are_corrected_by_trying_letters() -> None:
    missing = ["functon", "functin", "funtion"]
    assert len(missing) > MAX_GUESSES
    assert WORDS.corrected(missing) == ["function", "function", "funtion"]
    assert WORDS.corrected([*missing[:2], "fucntion"])[-1] == "function"


def test_the_end_of_a_long_text_is_not_corrected() -> None:
    words = ["write"] * READ_WORDS + ["fucntion"]
    assert WORDS.corrected(words) == words


def test_the_first_letter_is_never_replaced() -> None:
    assert Vocabulary(["string"]).corrected(["dtring", "xstring"]) == ["dtring", "string"]


@pytest.mark.parametrize(
    ("words", "share"),
    [
        (["sort", "list", "zzz", "a"], 2 / 3),
        (["sort"], 1.0),
        (["zzz"], 0.0),
        (["a"], 1.0),
        ([], 1.0),
    ],
)
def test_the_share_of_known_words_counts_words_of_two_letters_or_more(
    words: list[str], share: float
) -> None:
    assert Vocabulary(["sort", "list"]).known_share(words) == pytest.approx(share)


def test_added_words_are_known_but_rank_below_the_others() -> None:
    words = Vocabulary.from_bytes(Vocabulary(["string"]).to_bytes(), ["strong", "string"])
    assert list(words) == ["string", "strong"]
    assert words.corrected(["strxng"]) == ["string"]
