"""The rows of an index that an earlier version of the tokenizer split into other words: they are
indexed once more, all others stay as they are."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from orch.memory.bm25 import TOKENIZER, words_changed
from orch.memory.journal_source import JournalSource, Remembered

SCANNED = 500
"""Rows read at once, of which few are to be written."""


class FactStore(Protocol):
    """Stores how far an index has read the list of forgotten rows and the chunks of a row."""

    def fact(self, name: str) -> str | None:
        """A fact, or None."""
        ...

    def set_fact(self, name: str, value: str) -> None:
        """Writes a fact."""
        ...


class WordRenewal:
    """The renewal of one index. Its fact is the tokenizer's version, with the last renewed row and
    the last one to renew while it goes on; an index without it is of the first version."""

    def __init__(self, source: JournalSource, facts: FactStore, index: str) -> None:
        self._source, self._facts, self._name = source, facts, f"words:{index}"

    def finish(self) -> None:
        """Remembers that every row has the words of this version."""
        self._facts.set_fact(self._name, TOKENIZER)

    def rows(self, newest: int, size: int) -> Generator[list[Remembered]]:
        """The rows to index once more, up to the row `newest`, at most `size` at once. They count
        as done when the next are taken; empty lists are pauses of a long search for rows."""
        version, _, place = (self._facts.fact(self._name) or "").partition(":")
        if version == TOKENIZER and not place:
            return
        seq, last = map(int, place.split(":")) if version == TOKENIZER else (0, newest)
        while seq < last and (scanned := self._source.after(seq, SCANNED)):
            changed = [row for row in scanned if row.seq <= last and _has_changed(row)]
            for some in (changed[begin : begin + size] for begin in range(0, len(changed), size)):
                yield some
                self._save(some[-1].seq, last)
            yield []
            seq = scanned[-1].seq
            self._save(seq, last)
        self.finish()

    def _save(self, seq: int, last: int) -> None:
        self._facts.set_fact(self._name, f"{TOKENIZER}:{seq}:{last}")


def _has_changed(row: Remembered) -> bool:
    return words_changed(row.task) or words_changed(row.answer)
