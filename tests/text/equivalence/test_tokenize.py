"""Texts as tokens in the forms that the tables list."""

from __future__ import annotations

import pytest

from orch.text.equivalence.tokenize import is_spanish, normalize_token, tokenize, without_accents


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Convert 10km to miles.", "Convert 10 km to miles"),
        ("¿Cuánto son $5 en euros?", "Cuánto son 5 usd en euros"),
        ("e-mail the well-known author", "email the well known author"),
        ("call f(x) now!", "call f(x) now"),
        ("a, b; c: d", "a , b , c , d"),
        ("What is C#?!", "What is C#"),
        ("Is 5! big?", "Is 5! big"),
        ("[1] (see) 'it'", "1 see it"),
        ("wait ...", "wait"),
        ("a && b", "a && b"),
        ('"0 "1', '"0 "1'),
    ],
)
def test_a_text_is_split_into_words_numbers_units_and_commas(text: str, tokens: str) -> None:
    assert tokenize(text.split()) == tokens.split()


@pytest.mark.parametrize(
    ("text", "spanish"),
    [
        ("¿Cuál es la capital?", True),
        ("Borra archivos", True),
        ("Delete files", False),
        ("Kubernetes", False),
    ],
)
def test_a_text_is_spanish_by_its_function_words_or_its_first_verb(
    text: str, spanish: bool
) -> None:
    assert is_spanish(text, tokenize(text.split())) is spanish


def normalized(text: str, spanish: bool = False) -> list[str]:
    tokens = tokenize(text.split())
    return [normalize_token(token, at, tokens, spanish) for at, token in enumerate(tokens)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Ask Node.js", "ask node"),
        ("Keep max_Tokens and README.md", "keep max_Tokens and README.md"),
        ("Live in the US or IT", "live in the usa or ^it"),
        ("Vitamin A and a pill", "vitamin ^a and a pill"),
        ("World War I ended", "world war i ended"),
        ("DO IT", "do it"),
    ],
)
def test_a_token_is_lower_case_unless_its_case_has_a_meaning(text: str, tokens: str) -> None:
    assert normalized(text) == tokens.split()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Él borró el año", "el borro< el año"),
        ("Mañana borrará todo", "mañana borrara> todo"),
        ("borraron", "borraron<"),
        ("Perú está aquí", "peru esta aqui"),
        ("voy a casa", "voy a~ casa"),
    ],
)
def test_accents_are_removed_and_the_tense_of_a_verb_is_marked(text: str, tokens: str) -> None:
    assert normalized(text, spanish=True) == tokens.split()


def test_ñ_keeps_its_mark() -> None:
    assert without_accents("ÁÑO") == "año"
