"""BM25 for the lexical part of memory: words are folded, filtered by stop words, stemmed and
weighted, without the IDF, which the index adds.

English and Spanish, detected for each text. A document is stemmed in its own language, a query in
both, since people search in one language for what they wrote in the other. Scripts without blanks
are searched by sequences of characters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import pairwise
from zlib import crc32

from orch.text.language import STOP_WORDS, fold, likely_language
from orch.text.segmentation import is_sequence, search_words, single_characters

TOKENIZER = "2"
"""The version of how texts are split into words; an index of an earlier one is renewed."""
K1 = 1.2
"""Saturation of repeated words: the usual value of BM25 (Robertson and Zaragoza 2009)."""
B = 0.25
"""Length normalization. The usual .75 costs 2 points of MRR where most texts are shorter than 50
words (LoCoMo); 0 gains 2."""
AVERAGE_TERMS = 30
"""Terms of an average text: a constant, so that a text's weights don't depend on others (LoCoMo's
turns have 17, orch's chunks up to 90)."""
PAIR_WEIGHT = 0.4
"""Weight of a pair of adjacent terms relative to a term: favours names and phrases, +1 point of
Recall@10 (LoCoMo; .3 to .5 are alike)."""
SINGLE_WEIGHT = 0.25
"""Weight of one Chinese character of a longer query: 电脑 also finds 电 a little, and a word of one
character is found in any text."""
PAIR_BUCKETS = 2**16
"""Pairs share this many token ids: otherwise an index of 100,000 texts would have millions, each
with its own list."""

_WORD = re.compile(r"[^\W_]+")
_STEMMERS = {"en": "english", "es": "spanish"}
_MONTHS = dict(
    zip(
        (
            "enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre"
            " noviembre diciembre"
        ).split(),
        (
            "january february march april may june july august september september october"
            " november december"
        ).split(),
        strict=True,
    )
)
"""The date of a memory is written in English, and searched in both languages."""
_SUFFIXES = {
    "en": ("ingly", "edly", "ings", "ing", "ies", "ied", "ed", "es", "ly", "s", "e", "y"),
    "es": (
        "amientos", "imientos", "amiento", "imiento", "aciones", "acion", "mente",
        "ando", "iendo", "aron", "ieron", "ados", "adas", "ado", "ada", "idos", "idas",
        "ido", "ida", "ar", "er", "ir", "os", "as", "es", "o", "a", "e", "s",
    ),
}  # fmt: skip
_SHORTEST_STEM = 3


def normalized_words(text: str) -> list[str]:
    """The words of a text in order, folded; numbers without leading zeros."""
    return search_words(text)


def words_changed(text: str) -> bool:
    """Whether the first version of the tokenizer split a text into other words."""
    if text.isascii():
        return False
    earlier = _WORD.findall(fold(text))
    numbers = [word.lstrip("0") or "0" if word.isdecimal() else word for word in earlier]
    return search_words(text) != numbers or bool(single_characters(text))


def terms(text: str, stemmed_as: str | None = None) -> list[str]:
    """The terms of a text in order. `stemmed_as` is en or es; by default the language of the
    text."""
    all_words = normalized_words(text)
    own = likely_language(text, all_words)
    stop, stem = STOP_WORDS[own], _stemmer(stemmed_as or own)
    return [stem(_MONTHS.get(word, word)) for word in all_words if word not in stop]


def document_weights(text: str) -> dict[int, float]:
    """Token weights of a document: the frequency of terms and pairs, saturated and normalized for
    length as in BM25.

    Without the IDF, which the index multiplies in: ln((N - n + 0.5) / (n + 0.5) + 1).
    """
    own = terms(text)
    # a sequence of two characters is about half a word
    length = len(own) - sum(map(is_sequence, own)) / 2
    longer = K1 * (1 - B + B * length / AVERAGE_TERMS)
    counts = Counter(_tokens(own)) | Counter(_tokens(single_characters(text)))
    counts += Counter(_pairs(own))
    return {token: count * (K1 + 1) / (count + longer) for token, count in counts.items()}


def query_weights(text: str) -> dict[int, float]:
    """Token weights of a query: each term once, stemmed as English and as Spanish. Empty if it has
    stop words only."""
    both = [terms(text, each) for each in _STEMMERS]
    pairs = {token: PAIR_WEIGHT for each in both for token in _pairs(each)}
    singles = dict.fromkeys(_tokens(single_characters(text)), SINGLE_WEIGHT)
    return pairs | singles | {token: 1.0 for each in both for token in _tokens(each)}


def transcript_speaker(text: str) -> str:
    """The speaker of a text that begins like a line of a transcript, `Ana: …` or `[8 May 2023] Ana:
    …`; empty if there is none."""
    match = re.match(
        r"\s*(?:\[[^\]]{1,40}\]\s*)?([^\W\d_][\w.'’-]*(?: [^\W\d_][\w.'’-]*){0,2}):\s", text[:120]
    )
    return match.group(1) if match else ""


def _tokens(own: Iterable[str]) -> Iterator[int]:
    return (crc32(term.encode()) for term in own)


def _pairs(own: list[str]) -> Iterator[int]:
    return (crc32(f"{first} {second}".encode()) % PAIR_BUCKETS for first, second in pairwise(own))


@cache
def _stemmer(of: str) -> Callable[[str], str]:
    """The Snowball stemmer of a language; without PyStemmer, one that removes common endings."""
    try:
        import Stemmer  # 1 ms, and the extra [memory] brings it
    except ImportError:
        return lambda word: _stripped(word, _SUFFIXES[of])
    stem: Callable[[str], str] = Stemmer.Stemmer(_STEMMERS[of]).stemWord
    return stem


def _stripped(word: str, suffixes: Iterable[str]) -> str:
    ending = next(
        (
            suffix
            for suffix in suffixes
            if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM
        ),
        "",
    )
    return word.removesuffix(ending)
