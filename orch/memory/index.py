"""Searches the journal through an index that catches up by itself and can always be rebuilt."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from orch.errors import OrchError
from orch.memory import chunking
from orch.memory.embedders import Embedder
from orch.memory.journal_source import JournalSource, Remembered
from orch.memory.ranked_search import ScoredRow, search_rows
from orch.memory.row_chunks import RowChunk, chunks_of, to_point
from orch.memory.store import FORGOTTEN_FOR_GOOD, Filter, Store, StoreError
from orch.memory.word_renewal import FactStore, WordRenewal

BATCH = 16
"""Rows read at once."""
CHUNK = 4
"""Chunks that are embedded and written at once, in about a second: a kill loses no more, and urgent
work waits no longer."""
REBUILDS = 3
"""How often a catch-up begins again because another process built the index anew."""
LOCK_WAIT_S = 1.0
"""How long urgent work waits for another process that has the index."""

Progress = Callable[[int, int], None]
"""Called with the rows done and the total."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """The state of an index: its chunks, and the journal rows that are not indexed yet. `notes` are
    events of opening it."""

    name: str
    pieces: int
    lag: int
    notes: tuple[str, ...] = ()


class MemoryIndex:
    """The index of one journal in one store. Raises OrchError if the store can't be used.

    `warning` lasts as long as the index; `stop`, set from any thread, ends a long catch-up after
    the current chunks. `between_chunks` is awaited between chunks: urgent work runs there.
    """

    def __init__(
        self,
        source: JournalSource,
        store: Store,
        embedder: Embedder,
        facts: FactStore,
        name: str,
        warning: str | None = None,
    ) -> None:
        self.source, self.store, self.embedder = source, store, embedder
        self.name, self.warning = name, warning
        self.stop = threading.Event()
        self.between_chunks: Callable[[], Awaitable[None]] | None = None
        self._facts, self._mark, self._begun = facts, begun_fact(name), f"begun:{name}"
        self._renewal = WordRenewal(source, facts, name)
        self._is_open, self._is_catching_up, self._notes = False, False, list[str]()
        self._took = 0.0

    async def open(self, progress: Progress | None = None) -> None:
        """Opens the store, unless it is open, and catches up with the journal."""
        await self._attach()
        await self.catch_up(progress)

    async def _attach(self, patience_s: float | None = None) -> None:
        """Opens the store without catching up."""
        if not self._is_open:
            await asyncio.to_thread(self.store.open, patience_s)
            self._is_open = True
            self._notes += self.store.notes
            if self.store.created:
                self._begin_anew()
        if not self.source.has_fact(
            self._mark
        ):  # a restored or new journal knows nothing of what is indexed
            self.store.drop()
            self.store.open()
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._facts.set_fact(self._mark, "0")
        self._facts.set_fact(self._begun, "")
        self._renewal.finish()

    def close(self) -> None:
        """Releases the store."""
        self._is_open = False
        self.store.close()

    def take_notes(self) -> list[str]:
        """Notes for the user: the warning always, events of opening once."""
        notes = [*([self.warning] if self.warning else []), *self._notes]
        self._notes.clear()
        return notes

    async def state(self) -> IndexState:
        """The state of the index, without catching up."""
        await self._attach()
        return IndexState(self.name, self.store.count(), self.lag(), tuple(self.store.notes))

    # ------------------------------------------------------------ following the journal

    def lag(self) -> int:
        """The number of rows that are not indexed yet."""
        return self.source.count(self.store.newest_seq())

    async def catch_up(
        self,
        progress: Progress | None = None,
        until: float | None = None,
        go_on: Callable[[], bool] = lambda: True,
    ) -> int:
        """Removes forgotten rows and indexes new ones; returns their number. Every row is indexed
        exactly once.

        No chunk is started that would not be done at `until` (time.monotonic), or after `go_on`
        returns False. Does nothing while another catch-up runs.
        """
        if self._is_catching_up:
            return 0
        self._is_catching_up = True
        try:
            return await self._follow(progress, until, go_on)
        finally:
            self._is_catching_up = False

    async def _follow(
        self,
        progress: Progress | None,
        until: float | None,
        go_on: Callable[[], bool],
        tries: int = REBUILDS,
    ) -> int:
        try:
            self._drop_forgotten(for_good=until is None)
            newest = self.store.newest_seq()
            done = await self._index_after(newest, progress, until, go_on)
            await self._renew_words(newest, progress, until, go_on)
            self._drop_forgotten(for_good=until is None)  # also what was forgotten meanwhile
            return done
        except StoreError as error:
            if error.code not in ("rebuilt", "missing") or not tries:
                raise
        # another process builds the index anew: what was counted as indexed is not there any more
        self.close()
        await self._attach()
        return await self._follow(progress, until, go_on, tries - 1)

    async def _index_after(
        self,
        seq: int,
        progress: Progress | None,
        until: float | None = None,
        go_on: Callable[[], bool] = lambda: True,
    ) -> int:
        total, done = self.source.count(seq) if progress else 0, 0

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            if progress:
                progress(done, max(total, done))

        while rows := self.source.after(seq, BATCH):
            if not await self._write_rows(rows, until, go_on, count):
                break
            seq = rows[-1].seq
        return done

    async def _renew_words(
        self,
        newest: int,
        progress: Progress | None,
        until: float | None,
        go_on: Callable[[], bool],
    ) -> None:
        """Indexes the rows once more whose words another version of the tokenizer splits."""
        for rows in self._renewal.rows(newest, BATCH if until is None else 1):
            if not go_on() or not self._in_time(until):
                return
            if not await self._write_rows(rows, until, go_on, lambda _: None):
                return
            if rows and progress:
                progress(rows[-1].seq, newest)

    async def _write_rows(
        self,
        rows: Sequence[Remembered],
        until: float | None,
        go_on: Callable[[], bool],
        count: Callable[[int], None],
    ) -> bool:
        """Writes rows, and calls `count` with how many are done; returns whether there was time."""
        chunks = self._left_of(rows) if rows else []
        size = CHUNK if until is None else CHUNK // 2
        for some in (chunks[begin : begin + size] for begin in range(0, len(chunks), size)):
            if not go_on() or not self._in_time(until) or not await self._write(some, until):
                return False
            count(sum(chunk.is_last for chunk in some))
            await self._breathe()
        return True

    async def _breathe(self) -> None:
        if self.between_chunks is not None:
            await self.between_chunks()
        if self.stop.is_set():
            raise stopping_error()

    def _in_time(self, until: float | None) -> bool:
        """Whether a chunk that takes as long as the last one would be done in time."""
        return until is None or time.monotonic() + self._took < until

    def _left_of(self, rows: Sequence[Remembered]) -> list[RowChunk]:
        """The chunks of rows, without those of the first row that are already written."""
        chunks = [chunk for row in rows for chunk in chunks_of(row)]
        run, _, number = (self._facts.fact(self._begun) or "").rpartition(":")
        return chunks[int(number) :] if run == self._build_of(rows[0]) else chunks

    def _build_of(self, row: Remembered) -> str:
        """A row in this build of the index: of another build, no chunk counts as written."""
        return f"{self.store.generation}/{row.run_id}" if self.store.generation else row.run_id

    async def _write(self, chunks: Sequence[RowChunk], until: float | None) -> bool:
        """Embeds and writes chunks; returns whether there was time."""
        begun = time.monotonic()
        texts = [chunk.text for chunk in chunks if chunk.text]
        try:
            async with asyncio.timeout(None if until is None else until - begun):
                vectors = await self.embedder.passages(texts) if texts else []
        except TimeoutError:
            return False
        dense = iter(vectors if vectors is not None else [None] * len(texts))
        self.store.upsert(
            [to_point(chunk, next(dense) if chunk.text else None) for chunk in chunks]
        )
        self._took = time.monotonic() - begun
        if until is not None:
            last = chunks[-1]
            self._facts.set_fact(
                self._begun, "" if last.is_last else f"{self._build_of(last.row)}:{last.number + 1}"
            )
        return True

    def _drop_forgotten(self, *, for_good: bool) -> None:
        """Removes the points of forgotten rows; if the user forgot them and there is time, also
        from the free space of the files."""
        gone = self.source.forgotten(int(self._facts.fact(self._mark) or 0))
        if not gone:
            return
        self.store.delete([run_id for _, run_id in gone])
        if int(self._facts.fact(FORGOTTEN_FOR_GOOD) or 0) >= gone[0][0]:
            if not for_good:
                return
            with suppress(StoreError):  # not enough space: tried again at each opening
                self.store.compact()
                self._facts.set_fact(self._mark, str(gone[-1][0]))
            return
        self._facts.set_fact(self._mark, str(gone[-1][0]))

    async def reindex(self, progress: Progress | None = None) -> int:
        """Rebuilds the index from the journal."""
        self._is_open = False
        self.store.drop()
        self.store.open()
        self._is_open = True
        self._begin_anew()
        self._drop_forgotten(for_good=True)
        # from the first row: on a server, another process may have written a later one since the
        # collection was created
        return await self._index_after(0, progress)

    # ------------------------------------------------------------ following the journal for a while

    async def follow_new(self, until: float) -> int:
        """Indexes new rows until the deadline; returns how many are left."""
        await self._attach(LOCK_WAIT_S)
        await self.catch_up(until=until)
        return self.lag()

    async def follow_forgotten(self) -> None:
        """Removes forgotten rows without embedding anything. A catch-up in progress does that at
        its end."""
        await self._attach(LOCK_WAIT_S)
        if not self._is_catching_up:
            self._drop_forgotten(for_good=True)

    # ------------------------------------------------------------ searching

    async def find(
        self,
        question: str,
        limit: int = 10,
        where: Filter = Filter(),
        progress: Progress | None = None,
        until: float | None = None,
    ) -> list[ScoredRow]:
        """Opens and searches: the query is embedded while the store opens, each on its own core.
        `until` ends the catch-up before the search."""
        question = chunking.search_text(question)
        vector = asyncio.ensure_future(self.embedder.query(question))
        try:
            await self._attach()
            await self.catch_up(progress, until)
            return self._search(question, await vector, limit, where)
        finally:
            vector.cancel()

    async def recall(self, question: str, limit: int, until: float) -> tuple[list[ScoredRow], int]:
        """The hits among the rows indexed until the deadline, and how many rows are not."""
        question = chunking.search_text(question)
        vector = asyncio.ensure_future(self.embedder.query(question))
        try:
            await self._attach(LOCK_WAIT_S)
            await self.catch_up(until=until)
            return self._search(question, await vector, limit, Filter()), self.lag()
        finally:
            vector.cancel()

    async def search(
        self, question: str, limit: int = 10, where: Filter = Filter()
    ) -> list[ScoredRow]:
        """The rows that match a query best, best first."""
        question = chunking.search_text(question)
        return self._search(question, await self.embedder.query(question), limit, where)

    def _search(
        self, question: str, vector: list[float] | None, limit: int, where: Filter
    ) -> list[ScoredRow]:
        return search_rows(self.store, self.source, question, vector, limit, where)


def begun_fact(name: str) -> str:
    """The name of the fact that a journal has once an index of it was begun."""
    return f"forgotten:{name}"


def stopping_error() -> OrchError:
    """The error of work that was stopped."""
    return OrchError("orch is stopping: memory goes on where it was at its next use", code="busy")
