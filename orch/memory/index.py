"""Finds what was said: an index built from the journal, which catches up by itself and can always be built anew."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid5

from orch.errors import OrchError
from orch.memory import documents
from orch.memory.embed import Embedder
from orch.memory.fuse import REACH, Place, fuse
from orch.memory.source import Remembered, Source
from orch.memory.store import Hit, Point, Store, Where
from orch.memory.text import document_weights, query_weights, speaker

BATCH = 16
"""Rows that are embedded and written at once: a kill loses no more than the work on these."""
DEPTH = 200
"""Pieces asked for from each of the two parts of the index, before they are joined."""
_IDS = UUID("6f1d6a52-7c0f-4f0e-9d6e-0c2b5a6a9e11")

Progress = Callable[[int, int], None]
"""Called with rows done and rows in all."""


@dataclass(frozen=True, slots=True)
class Found:
    """One remembered row with its score: larger is better, comparable within one search only."""

    row: Remembered
    score: float


@dataclass(frozen=True, slots=True)
class State:
    """How an index stands: its pieces, and the rows of the journal that it has not seen. `notes` is what happened when it was opened."""

    name: str
    pieces: int
    lag: int
    notes: tuple[str, ...] = ()


class Facts(Protocol):
    """Where an index keeps how far it has read the list of forgotten rows."""

    def fact(self, name: str) -> str | None:
        """A fact, None where it was never written."""
        ...

    def set_fact(self, name: str, value: str) -> None:
        """Writes a fact."""
        ...


class Memory:
    """The index of one journal in one store. Open it, search, close it. Raises OrchError where the store can't be used.

    `warning` holds as long as the memory does; `stop`, set from any thread, ends a long catch-up after its batch.
    """

    def __init__(self, source: Source, store: Store, embedder: Embedder, facts: Facts, name: str, warning: str | None = None) -> None:
        self.source, self.store, self.embedder = source, store, embedder
        self.name, self.warning = name, warning
        self.stop = threading.Event()
        self._facts, self._mark = facts, f"forgotten:{name}"
        self._is_open, self._notes = False, list[str]()

    async def open(self, progress: Progress | None = None) -> None:
        """Opens the store, unless it is open, and brings it up to the journal."""
        await self._attach()
        await self.catch_up(progress)

    async def _attach(self) -> None:
        """Opens the store as it is."""
        if self._is_open:
            return
        await asyncio.to_thread(self.store.open)
        self._is_open = True
        self._notes += self.store.notes
        if self.store.created:
            self._facts.set_fact(self._mark, "0")

    def close(self) -> None:
        """Gives the store back to others."""
        self._is_open = False
        self.store.close()

    def told(self) -> list[str]:
        """What the user should be told: the warning always, what happened at opening once."""
        notes = [*([self.warning] if self.warning else []), *self._notes]
        self._notes.clear()
        return notes

    async def state(self) -> State:
        """How the index stands, without catching up."""
        await self._attach()
        return State(self.name, self.store.count(), self.lag(), tuple(self.store.notes))

    # ------------------------------------------------------------ following the journal

    def lag(self) -> int:
        """How many rows the index has not seen."""
        return self.source.count(self.store.newest_seq())

    async def catch_up(self, progress: Progress | None = None) -> int:
        """Takes out what was forgotten and indexes the rows it has not seen; how many. A row is never indexed twice, none is skipped."""
        self._drop_forgotten()
        return await self._index_after(self.store.newest_seq(), progress)

    async def _index_after(self, seq: int, progress: Progress | None) -> int:
        total, done = self.source.count(seq) if progress else 0, 0
        while rows := self.source.after(seq, BATCH):
            await self._index(rows)
            seq, done = rows[-1].seq, done + len(rows)
            if progress:
                progress(done, max(total, done))
            if self.stop.is_set():
                raise stopped()
        return done

    def _drop_forgotten(self) -> None:
        gone = self.source.forgotten(int(self._facts.fact(self._mark) or 0))
        if gone:
            self.store.delete([run_id for _, run_id in gone])
            self._facts.set_fact(self._mark, str(gone[-1][0]))

    async def _index(self, rows: Sequence[Remembered]) -> None:
        parts = [(row, number, text) for row in rows for number, text in enumerate(_texts(row))]
        vectors = await self.embedder.passages([text for _, _, text in parts]) if parts else []
        dense = vectors if vectors is not None else [None] * len(parts)
        self.store.upsert([_point(row, number, text, vector) for (row, number, text), vector in zip(parts, dense, strict=True)])

    async def reindex(self, progress: Progress | None = None) -> int:
        """Builds the index anew from the journal."""
        self._is_open = False
        self.store.drop()
        self.store.open()
        self._is_open = True
        self._facts.set_fact(self._mark, "0")
        self._drop_forgotten()
        # from the first row: on a server, another process may have written a later one since the collection was made
        return await self._index_after(0, progress)

    def forget(self, run_ids: Sequence[str]) -> None:
        """Deletes rows from the journal first, then from the index, and both from the free space of their files."""
        self.source.forget(run_ids)
        self._drop_forgotten()
        self.store.compact()

    # ------------------------------------------------------------ searching

    async def find(self, question: str, limit: int = 10, where: Where = Where(), progress: Progress | None = None) -> list[Found]:
        """Opens and searches: the question is embedded while the store opens, each on a core of its own."""
        vector = asyncio.ensure_future(self.embedder.query(question))
        try:
            await self.open(progress)
            return self._search(question, await vector, limit, where)
        finally:
            vector.cancel()

    async def search(self, question: str, limit: int = 10, where: Where = Where()) -> list[Found]:
        """The rows that answer a question best, best first."""
        return self._search(question, await self.embedder.query(question), limit, where)

    def _search(self, question: str, vector: list[float] | None, limit: int, where: Where) -> list[Found]:
        lexical = _best(self.store.lexical(query_weights(question), DEPTH, where))
        dense = _best(self.store.dense(vector, DEPTH, where)) if vector is not None else {}
        near = self.source.neighbours(list(dict.fromkeys((*lexical, *dense))), REACH)
        rows = self.source.by_ids(list(dict.fromkeys((*near, *(run_id for around in near.values() for run_id, _ in around)))))
        ranked = fuse(question, lexical, dense, near, {run_id: _place(row) for run_id, row in rows.items()})
        found = [Found(rows[run_id], score) for run_id, score in ranked if run_id in rows and score > 0]
        return [each for each in found if _passes(each.row, where)][:limit]


def stopped() -> OrchError:
    """The error of work that was ended from outside."""
    return OrchError("orch is stopping: memory goes on where it was at its next use", code="busy")


def _best(hits: Sequence[Hit]) -> dict[str, float]:
    """The score of each row: that of its best piece."""
    best: dict[str, float] = {}
    for hit in hits:
        best[hit.run_id] = max(hit.score, best.get(hit.run_id, hit.score))
    return best


def _place(row: Remembered) -> Place:
    return Place(row.session, speaker(row.task) if row.is_note else "", row.at)


def _passes(row: Remembered, where: Where) -> bool:
    """A neighbour comes in without having been asked for: the filters hold for it too."""
    wishes = ((where.session, row.session), (where.task_type, row.task_type), (where.model, row.model))
    return (
        all(wish is None or wish == fact for wish, fact in wishes)
        and (where.since is None or row.at >= where.since)
        and (where.before is None or row.at < where.before)
    )


def _texts(row: Remembered) -> list[str]:
    """What is indexed of a row, each piece with its day, since people ask by time."""
    day = datetime.fromtimestamp(row.at).strftime("%d %B %Y")
    parts = documents.pieces(row.task) if row.is_note else documents.of_run(row.task, row.answer)
    return [f"[{day}] {part}" for part in parts]


def _point(row: Remembered, number: int, text: str, dense: list[float] | None) -> Point:
    return Point(
        id=str(uuid5(_IDS, f"{row.run_id}:{number}")),
        seq=row.seq,
        dense=dense,
        sparse=document_weights(text),
        run_id=row.run_id,
        part=number,
        session=row.session,
        task_type=row.task_type,
        model=row.model,
        at=row.at,
    )
