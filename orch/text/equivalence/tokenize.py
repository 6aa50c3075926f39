"""Splits a text into tokens and normalizes them to the forms that the tables list."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch.text.equivalence.function_words import CONJUNCTIONS, DROPPED_ES, PREPOSITIONS
from orch.text.equivalence.lexicon import listed_form, looks_like_code, lookup, unit_forms
from orch.text.equivalence.vocabulary import ALIASES, TECH
from orch.text.fold import strip_marks

_ENGLISH = frozenset(
    "the is are how what what's why when where who which do does can could my to of in for with me"
    " i from this and into please need that".split()
)
_SPANISH = frozenset(
    (
        "el la los las un una unos de del que es en con por para como cual cuales cuando donde"
        " quien qué cómo y al sin dame dime explica escribe pasa convierte traduce trenes receta"
    ).split()
)


def tokenize(raw: list[str]) -> list[str]:
    """Splits raw words into words, numbers, units and commas; the number of a quotation stays with
    its mark."""
    return [piece for at, run in enumerate(raw) for piece in _pieces(run, last=at == len(raw) - 1)]


def _pieces(token: str, last: bool) -> Iterator[str]:
    """One raw word without the punctuation of the sentence; a number and its unit are separate."""
    if token.startswith('"') and token[1:].isdigit():
        yield token
        return
    if not any(each.isalnum() for each in token):
        if not (last and set(token) <= set("?!.…")):
            yield token
        return
    core = token.lstrip("¿¡([\"'").rstrip("?.…,;:)]\"'")
    if not re.search(r"\d!", core):
        core = core.rstrip("!?.,")
    if token.endswith((")", "]")) and re.search(r"\w[(\[]", core):
        core = token.rstrip("?.,;:")
    number = re.fullmatch(r"([$€£]?)(\d[\d.,]*)(°?[A-Za-zº%°/€$£]*)", core)
    if number and (number[3].lower() in unit_forms() or not number[3] or number[1]):
        yield from (
            piece
            for piece in (
                number[2],
                number[3],
                {"$": "usd", "€": "eur", "£": "gbp"}.get(number[1], ""),
            )
            if piece
        )
    elif re.fullmatch(r"[^\W\d_]+(?:-[^\W\d_]+)+", core):
        yield from core.split("-") if core.lower() != "e-mail" else ["email"]
    else:
        yield core
    if token.rstrip("\"'").endswith((",", ";", ":")):
        yield ","


def is_spanish(text: str, tokens: list[str]) -> bool:
    """By a mark, function words or a verb at the beginning."""
    return (
        "¿" in text
        or not _SPANISH.isdisjoint(token.lower() for token in tokens)
        or any(listed_form(without_accents(token)).endswith("-") for token in tokens[:2])
    )


def _is_english(tokens: list[str]) -> bool:
    """By function words or a verb at the beginning."""
    return not _ENGLISH.isdisjoint(token.lower() for token in tokens) or listed_form(
        without_accents(tokens[0])
    ) == without_accents(tokens[0])


def normalize_token(token: str, at: int, tokens: list[str], spanish: bool) -> str:
    """Lower case without accents (ñ stays), with the tense of a verb as < or >; identifiers and
    upper-case function words keep their form."""
    lower = token.lower()
    if lower in TECH or lower in ALIASES or lower in unit_forms():
        return ALIASES.get(lower, lower)
    if looks_like_code(token) and token != ",":
        return token
    if (
        token.isupper()
        and 1 < len(token) < 5
        and not all(each.isupper() for each in tokens if each.isalpha())
        and lower
        in DROPPED_ES | set(PREPOSITIONS) | set(CONJUNCTIONS) | {"it", "us", "who", "not", "if"}
    ):
        return "usa" if token == "US" else "^" + lower
    if (
        token == "I"
        and at
        and tokens[at - 1][:1].isupper()
        and at > 1
        and tokens[at - 1].lower() != "war"
    ):
        return "^i"
    plain = without_accents(token)
    if lower == "esta":
        return "este"
    if plain == "a" and at:
        return "^a" if token == "A" else "a~" if spanish or not _is_english(tokens) else "a"
    if lower != plain or lower.endswith(("aron", "ieron", "aba", "aban")):
        return plain + _accent_tense(lower, plain)
    return plain


def without_accents(token: str) -> str:
    """Lower case without accents; ñ stays."""
    return strip_marks(token.lower().replace("ñ", "\0"), "NFD").replace("\0", "ñ")


def _accent_tense(lower: str, plain: str) -> str:
    """The tense mark of a known Spanish verb, from its accent."""
    if lookup(plain)[1] != "verb":
        return ""
    if lower.endswith(("rá", "rán", "ré", "rás")):
        return ">"
    return (
        "<" if lower.endswith(("ó", "é", "í", "aron", "ieron", "aba", "aban", "ía", "ían")) else ""
    )
