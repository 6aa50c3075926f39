"""The collection of one journal on a Qdrant server that other journals share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import uuid4

from orch.memory.qdrant.requests import exactly
from orch.memory.qdrant_store import QdrantStore
from orch.memory.store import Point, StoreError

GENERATION = "generation"
_KNOWN = 8
"""Generations that a journal remembers of its collection."""


class JournalOwner(Protocol):
    """The journal whose rows are indexed."""

    def journal_id(self) -> str:
        """The journal's id, which only a copy of it shares."""
        ...

    def renew_journal_id(self, old: str) -> str:
        """Replaces that id by a new one."""
        ...

    def has_run(self, seq: int, run_id: str) -> bool:
        """Whether a row of that number and id is in the journal, or was."""
        ...

    def fact(self, name: str) -> str | None:
        """A fact, or None."""
        ...

    def set_fact(self, name: str, value: str) -> None:
        """Writes a fact."""
        ...


class SharedCollectionStore(QdrantStore):
    """The collection of a journal on a server. Its name ends with the journal's id.

    A copied ORCH_HOME has the same id: the newest point tells whose collection it is. If the
    journal does not know that row, or the collection's generation, the collection belongs to the
    other copy; this journal takes a new id and creates its own.

    Nothing locks the collection. Each time that it is created, a generation begins, which the
    journal knows and each point carries: what another process still writes of an earlier one does
    not count as indexed, and that process gets StoreError with the code `rebuilt` at its next
    batch.
    """

    def __init__(
        self,
        index: str,
        dimension: int | None,
        owner: JournalOwner,
        *,
        url: str,
        api_key: str | None = None,
    ) -> None:
        self._index, self._owner, self._id = index, owner, owner.journal_id()
        super().__init__(collection_name(index, self._id), dimension, url=url, api_key=api_key)

    def open(self, patience_s: float | None = None) -> None:
        """Connects, and creates the collection if missing. Raises StoreError."""
        self.generation = self._current_generation()
        super().open(patience_s)
        if not self.created and not self._is_own():
            self._begin_own()
            self.generation = ""
            super().open()

    def drop(self) -> None:
        """Removes the collection, whatever its dimension, unless it belongs to another journal."""
        try:
            self.open()
        except StoreError as error:
            # a refusal has no code of its own: what can't be opened may be removed
            if error.code not in ("dimension", StoreError.code):
                raise
        super().drop()

    def _is_own(self) -> bool:
        newest = self._newest(["seq", "run_id", GENERATION])
        if not newest:
            return True
        known = newest.get(GENERATION, "") in ("", *self._generations())
        return known and self._owner.has_run(int(newest["seq"]), str(newest["run_id"]))

    def _begin_own(self) -> None:
        left, self._id = self.collection, self._owner.renew_journal_id(self._id)
        self.collection = collection_name(self._index, self._id)
        message = (
            f"the collection {left} has rows that are not in this journal: it is left to another"
            " copy of this ORCH_HOME"
        )
        self.notes.append(f"{message}, and {self.collection} is built from the journal")

    # ------------------------------------------------------------ generations

    def _begin(self) -> None:
        # first: what is written as soon as the collection exists has this generation
        self.generation = uuid4().hex[:12]
        known = [*self._generations(), self.generation][-_KNOWN:]
        self._owner.set_fact(self._fact_name(), " ".join(known))
        super()._begin()

    def _indexed(self) -> Mapping[str, str]:
        return {**super()._indexed(), GENERATION: "keyword"}

    def upsert(self, points: Sequence[Point]) -> None:
        """Writes points. Raises StoreError if the collection was created anew meanwhile."""
        if self._current_generation() != self.generation:
            message = "another process builds the memory index anew"
            raise StoreError(message, "try again in a moment", code="rebuilt")
        super().upsert(points)

    def newest_seq(self) -> int:
        """The largest row number of this generation."""
        conditions = [exactly(GENERATION, self.generation)] if self.generation else []
        newest = self._newest(["seq"], conditions)
        return int(newest["seq"]) if newest else 0

    def _marks(self) -> Mapping[str, str]:
        return {GENERATION: self.generation} if self.generation else {}

    def _current_generation(self) -> str:
        return self._generations()[-1] if self._generations() else ""

    def _generations(self) -> list[str]:
        return (self._owner.fact(self._fact_name()) or "").split()

    def _fact_name(self) -> str:
        return f"{GENERATION}:{self.collection}"


def collection_name(index: str, identity: str) -> str:
    """The name of a collection: its kind of vectors, and the journal's id."""
    return f"{index}-{identity}"
