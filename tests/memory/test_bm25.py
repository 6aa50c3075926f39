"""Words for the index: one word is one token in whatever form and language it comes, and repeating
it makes it count more, but never much."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.memory import bm25
from orch.memory.bm25 import (
    K1,
    PAIR_WEIGHT,
    document_weights,
    normalized_words,
    query_weights,
    terms,
    transcript_speaker,
    words_changed,
)
from tests.support.untimed import untimed

WORDS = st.lists(
    st.sampled_from("sea docker reunión niños running 2024 the de ñandú 007 straße".split()),
    max_size=12,
).map(" ".join)


def score(question: str, document: str) -> float:
    """What a document would score for a question if every word were equally rare."""
    weights = document_weights(document)
    return sum(
        weight * weights.get(token, 0.0) for token, weight in query_weights(question).items()
    )


@pytest.fixture
def without_stemmer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyStemmer can't be imported."""
    monkeypatch.setitem(sys.modules, "Stemmer", None)
    bm25._stemmer.cache_clear()
    yield
    bm25._stemmer.cache_clear()


# ---------------------------------------------------------------- words and terms


def test_words_are_folded_and_numbers_lose_their_leading_zeros() -> None:
    assert normalized_words("Reunión_07 del NIÑO, 000") == ["reunion", "7", "del", "nino", "0"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("she was running in the hills", "they run on a hill"),
        ("las reuniones de los clientes", "la reunión del cliente"),
        ("¿Dónde compré los zapatos?", "mis zapatos, que compre"),
    ],
)
def test_forms_of_a_word_share_their_terms(one: str, other: str) -> None:
    assert set(terms(one)) & set(terms(other)) == set(terms(one))


@pytest.mark.parametrize(
    "only_stop_words", ["", "what did you do?", "¿qué es lo que hay en el?", "... !?"]
)
def test_a_question_of_stop_words_asks_for_nothing(only_stop_words: str) -> None:
    assert query_weights(only_stop_words) == {}


def test_a_stop_word_of_one_language_is_a_word_of_the_other() -> None:
    assert "sin" in terms("what is the sin of the father")
    assert "sin" not in terms("el café con leche y sin azúcar")


def test_one_word_alone_does_not_make_a_text_spanish() -> None:
    assert terms("sea") == ["sea"]


# ---------------------------------------------------------------- weights


def test_a_question_in_english_finds_what_was_written_in_spanish_by_their_common_words() -> None:
    assert (
        score(
            "how do I restart the docker containers",
            "para reiniciar docker hay que escribir la orden",
        )
        > 0
    )


@pytest.mark.parametrize(
    "question", ["what happened on 3 May 2023", "qué pasó el 3 de mayo de 2023"]
)
def test_a_day_is_found_in_both_languages(question: str) -> None:
    assert score(question, "[03 May 2023] lunch") > score(question, "[17 May 2022] lunch") > 0


def test_a_repeated_word_counts_more_but_is_saturated() -> None:
    once, twice, often = (
        score("boat", " ".join(["boat"] * n + ["hill"] * (40 - n))) for n in (1, 2, 39)
    )
    assert once < twice < often < K1 + 1


def test_a_word_counts_more_in_a_short_text() -> None:
    assert score("sea", "sea") > score("sea", "sea and " + "hills " * 200)


def test_words_in_a_row_find_more_than_the_same_words_apart() -> None:
    apart, together = (
        score("blue car", document) for document in ("car paint blue", "paint blue car")
    )
    assert together == pytest.approx(apart * (1 + PAIR_WEIGHT / 2))


def test_tokens_are_the_same_in_every_process() -> None:
    assert list(document_weights("boat")) == [3631121226]


@untimed
@given(WORDS)
def test_every_text_finds_itself_unless_it_has_stop_words_only(document: str) -> None:
    assert (score(document, document) > 0) == bool(terms(document))


@untimed
@given(st.text(max_size=80))
def test_any_text_has_tokens_of_32_bits_with_finite_weights(any_text: str) -> None:
    weights = document_weights(any_text)
    assert all(0 <= token < 2**32 and 0 < weight < K1 + 1 for token, weight in weights.items())


@pytest.mark.usefixtures("without_stemmer")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("walked in the rain", "walking, it rains"),
        ("las canciones cantadas", "la cancion, cantando"),
    ],
)
def test_without_pystemmer_the_commonest_endings_go(one: str, other: str) -> None:
    assert score(one, other) > 0


# ---------------------------------------------------------------- the speaker


@pytest.mark.parametrize(
    ("line", "speaker"),
    [
        ("Ana: see you at 8: bring wine", "Ana"),
        ("[1:56 pm on 8 May, 2023] María José: hola", "María José"),
        ("see https://example.org", ""),
        ("I said this to the man from the shop: no", ""),
        ("12: noon", ""),
        ("", ""),
    ],
)
def test_a_transcripts_line_names_its_speaker(line: str, speaker: str) -> None:
    assert transcript_speaker(line) == speaker


# ---------------------------------------------------------------- scripts without blanks

TEXTS = {
    "zh": "新的合同放在财务室的保险柜里，密码问李娜。",
    "zh2": "下周三下午去机场接客户，航班号晚点再发。",
    "ja": "会議室の予約は受付の田中さんに頼んでください。",
    "ja2": "バックアップは毎晩ＮＡＳへ保存されます。",
    "ko": "서버 비밀번호는 박지훈이 관리합니다. 집에서는 접속 금지.",
    "th": "กุญแจห้องประชุมอยู่ที่ฝ่ายบุคคล",
    "de": "Der Schlüssel liegt bei Frau Weiß in der Gießerei.",
}


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("保险柜", "zh"),
        ("李娜", "zh"),
        ("谁去机场", "zh2"),
        ("田中", "ja"),
        ("会議室の予約", "ja"),
        ("ﾊﾞｯｸｱｯﾌﾟ nas", "ja2"),
        ("박지훈", "ko"),
        ("비밀번호", "ko"),
        ("집", "ko"),
        ("ห้องประชุม", "th"),
        ("giesserei", "de"),
        ("WEISS", "de"),
    ],
)
def test_a_word_is_found_in_a_script_without_blanks(question: str, found: str) -> None:
    assert max(TEXTS, key=lambda name: score(question, TEXTS[name])) == found
    assert score(question, TEXTS[found]) > 0


def test_a_character_of_a_longer_word_counts_less_than_the_word() -> None:
    assert 0 < score("电脑", "电话坏了") < score("电脑", "电脑坏了") / 3


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("plain words, 007", False),
        ("Año nuevo — café", False),
        ("Привет, мир", False),
        ("Straße", True),
        ("東京", True),
        ("ガス", True),
        ("서울", True),
    ],
)
def test_words_of_the_earlier_tokenizer_are_told_apart(text: str, changed: bool) -> None:
    assert words_changed(text) is changed
