"""A parsed task: kind of question, tense, language, and concepts with their positions."""

from __future__ import annotations

import pytest

from orch.text.equivalence.parse import parse_task, with_cognates


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("What is the capital of France?", "¿Cuál es la capital de Francia?"),
        ("How do I delete a file in Linux?", "¿Cómo borro un archivo en Linux?"),
        ("Who wrote Hamlet?", "¿Quién escribió Hamlet?"),
        ("Who will win?", "¿Quién ganará?"),
        ("Why do cats sleep?", "¿Por qué duermen los gatos?"),
    ],
)
def test_a_task_has_one_kind_one_tense_and_one_set_of_concepts_in_both_languages(
    english: str, spanish: str
) -> None:
    one, other = parse_task(english), parse_task(spanish)
    assert (one.kind, one.tense, one.concepts()) == (other.kind, other.tense, other.concepts())
    assert (one.spanish, other.spanish) == (False, True)
    assert one.kind


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("How do I delete a file in Linux?", "delete:verb: file:noun: linux:tech:in"),
        ("Run it without sudo", "run:verb: it:word: without:negation: sudo:word:"),
        ("The biggest planet", "most-big:adjective: planet:noun:"),
        ("Is Go faster than C?", "go:tech: more-fast:adjective: c:tech:than"),
        ("What is my IP?", "my:word: ip:word:"),
        ("How do I find my IP?", "find:verb: ip:word:"),
        ("Cats or dogs", "cat:noun: or:joint: dog:noun:"),
        ("Check in Python", "check:verb: python:tech:+in"),
        ("The letter a", "letter:noun: a:word:"),
    ],
)
def test_a_word_has_its_concept_kind_and_preposition(text: str, words: str) -> None:
    parsed = parse_task(text).words
    assert [f"{word.concept}:{word.kind}:{word.role}" for word in parsed] == words.split()


def test_a_number_is_joined_with_its_unit() -> None:
    assert list(parse_task("Convert 1,500 km and 5 miles").concepts("number")) == [
        "1500 km",
        "5 mile",
    ]


def test_a_quotation_is_one_word_and_kept_as_written() -> None:
    [quote] = parse_task('Translate "Good  Dog" to Spanish').concepts("quote")
    assert quote == '"Good Dog"'


def test_words_that_others_imply_are_dropped() -> None:
    assert parse_task("Read a CSV file").concepts() == parse_task("Read a CSV").concepts()
    assert "file" in parse_task("Read a file").concepts()


def test_words_of_a_list_share_a_row_but_not_a_phrase() -> None:
    list_, dict_, set_ = parse_task("List of dicts and sets").words
    assert dict_.row == set_.row != list_.row
    assert dict_.phrase != set_.phrase
    assert [word.plural for word in (list_, dict_, set_)] == [False, True, True]


def test_the_person_of_a_spanish_verb_is_a_word_unless_the_question_is_how() -> None:
    assert "you" in parse_task("¿Qué comes tú?").concepts()
    assert "i" not in parse_task("¿Cómo borro un archivo?").concepts()


@pytest.mark.parametrize(
    ("text", "article"),
    [("What is the cloud?", "the"), ("¿Qué es una nube?", "a"), ("What is love?", "")],
)
def test_the_article_says_one_or_one_of_many(text: str, article: str) -> None:
    assert parse_task(text).article == article


def test_names_have_capitals_and_things_an_article() -> None:
    parsed = parse_task("Is Apple an apple or a Banana?")
    assert parsed.names == {"apple"} == parsed.things


def test_unknown_words_get_the_root_of_both_languages() -> None:
    words = [
        with_cognates(parse_task(text)).concepts() for text in ("An hypothesis", "Una hipótesis")
    ]
    assert words[0] == words[1]
    assert with_cognates(parse_task("A file")).concepts() == {"file": 1}
