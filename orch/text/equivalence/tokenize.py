"""Splits a text into tokens and normalizes them to the forms that the tables list."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch.text.equivalence.function_words import CONJUNCTIONS, DROPPED_ES, PREPOSITIONS
from orch.text.equivalence.lexicon import listed_form, looks_like_code, lookup, unit_forms
from orch.text.equivalence.vocabulary import ALIASES, TECH
from orch.text.language import STOP_WORDS, fold, likely_language, split_words


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
    """Whether a task is in Spanish: by its function words, or a Spanish verb at the beginning."""
    return likely_language(text, split_words(fold(text))) == "es" or any(
        listed_form(without_accents(token)).endswith("-") for token in tokens[:2]
    )


def _is_english(tokens: list[str]) -> bool:
    """Whether a task is in English: by a stop word except `a`, or a verb at the beginning."""
    words = {word for token in tokens for word in split_words(fold(token))} - {"a"}
    first = without_accents(tokens[0])
    return not STOP_WORDS["en"].isdisjoint(words) or listed_form(first) == first


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
    return fold(token, keep="ñ", form="NFD")


def _accent_tense(lower: str, plain: str) -> str:
    """The tense mark of a known Spanish verb, from its accent."""
    if lookup(plain)[1] != "verb":
        return ""
    if lower.endswith(("rá", "rán", "ré", "rás")):
        return ">"
    return (
        "<" if lower.endswith(("ó", "é", "í", "aron", "ieron", "aba", "aban", "ía", "ían")) else ""
    )
