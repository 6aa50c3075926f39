"""The words that training has seen often: tells mistyped words and unknown languages (pure,
standard library alone)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

SHORTEST, LONGEST = 4, 16
"""Letters of a word that is looked for among the known ones: shorter ones are near too many, longer
ones are rarely mistyped once."""
GUESSING_FROM = 6
"""Letters from which a wrong or missing letter is guessed; a swapped or doubled one is looked for
in shorter words too."""
GUESSES = 2
"""Words of a text that are guessed at, which takes 60 us each: in a long text a single word decides
little."""
READ_WORDS = 60
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Vocabulary:
    """Known words, folded, the most frequent first."""

    def __init__(self, words: Sequence[str]) -> None:
        self._rank = {word: rank for rank, word in enumerate(words)}
        # a long-lived process meets the same unknown words again and again
        self._slip = lru_cache(maxsize=4_096)(self._near)

    def __contains__(self, word: str) -> bool:
        return word in self._rank

    def __iter__(self) -> Iterator[str]:
        return iter(self._rank)

    def __len__(self) -> int:
        return len(self._rank)

    def known_share(self, words: Sequence[str]) -> float:
        """How many of the words of two letters and more are known, 0 to 1; 1 of none."""
        counted = [word for word in words if len(word) > 1]
        return sum(word in self._rank for word in counted) / len(counted) if counted else 1.0

    def corrected(self, words: Sequence[str]) -> list[str]:
        """Each word, or the known word that is a single slip of the fingers away; where a slip is
        guessed, of the first unknown words alone."""
        found, guesses = [], GUESSES
        for word in words[:READ_WORDS]:
            if (
                word in self._rank
                or not SHORTEST <= len(word) <= LONGEST
                or not (word.isascii() and word.isalpha())
            ):
                found.append(word)
                continue
            near = self._slip(word, _swapped)
            if near is None and guesses and len(word) >= GUESSING_FROM:
                guesses -= 1
                near = self._slip(word, _guessed)
            found.append(near or word)
        return [*found, *words[READ_WORDS:]]

    def _near(self, word: str, spellings: Callable[[str], list[str]]) -> str | None:
        return self._frequent(spellings(word))

    def _frequent(self, words: list[str]) -> str | None:
        rank = self._rank
        return min([word for word in words if word in rank], key=rank.__getitem__, default=None)

    def to_bytes(self) -> bytes:
        """The words, packed."""
        return zlib.compress("\n".join(self._rank).encode(), 9)

    @classmethod
    def from_bytes(cls, data: bytes, more: Iterable[str] = ()) -> Vocabulary:
        """What `to_bytes` packed, and more words, less frequent than any of these. Raises
        ValueError for anything else."""
        try:
            return cls(list(dict.fromkeys((*zlib.decompress(data).decode().split("\n"), *more))))
        except zlib.error as error:
            raise ValueError(f"not a vocabulary: {error}") from None


def _swapped(word: str) -> list[str]:
    """Two neighbours back in order, or one letter too many gone."""
    places = range(len(word))
    return [word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :] for at in places] + [
        word[:at] + word[at + 1 :] for at in places
    ]


def _guessed(word: str) -> list[str]:
    """One letter replaced, or put in. The first letter is hardly ever wrong."""
    parts = [(word[:at], word[at:], word[at + 1 :]) for at in range(1, len(word) + 1)]
    return [
        f"{head}{letter}{tail}"
        for head, after, rest in parts
        for letter in _LETTERS
        for tail in (after, rest)
    ]
