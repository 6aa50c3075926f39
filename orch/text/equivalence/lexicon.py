"""Lexicon: finds the concept of a word by its own form, plural, verb form, or common root of
English and Spanish."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from orch.text.equivalence.vocabulary import ADJECTIVES, NOUNS, TECH, UNITS, VERBS

_CODE = r"[_/\\()\[\]{}<>=*&|^~$@#+]|\w\.\w|^-|^\.\w|:\w|\w:$|!\w"
"""Marks of an identifier, a path or an operator."""
_ENDINGS = tuple(
    """andolo arlo arla arse erse irse ando iendo yendo endo aron ieron abamos ados adas ado ada ido
    ida idos idas amos emos imos aria eria iria ara era ira aran eran iran aba aban ia
    ian ar er ir an en as es a e o io eo""".split()
)
_KEPT_PLURAL = frozenset(
    (
        "news means goods arms customs series species physics mathematics glasses pants "
        "lens kubernetes"
    ).split()
)
"""Words in -s that are not plurals."""
COGNATES = [
    ("ph", "f"),
    ("th", "t"),
    ("tion", "cion"),
    ("ss", "s"),
    ("([b-df-hj-np-tv-z])\\1", r"\1"),
    ("y", "i"),
    ("k|qu|ch", "c"),
    ("idad$", "iti"),
    ("[aeo]$", ""),
]
"""Rewrites that give an English and a Spanish word of one root the same form. Only for unknown
words of tasks in two languages."""
COGNATE_CHARS = 6
FALSE_FRIENDS = frozenset(
    (
        "fabric fabrica carpet carpeta library libreria parent pariente college colegio idiom"
        " idioma lecture lectura notice noticia success suceso billion billon argument argumento"
        " compromise compromiso contest contesta deception decepcion gracious gracioso luxury"
        " lujuria relative relativo sentence sentencia sympathetic simpatico support soporta"
        " torment tormenta casualty casualidad commodity comodidad direction direccion patron"
        " bizarre bizarro conference conferencia editor collar balance sensible discuss attend"
        " actual"
    ).split()
)
Entry = tuple[str, str, bool, bool]
"""Concept, kind, whether the form is past, whether it is plural."""


@lru_cache(maxsize=1)
def unit_forms() -> dict[str, str]:
    """The unit of each form."""
    return {form: concept.split()[0] for concept in UNITS.split(";") for form in concept.split()}


@lru_cache(maxsize=1)
def _forms() -> dict[str, tuple[str, str, bool]]:
    """Every listed form: concept, kind, past. A form belongs to the first table that lists it."""
    forms: dict[str, tuple[str, str, bool]] = {name: (name, "tech", False) for name in TECH}
    for table, kind in (
        (NOUNS, "noun"),
        (ADJECTIVES, "adjective"),
        (VERBS.replace("|", " |"), "verb"),
    ):
        for concept in table.split(";"):
            english, _, spanish = concept.partition("|")
            first = english.split()[0]
            for form in english.split():
                forms.setdefault(form.rstrip("!"), (first, kind, form.endswith("!")))
            for stem in spanish.split():
                forms.setdefault(
                    stem.rstrip("!") if stem.endswith("!") else stem + "-",
                    (first, kind, stem.endswith("!")),
                )
    return forms


@lru_cache(maxsize=4096)
def lookup(token: str) -> Entry:
    """Looks up a folded token by its own form, as a plural or as a verb form; an unknown token is
    its own concept."""
    token = token.rstrip("<>")
    measures, singular = unit_forms(), _singular(token)
    for form in (token, singular):
        if form in measures and form not in {"m", "g", "l", "s", "h", "w", "c°"} and len(form) > 1:
            return measures[form], "unit", False, False
    if not token.isalpha():
        return token, "code" if looks_like_code(token) else "word", False, False
    if form := listed_form(token):
        concept, kind, past = _forms()[form]
        return (
            concept,
            kind,
            past or (kind == "verb" and token.endswith("ed") and token != form),
            kind != "verb" and token != form and token.endswith("s"),
        )
    return singular, "word", False, singular != token


def looks_like_code(token: str) -> bool:
    """Whether a token has a mark that words do not have."""
    return re.search(_CODE, token) is not None


def listed_form(token: str) -> str:
    """The listed form that a token is an inflection of, or nothing; Spanish stems end with a
    hyphen."""
    forms = _forms()
    return next((form for form in _inflections(token, _singular(token)) if form in forms), "")


def _singular(token: str) -> str:
    """Without the ending of a plural or of the third person."""
    if (
        not token.endswith("s")
        or len(token) < 4
        or token.endswith(("ss", "us", "is"))
        or token in _KEPT_PLURAL
    ):
        return token
    return token[:-2] if token.endswith(("ches", "shes", "sses", "xes")) else token[:-1]


def _inflections(token: str, singular: str) -> Iterator[str]:
    """The forms under which a token may be listed, the surest first."""
    yield token
    yield singular
    if token.endswith("ies"):
        yield token[:-3] + "y"
    if token.endswith("es"):
        yield token[:-2]
    if token.endswith("mente"):
        yield from (token[:-5], token[:-6] + "o")
    if token.endswith("ly") and token != "hardly":
        yield token[:-2]
    if singular.endswith("a"):
        yield singular[:-1] + "o"
    for ending in ("ing", "ed"):
        stem = token.removesuffix(ending)
        if stem != token and len(stem) > 1:
            yield from (stem, stem + "e")
            if stem[-1:] == stem[-2:-1]:
                yield stem[:-1]
            if stem.endswith("i"):
                yield stem[:-1] + "y"
    yield from (
        token.removesuffix(ending) + "-"
        for ending in _ENDINGS
        if token.endswith(ending) and len(token) > len(ending) + 1
    )


def cognate_stem(word: str) -> str:
    """The common root of an unknown word in English and Spanish: system and sistema."""
    if len(word) < COGNATE_CHARS or word in FALSE_FRIENDS or not word.isalpha():
        return word
    for pattern, to in COGNATES:
        word = re.sub(pattern, to, word)
    return word
