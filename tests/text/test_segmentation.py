"""Words of every script: with blanks, and without them as sequences of characters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.text.segmentation import (
    fold_for_search,
    is_sequence,
    search_words,
    single_characters,
)

MIXED = st.text(st.sampled_from("ab1 ßÉ東京都カガｶﾞ서울에กรุงเทพ हिन्दीالبيتå。、_-"), max_size=40)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GROSSE", "große"),
        ("ＯＲＣＨ２", "orch2"),
        ("ﾃﾞｰﾀ", "データ"),
        ("Ærø", "aero"),
        ("Łódź", "lodz"),
        ("한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
        ("كـتاب", "كتاب"),
        ("soft\xadware", "software"),
    ],
)
def test_forms_of_one_word_are_folded_alike(one: str, other: str) -> None:
    assert fold_for_search(one) == fold_for_search(other)


def test_a_voiced_kana_is_another_letter() -> None:
    assert fold_for_search("ガス") != fold_for_search("カス")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("東京都", ["東京", "京都"]),
        ("新しいPC3台", ["新し", "しい", "pc3", "台"]),
        ("サーバー、停止", ["サー", "ーバ", "バー", "停止"]),
        ("서울에서 만나", ["서울", "울에", "에서", "만나"]),
        ("กรุงเทพ 2024", ["กรง", "รงเ", "งเท", "เทพ", "2024"]),
        ("हिन्दी पाठ", ["हिनदी", "पाठ"]),
        ("في البيت", ["في", "بيت"]),
        ("Año_007", ["ano", "7"]),
        ("。、！", []),
    ],
)
def test_words_and_sequences_come_in_order(text: str, words: list[str]) -> None:
    assert search_words(text) == words


def test_sequences_are_told_from_words() -> None:
    assert [word for word in search_words("the 東京 café กรุง") if is_sequence(word)] == [
        "東京",
        "กรง",
    ]


def test_a_chinese_character_and_a_first_syllable_may_be_a_word() -> None:
    assert single_characters("黒い猫 집에서 กรุง cat") == ["黒", "猫", "집"]
    assert single_characters("plain text") == []


@settings(deadline=None)
@given(MIXED, MIXED)
def test_the_words_of_a_text_stay_where_others_follow(one: str, other: str) -> None:
    assert search_words(f"{one} | {other}") == search_words(one) + search_words(other)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_folding_a_folded_text_changes_no_words(text: str) -> None:
    folded = fold_for_search(text)
    assert "" not in search_words(text)
    assert fold_for_search(folded) == folded


def test_many_marks_take_no_quadratic_time() -> None:
    assert search_words("a" + "\u0316\u0301" * 200_000) == ["a"]
