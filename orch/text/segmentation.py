"""Splits a text of any script into the words and character sequences by which it is searched
(pure).

Chinese, Japanese, Thai, Lao, Khmer and Burmese put no blanks between words, and Korean appends its
particles to them: such texts are searched by sequences of two or three characters, as Lucene's CJK
analyzer does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from unicodedata import combining, normalize

SLICE_CHARS = 256
"""`normalize` sorts each run of combining marks by insertion: a slice bounds it."""
_VOICED = "\u3099\u309a"
"""The marks that make カ a ガ: other letters, not accents."""
_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA = "\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31f0-\u31ff"
_HANGUL = "\u1100-\u11ff\uac00-\ud7a3"
_UNSPACED = "\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1050-\u109f\u1780-\u17d3"
"""Thai, Lao, Burmese and Khmer, without their digits."""
_VOWEL_SIGNS = "\u0900-\u0963\u0971-\u0df3\u0f71-\u0f84"
"""Scripts of India and Tibet with blanks, whose vowel signs are no letters to Python's `\\w`."""
_RUN = re.compile(
    f"([{_HAN}{_KANA}]+)|([{_HANGUL}]+)|([{_UNSPACED}]+)"
    f"|((?:[^\\W_{_HAN}{_KANA}{_HANGUL}{_UNSPACED}]|[{_VOWEL_SIGNS}])+)"
)
_ASCII_WORD = re.compile(r"[^\W_]+")
_IS_HAN = re.compile(f"[{_HAN}]")
_SAME_LETTERS = str.maketrans(
    {
        **{"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"},
        **{"ـ": "", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه"},
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\xad", ""),
    }
)
"""Letters that people type in two ways and Unicode does not decompose, Arabic and Persian ones
too; what is invisible inside a word goes."""
_ARABIC_ARTICLE = re.compile("^(?:و|ب|ك|ف)?ال(?=[\u0621-\u064a]{3})")


def fold_for_search(text: str) -> str:
    """Lower case without accents, ß as ss, full-width and half-width forms as the usual ones."""
    lower = text.casefold()
    if lower.isascii():
        return lower
    slices = (lower[begin : begin + SLICE_CHARS] for begin in range(0, len(lower), SLICE_CHARS))
    letters = [
        char
        for part in slices
        for char in normalize("NFKD", part)
        if not combining(char) or char in _VOICED
    ]
    # composed again: syllables of Korean, and kana with their marks. casefold once more: NFKD
    # makes capitals of some signs
    return normalize("NFC", "".join(letters)).casefold().translate(_SAME_LETTERS)


def search_words(text: str) -> list[str]:
    """The words of a text in order, folded; numbers without leading zeros; scripts without blanks
    as overlapping sequences of characters."""
    return list(_words(fold_for_search(text)))


def _words(folded: str) -> Iterator[str]:
    if folded.isascii():
        yield from map(_number, _ASCII_WORD.findall(folded))
        return
    for east_asian, korean, unspaced, word in _RUN.findall(folded):
        if word:
            yield _number(_ARABIC_ARTICLE.sub("", word) if word[0] >= "\u0621" else word)
        else:
            yield from _sequences(east_asian or korean or unspaced, 3 if unspaced else 2)


def _number(word: str) -> str:
    return word.lstrip("0") or "0" if word.isdecimal() else word


def _sequences(run: str, size: int) -> Iterator[str]:
    """The overlapping sequences of a run; a shorter run is one itself."""
    for begin in range(max(len(run) - size, 0) + 1):
        yield run[begin : begin + size]


def single_characters(text: str) -> list[str]:
    """The characters that may be a word of their own: Chinese ones, and the first syllable of each
    Korean word."""
    folded = fold_for_search(text)
    if folded.isascii():
        return []
    singles = list[str]()
    for east_asian, korean, _, _ in _RUN.findall(folded):
        singles += _IS_HAN.findall(east_asian) if east_asian else korean[:1]
    return singles


def is_sequence(word: str) -> bool:
    """Whether a word of `search_words` is a sequence of a script without blanks."""
    return not word.isascii() and (match := _RUN.match(word)) is not None and not match[4]
