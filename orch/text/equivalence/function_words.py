"""Function words: articles, prepositions, conjunctions, negations, auxiliaries. Data only."""

from __future__ import annotations

DROPPED = frozenset(
    "the a an is are be am there do does did was were will that which please".split()
)
DROPPED_ES = DROPPED | frozenset(
    (
        "el la los las lo un una unos unas es son esta estan hay se que quien fue fueron "
        "era eran sera ser estar"
    ).split()
)
"""Words without meaning here, in English and in Spanish."""
ARTICLES = frozenset("the el la los las lo a an un una unos unas my mi mis".split())
DEFINITE, INDEFINITE = frozenset("the el la los las".split()), frozenset("a an un una".split())
POSSESSIVES = frozenset("my our mi mis nuestro nuestra".split())
DEMONSTRATIVES = frozenset("this these este estos estas".split())

PREPOSITIONS = {
    form: role
    for role, forms in {
        "of": "of 's",
        "de": "de del",
        "in": "in on at en within",
        "for": "for para",
        "with": "with using con usando mediante",
        "from": "from desde",
        "to": "to into hacia",
        "a": "a~ al",
        "about": "about sobre",
        "by": "by por",
        "between": "between entre",
        "than": "than",
    }.items()
    for form in forms.split()
}
"""Each with the role that it gives to what follows."""
PARTICLES = {
    "en": "in",
    "con": "with",
    "de": "of",
    "para": "for",
    "sobre": "about",
    "desde": "from",
    "por": "by",
    "entre": "between",
    "al": "to",
}
"""The English form of a preposition that begins the rest of a Spanish task."""
INTERCHANGEABLE_PREPOSITIONS = [
    {"", "of", "de"},
    {"", "de", "in"},
    {"of", "in"},
    {"", "for"},
    {"de", "for"},
    {"de", "from"},
    {"a", "to"},
]
"""Sets of prepositions that can replace one another."""
NEUTRAL_PREPOSITIONS = {"", "of", "de", "in", "with", "for"}
"""Prepositions that carry no meaning before the name of a tool."""
PHRASAL = frozenset("check log sign plug zoom fill break opt".split())
"""Verbs that mean something else with `in`, even before the name of a tool."""

CONJUNCTIONS = {
    "and": "and",
    "y": "and",
    "e": "and",
    "or": "or",
    "o": "or",
    "u": "or",
    "vs": "and",
    "versus": "and",
    ",": ",",
}
ORDER_WORDS = {
    **dict.fromkeys(
        (
            "not no never nunca jamas neither nor ni without sin except excepto salvo "
            "cannot impossible imposible"
        ).split(),
        "negation",
    ),
    **dict.fromkeys(
        "before after if unless while until since than instead more less".split(), "order of words"
    ),
}
"""Words that modify what follows, so their position is fixed. Each with the reason that is
reported."""
SYNONYMS = {
    "no": "not",
    "nunca": "never",
    "sin": "without",
    "ni": "nor",
    "excepto": "except",
    "si": "if",
    "whether": "if",
    "cuando": "when",
    "imposible": "impossible",
}

LETTER_LABELS = frozenset(
    (
        "letter letra vowel vocal variable vitamin vitamina option opcion plan type tipo "
        "grupo group team hepatitis"
    ).split()
)
"""A single letter after one of these is a name."""
PAST = frozenset("was were did had fue fueron era eran estaba estuvo hubo habia".split())
FUTURE = frozenset("will sera seran".split())
