"""Folds text, splits it into words and tells English from Spanish, for every package (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal
from unicodedata import combining, normalize

SLICE_CHARS = 256
"""`normalize` sorts each run of combining marks by insertion: 200,000 marks in one call take
minutes and block all threads.

The marks are removed here, so their order does not matter, and the text may be cut anywhere.
"""
HEAD_CHARS = 2_000
"""What is read of a text to detect its language, unless the caller gives the words."""
_WORD = re.compile(r"\w+")
_CORE = {
    "en": frozenset(
        """
        the a an of and to in for with is are my your this that what how which it on from do
        does i you be
        """.split()
    ),
    "es": frozenset(
        """
        el la los las un una de del que y en por para con como es son mi tu su al lo se cual
        este esta esto
        """.split()
    ),
}
"""The function words that the classifier was trained with: other words need new weights."""
STOP_WORDS = {
    "en": frozenset(
        """
        a about above after again against all also am an and any are aren as at be because been
        before being below between both but by can cannot could couldn d did didn do does doesn
        doing don down during each few for from further had hadn has hasn have haven having he
        her here hers herself him himself his how i if in into is isn it its itself just ll m me
        more most mustn my myself no nor not now o of off on once only or other our ours
        ourselves out over own re s same shall shan she should shouldn so some such t than that
        the their theirs them themselves then there these they this those through to too under
        until up us ve very was wasn we were weren what when where which while who whom whose
        why will with won would wouldn you your yours yourself yourselves
        """.split()
    ),
    "es": frozenset(
        """
        a al algo algun alguna algunas alguno algunos ante antes aquel aquella aquellas aquello
        aquellos aqui asi aun aunque cada como con contra cual cuales cualquier cuando cuanta
        cuantas cuanto cuantos de del desde donde dos durante e el ella ellas ello ellos en
        entre era eran eras eres es esa esas ese eso esos esta estaba estaban estado estamos
        estan estar estas este esto estos estoy fue fueron fui ha habia habian haber hace hacia
        han has hasta hay he hemos la las le les lo los mas me mi mia mias mio mios mis mucho
        muy nada ni no nos nosotros nuestra nuestras nuestro nuestros o os otra otras otro otros
        para pero poco por porque pues que quien quienes se sea sean ser si sido sin sobre sois
        solo somos son soy su sus suya suyas suyo suyos tal tambien tan tanto te tenia tiene
        tienen toda todas todo todos tu tus tuya tuyo un una unas uno unos usted ustedes va
        vosotros y ya yo
        """.split()
    ),
}
"""Folded words that carry no meaning of their own, by language."""


def fold(text: str, *, keep: str = "", form: Literal["NFD", "NFKD"] = "NFKD") -> str:
    """Lower case without accents.

    `keep` is a letter that keeps its mark, such as ñ. With the form NFD compatibility characters
    stay too: ² does not become 2.
    """
    lower = text.lower()
    if lower.isascii():
        return lower
    if keep:
        return strip_marks(lower.replace(keep, "\0"), form).replace("\0", keep)
    return strip_marks(lower, form)


def strip_marks(text: str, form: Literal["NFD", "NFKD"]) -> str:
    """The text in decomposed form, without its combining marks."""
    slices = (text[begin : begin + SLICE_CHARS] for begin in range(0, len(text), SLICE_CHARS))
    return "".join(
        [char for part in slices for char in normalize(form, part) if not combining(char)]
    )


def split_words(folded: str) -> list[str]:
    """The words of a folded text: runs of letters, digits and underscores."""
    return _WORD.findall(folded)


def detect_language(text: str, words: Sequence[str] | None = None) -> str:
    """`en`, `es`, or empty where neither has more function words.

    `words` are the folded words of the text. ¿, ¡ and ñ count as two Spanish words each.
    """
    if words is None:
        words = split_words(fold(text[:HEAD_CHARS]))
    spanish = _count(words, _CORE["es"]) + 2 * sum([text.count(mark) for mark in "¿¡ñ"])
    english = _count(words, _CORE["en"])
    if spanish == english:
        return ""
    return "es" if spanish > english else "en"


def likely_language(text: str, words: Sequence[str]) -> str:
    """`en` or `es`. Many short texts have no function words: then the stop words decide, else it is
    English.

    A single stop word is not enough: `sea` is one in Spanish.
    """
    if language := detect_language(text, words):
        return language
    spanish, english = _count(words, STOP_WORDS["es"]), _count(words, STOP_WORDS["en"])
    return "es" if spanish > max(english, 1) else "en"


def _count(words: Sequence[str], listed: frozenset[str]) -> int:
    return sum([word in listed for word in words])
