"""The journal first, the index when it can: an addition and a forgetting are done at once, and a
run waits two seconds for the index at most."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from orch.config import paths
from orch.memory import index as index_module
from orch.memory.bm25 import document_weights
from orch.memory.edge_store import EdgeStore
from orch.memory.index import MemoryIndex
from orch.memory.journal_source import JournalSource
from orch.memory.operations import OperationContext, perform
from orch.memory.store import FORGOTTEN_FOR_GOOD, Filter
from orch.storage.answers import AnswerStore
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from tests.support.resident_memory import (
    held,
    journal,
    kept,
    write_rows,
)

__all__ = ["held", "journal", "kept"]


class Clocked:
    """Vectors of two numbers; each call takes a second of a clock that only it turns."""

    name = "clocked"

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read, self.now = list[str](), 0.0
        monkeypatch.setattr(index_module, "time", type("Time", (), {"monotonic": lambda: self.now}))

    async def dimension(self) -> int:
        return 2

    async def passages(self, texts: Sequence[str]) -> list[list[float]]:
        self.read += texts
        self.now += 1
        return [[1.0, 0.0]] * len(texts)

    async def query(self, text: str) -> list[float]:
        return [1.0, 0.0]


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> Clocked:
    return Clocked(monkeypatch)


@pytest.fixture
def memory(journal: Journal, clocked: Clocked, tmp_path: Path) -> Iterator[MemoryIndex]:
    """A memory of an empty journal, in an index that nobody else has."""
    index = MemoryIndex(
        JournalSource(journal.database, Redactor({})),
        EdgeStore(tmp_path / "stores", "index", 2),
        clocked,
        journal,
        "here",
    )
    yield index
    index.close()


# ---------------------------------------------------------------- adding and forgetting


async def test_an_addition_indexes_for_a_moment_and_tells_what_is_left(
    memory: MemoryIndex, journal: Journal, clocked: Clocked
) -> None:
    write_rows(journal, 20)
    assert await memory.follow_new(until=3.5) == 20 - len(clocked.read)
    assert len(clocked.read) == 3 * index_module.CHUNK // 2


async def test_what_was_forgotten_is_taken_out_of_the_free_space_once_there_is_time(
    memory: MemoryIndex, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    compacted = list[int]()
    write_rows(journal, 2)
    await memory.open()
    monkeypatch.setattr(memory.store, "compact", lambda: compacted.append(1))
    journal.set_fact(FORGOTTEN_FOR_GOOD, "1")
    memory.source.forget(["w0"])
    await memory.recall("note", 3, until=0.0)
    assert (memory.store.count(), compacted) == (1, [])
    await memory.catch_up()
    await memory.catch_up()
    assert compacted == [1]


# ---------------------------------------------------------------- recall


async def test_recall_searches_what_is_there_and_tells_what_is_not(
    memory: MemoryIndex, journal: Journal, clocked: Clocked
) -> None:
    write_rows(journal, 2)
    await memory.open()
    JournalSource(journal.database, Redactor({})).add(
        [{"run_id": f"late{number}", "task": f"late note {number}"} for number in range(9)]
    )
    rows, lag = await memory.recall("note", 3, until=clocked.now)
    assert ({each.row.run_id for each in rows}, lag) == ({"w0", "w1"}, 9)


async def test_a_row_longer_than_the_time_is_gone_on_with_and_read_once(
    memory: MemoryIndex, journal: Journal, clocked: Clocked
) -> None:
    JournalSource(journal.database, Redactor({})).add(
        [
            {
                "run_id": "long",
                "status": "ok",
                "task": "?",
                "answer": "A sentence of some words. " * 400,
            }
        ]
    )
    lags = [(await memory.recall("sentence", 3, until=clocked.now + 2.5))[1] for _ in range(4)]
    assert lags[0] == lags[1] == 1
    assert (lags[-1], len(clocked.read)) == (0, memory.store.count())


async def test_an_embedder_that_does_not_answer_in_time_is_not_waited_for(
    memory: MemoryIndex, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(journal, 3)

    async def passages(texts: Sequence[str]) -> list[list[float]]:
        return await asyncio.Future()

    monkeypatch.setattr(memory.embedder, "passages", passages)
    assert await memory.recall("note", 3, until=0.01) == ([], 3)


async def test_a_search_without_a_bar_searches_what_is_indexed_by_its_time_and_one_with_a_bar_all(
    memory: MemoryIndex, journal: Journal, clocked: Clocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "orch.memory.operations.time", type("Time", (), {"monotonic": lambda: clocked.now})
    )
    JournalSource(journal.database, Redactor({})).add(
        [{"run_id": f"n{number}", "task": f"note {number}"} for number in range(100)]
    )
    means = OperationContext(
        memory.source, AnswerStore(paths.cache_dir() / "none.sqlite3", 1), journal, memory
    )
    (message,) = (await perform("search", {"query": "note"}, means))["notes"]
    assert "are not indexed yet: that goes on now" in message
    assert 0 < len(clocked.read) < 100
    result = await perform(
        "search", {"query": "note"}, replace(means, progress=lambda done, total: None)
    )
    assert (result["notes"], len(clocked.read)) == ([], 100)


# ---------------------------------------------------------------- an index of an older tokenizer


async def older_index(
    memory: MemoryIndex, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Indexes 30 rows by words between blanks, as the first version did; every third is Chinese."""
    JournalSource(journal.database, Redactor({})).add(
        [
            {"run_id": f"r{n}", "task": f"办公室第{n}号" if n % 3 == 0 else f"note {n}"}
            for n in range(30)
        ]
    )
    with monkeypatch.context() as patched:
        patched.setattr("orch.memory.row_chunks.document_weights", lambda text: {1: 1.0})
        await memory.open()
    with journal.database.connection() as connection:
        connection.execute("DELETE FROM facts WHERE name = 'words:here'")


async def test_rows_whose_words_changed_are_indexed_once_more(
    memory: MemoryIndex, journal: Journal, clocked: Clocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    await older_index(memory, journal, monkeypatch)
    clocked.read.clear()
    await memory.catch_up()
    assert sorted(text.partition("] ")[2] for text in clocked.read) == sorted(
        f"办公室第{n}号" for n in range(0, 30, 3)
    )
    weights = {token: 1.0 for token in document_weights("公室")}
    assert len(memory.store.lexical(weights, 50, Filter())) == 10
    await memory.catch_up()
    assert (len(clocked.read), memory.store.count()) == (10, 30)


async def test_a_renewal_without_time_is_gone_on_with(
    memory: MemoryIndex, journal: Journal, clocked: Clocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    await older_index(memory, journal, monkeypatch)
    clocked.read.clear()
    counts = list[int]()
    for _ in range(8):
        await memory.catch_up(until=clocked.now + 2.5)
        counts.append(len(clocked.read))
    assert 0 < counts[0] < 10
    assert counts[-1] == 10
    assert len(set(clocked.read)) == 10


async def test_a_new_index_is_not_renewed(
    memory: MemoryIndex, journal: Journal, clocked: Clocked
) -> None:
    JournalSource(journal.database, Redactor({})).add([{"run_id": "r", "task": "办公室"}])
    await memory.open()
    await memory.catch_up()
    assert len(clocked.read) == 1
