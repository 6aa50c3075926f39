"""A collection of one journal on a Qdrant server that other journals use too."""

from __future__ import annotations

from typing import Protocol

from orch.memory.qdrant_store import QdrantStore
from orch.memory.store import StoreError


class JournalOwner(Protocol):
    """The journal whose rows are indexed."""

    def journal_id(self) -> str:
        """Its own id, which no other journal has but a copy of it."""
        ...

    def renew_journal_id(self, old: str) -> str:
        """Another id in the place of that one."""
        ...

    def has_run(self, seq: int, run_id: str) -> bool:
        """Whether a row of that number and id is in it, or was."""
        ...


class SharedCollectionStore(QdrantStore):
    """The collection of a journal on a server. Its name ends with the journal's id.

    A copied ORCH_HOME has the same id: whose collection it is, the newest point tells. Where the
    journal does not know that
    row, the collection is the other copy's and is left to it; this journal takes a new id and
    begins its own.
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
        """Connects, and makes the collection where there is none. Raises StoreError."""
        super().open(patience_s)
        if not self.created and not self._is_own():
            self._begin_own()
            super().open()

    def drop(self) -> None:
        """Removes the collection, unless it is another journal's; also one with another
        dimension."""
        try:
            self.open()
        except StoreError as error:
            if error.code != "dimension":
                raise
        super().drop()

    def _is_own(self) -> bool:
        newest = self.newest()
        return newest is None or self._owner.has_run(*newest)

    def _begin_own(self) -> None:
        left, self._id = self.collection, self._owner.renew_journal_id(self._id)
        self.collection = collection_name(self._index, self._id)
        said = (
            f"the collection {left} has rows that are not in this journal: it is left to another"
            " copy of this ORCH_HOME"
        )
        self.notes.append(f"{said}, and {self.collection} is built from the journal")


def collection_name(index: str, identity: str) -> str:
    """The collection's name: what its vectors are, and whose rows."""
    return f"{index}-{identity}"
