"""The collection of one journal on a Qdrant server that other journals share."""

from __future__ import annotations

from typing import Protocol

from orch.memory.qdrant_store import QdrantStore
from orch.memory.store import StoreError


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


class SharedCollectionStore(QdrantStore):
    """The collection of a journal on a server. Its name ends with the journal's id.

    A copied ORCH_HOME has the same id: the newest point tells whose collection it is. If the
    journal does not know that row, the collection belongs to the other copy; this journal takes a
    new id and creates its own.
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
        super().open(patience_s)
        if not self.created and not self._is_own():
            self._begin_own()
            super().open()

    def drop(self) -> None:
        """Removes the collection, whatever its dimension, unless it belongs to another journal."""
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
        message = (
            f"the collection {left} has rows that are not in this journal: it is left to another"
            " copy of this ORCH_HOME"
        )
        self.notes.append(f"{message}, and {self.collection} is built from the journal")


def collection_name(index: str, identity: str) -> str:
    """The name of a collection: its kind of vectors, and the journal's id."""
    return f"{index}-{identity}"
