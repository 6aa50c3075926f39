"""The vocabulary of the training data: corrects typing errors and detects unknown languages (pure,
standard library only)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

SHORTEST, LONGEST = 4, 16
"""Letters of a word that is corrected: shorter ones resemble too many words, longer ones rarely
have a single error."""
GUESSING_FROM = 6
"""Minimum letters for correcting a wrong or missing letter; swapped and doubled letters are
corrected in shorter words too."""
MAX_GUESSES = 2
"""Number of words in a text that may be corrected by trying letters, at 60 us each: in a long text
a single word matters little."""
READ_WORDS = 60
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Vocabulary:
    """Known words, folded, by descending frequency."""

    def __init__(self, words: Sequence[str]) -> None:
        self._rank = {word: rank for rank, word in enumerate(words)}
        # a long-running process sees the same unknown words again and again
        self._cached_candidate = lru_cache(maxsize=4_096)(self._frequent_candidate)

    def __contains__(self, word: str) -> bool:
        return word in self._rank

    def __iter__(self) -> Iterator[str]:
        return iter(self._rank)

    def __len__(self) -> int:
        return len(self._rank)

    def known_share(self, words: Sequence[str]) -> float:
        """The share of known words among those of two letters or more, 0 to 1; 1 if there are
        none."""
        counted = [word for word in words if len(word) > 1]
        return sum([word in self._rank for word in counted]) / len(counted) if counted else 1.0

    def corrected(self, words: Sequence[str]) -> list[str]:
        """Each word, or the known word at an edit distance of one. Letters are tried only for the
        first unknown words."""
        result, guesses = [], MAX_GUESSES
        for word in words[:READ_WORDS]:
            if (
                word in self._rank
                or not SHORTEST <= len(word) <= LONGEST
                or not (word.isascii() and word.isalpha())
            ):
                result.append(word)
                continue
            candidate = self._cached_candidate(word, _swapped)
            if candidate is None and guesses and len(word) >= GUESSING_FROM:
                guesses -= 1
                candidate = self._cached_candidate(word, _guessed)
            result.append(candidate or word)
        return [*result, *words[READ_WORDS:]]

    def _frequent_candidate(self, word: str, spellings: Callable[[str], list[str]]) -> str | None:
        return self._most_frequent(spellings(word))

    def _most_frequent(self, words: list[str]) -> str | None:
        rank = self._rank
        return min([word for word in words if word in rank], key=rank.__getitem__, default=None)

    def to_bytes(self) -> bytes:
        """The words, compressed."""
        return zlib.compress("\n".join(self._rank).encode(), 9)

    @classmethod
    def from_bytes(cls, data: bytes, more: Iterable[str] = ()) -> Vocabulary:
        """A vocabulary from `to_bytes`, extended by words that rank below its own. Raises
        ValueError for other data."""
        try:
            return cls(list(dict.fromkeys((*zlib.decompress(data).decode().split("\n"), *more))))
        except zlib.error as error:
            raise ValueError(f"not a vocabulary: {error}") from None


def _swapped(word: str) -> list[str]:
    """Candidates with two neighbouring letters swapped back, or one letter removed."""
    places = range(len(word))
    return [word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :] for at in places] + [
        word[:at] + word[at + 1 :] for at in places
    ]


def _guessed(word: str) -> list[str]:
    """Candidates with one letter replaced or inserted. The first letter is hardly ever wrong."""
    parts = [(word[:at], word[at:], word[at + 1 :]) for at in range(1, len(word) + 1)]
    return [
        f"{head}{letter}{tail}"
        for head, after, rest in parts
        for letter in _LETTERS
        for tail in (after, rest)
    ]
