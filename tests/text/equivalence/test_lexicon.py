"""The concept of a word: by its form, its plural, its verb form or its root in two languages."""

from __future__ import annotations

import pytest

from orch.text.equivalence.lexicon import cognate_stem, listed_form, looks_like_code, lookup


@pytest.mark.parametrize(
    ("token", "concept", "kind"),
    [
        ("delete", "delete", "verb"),
        ("erase", "delete", "verb"),
        ("borro", "delete", "verb"),
        ("borrando", "delete", "verb"),
        ("running", "run", "verb"),
        ("makes", "make", "verb"),
        ("desactivo", "disable", "verb"),
        ("quickly", "fast", "adjective"),
        ("pequeña", "small", "adjective"),
        ("python", "python", "tech"),
        ("meters", "m", "unit"),
        ("gatos", "cat", "noun"),
        ("m", "m", "word"),
        ("zzz", "zzz", "word"),
        ("max_tokens", "max_tokens", "code"),
        ("x1", "x1", "word"),
    ],
)
def test_a_listed_form_has_its_concept_and_another_is_its_own(
    token: str, concept: str, kind: str
) -> None:
    assert lookup(token)[:2] == (concept, kind)


@pytest.mark.parametrize(
    ("token", "past"),
    [("wrote", True), ("stopped", True), ("hizo", True), ("delete", False), ("need", False)],
)
def test_the_past_of_a_verb_is_marked(token: str, past: bool) -> None:
    assert lookup(token)[2] is past


@pytest.mark.parametrize(
    ("token", "concept", "plural"),
    [
        ("cities", "city", True),
        ("boxes", "box", True),
        ("zzzs", "zzz", True),
        ("news", "news", False),
        ("virus", "virus", False),
        ("kubernetes", "kubernetes", False),
        ("makes", "make", False),
    ],
)
def test_a_plural_has_the_concept_of_its_singular(token: str, concept: str, plural: bool) -> None:
    assert (lookup(token)[0], lookup(token)[3]) == (concept, plural)


def test_a_spanish_stem_ends_with_a_hyphen() -> None:
    assert [listed_form(token) for token in ("borrar", "delete", "zzz")] == ["borr-", "delete", ""]


@pytest.mark.parametrize("token", ["a_b", "/etc", "f(x)", "node.js", "-r", ".env", "5!=", "a&&b"])
def test_marks_of_an_identifier_look_like_code(token: str) -> None:
    assert looks_like_code(token)


@pytest.mark.parametrize("token", ["word", "don't", "it's", "e-mail", "ñandú"])
def test_a_word_does_not_look_like_code(token: str) -> None:
    assert not looks_like_code(token)


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("system", "sistema"),
        ("photography", "fotografia"),
        ("university", "universidad"),
        ("commission", "comision"),
    ],
)
def test_words_of_one_root_have_one_stem_in_both_languages(english: str, spanish: str) -> None:
    assert cognate_stem(english) == cognate_stem(spanish)


@pytest.mark.parametrize("word", ["library", "libreria", "short", "actual", "x_y_z_w"])
def test_false_friends_and_short_words_have_no_stem(word: str) -> None:
    assert cognate_stem(word) == word
