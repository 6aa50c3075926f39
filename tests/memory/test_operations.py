"""Operations of memory: what goes in and comes out survives JSON, and what is forgotten is gone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orch.cli.commands.memory import app
from orch.errors import OrchError
from orch.memory import operations
from orch.memory.operations import STILL_READ
from orch.memory.resident import ResidentMemory
from orch.storage import sqlite_file
from orch.storage.answers import AnswerStore
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.memory_commands import add_note, search_memory
from tests.support.orch_command import orch
from tests.support.resident_memory import (
    BACKUP,
    MANY,
    SERVER,
    Result,
    ask,
    fill,
    held,
    kept,
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
    result = await ask(held, "import", text="\n".join(map(json.dumps, rows)) + "\nnonsense")
    assert [row["task"] for row in rows] == [SERVER, BACKUP]
    assert result == {"new": 2, "total": 2, "faults": ["line 3: not JSON"], "notes": []}


async def test_lines_are_cut_at_line_ends_alone_and_counted_from_the_first(
    held: ResidentMemory,
) -> None:
    text = "a separator\u2028 and a next line\x85 inside"
    line = json.dumps({"run_id": "r1", "task": text}, ensure_ascii=False)
    result = await ask(held, "import", text=f"{line}\r\nnonsense\n", first=7)
    assert (result["new"], result["faults"]) == (1, ["line 8: not JSON"])
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


async def test_a_text_that_is_too_long_is_told(held: ResidentMemory, home: Path) -> None:
    with pytest.raises(OrchError, match="5 million characters, 4 are the most"):
        await ask(held, "add", texts=[{"title": None, "text": "x" * 5_000_000}])
    assert not (home / "memory").exists()


# ---------------------------------------------------------------- held


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


# ---------------------------------------------------------------- as commands


def test_a_run_is_found_by_the_words_of_its_question_and_of_its_answer(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = ["Use the ", "zipfile module"]
    orch("run", "-m", CODER, "How do I unpack an archive in Python?")
    assert [hit["model"] for hit in search_memory("unpacking archives")] == [CODER]
    assert [hit["model"] for hit in search_memory("zipfile")] == [CODER]


def test_a_note_is_found_by_meaning_in_the_other_language(ollama: FakeOllama) -> None:
    wanted, _ = add_note(BACKUP), add_note(SERVER)
    assert search_memory("¿a qué hora se hace la copia de seguridad?")[0]["id"] == wanted


def test_filters_hold(ollama: FakeOllama) -> None:
    orch("run", "-m", CODER, "-t", "coding", "--session", "s", SERVER)
    assert search_memory(
        "nemo", "--type", "coding", "--session", "s", "--model", CODER, "--since", "1h"
    )
    for other in (
        ("--type", "writing"),
        ("--session", "t"),
        ("--model", "x"),
        ("--since", "2100-01-01"),
    ):
        assert not search_memory("nemo", *other)


def test_what_shall_not_be_remembered_is_not(ollama: FakeOllama) -> None:
    orch("run", "--no-remember", SERVER)
    assert not search_memory("nemo")


def test_what_is_forgotten_is_gone_from_every_file(ollama: FakeOllama, home: Path) -> None:
    orch("run", "-m", CODER, "remember the word xylophonist")
    orch("run", "-m", CODER, "remember the word xylophonist")
    assert orch("memory", "forget", search_memory("xylophonist")[0]["id"]).returncode == 0
    assert not search_memory("xylophonist")
    assert not [
        path for path in home.rglob("*") if path.is_file() and b"xylophonist" in path.read_bytes()
    ]


def test_forgetting_by_session_leaves_the_others(ollama: FakeOllama) -> None:
    orch("run", "-m", CODER, "--session", "a", SERVER)
    orch("run", "-m", CODER, "--session", "b", BACKUP)
    assert b"deleted 1 entry" in orch("memory", "forget", "--session", "a").stdout
    assert [hit["session"] for hit in search_memory("server backup")] == ["b"]


@pytest.mark.parametrize(
    "words",
    [
        ["nope"],
        ["--session", "nope"],
        ["--before", "2001-01-01"],
        [],
        ["--all", "--session", "x"],
        ["--before", "soon"],
    ],
)
def test_a_forget_that_means_nothing_is_told_and_touches_nothing(
    ollama: FakeOllama, words: list[str]
) -> None:
    add_note(SERVER)
    done = orch("memory", "forget", *words)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert search_memory("nemo")


def test_a_document_is_split_and_found_by_its_parts(ollama: FakeOllama, tmp_path: Path) -> None:
    sections = "\n\n".join(
        f"## Part {number}\n\n" + f"filler number {number} " * 60 for number in range(6)
    )
    (tmp_path / "guide.md").write_text(
        f"# Guide\n\n{sections}\n\n## Restore\n\nUse pg_restore with the latest dump.\n"
    )
    done = orch("memory", "add", "-f", str(tmp_path / "guide.md"))
    assert b"added " in done.stdout
    assert "pg_restore" in search_memory("how is the database restored?")[0]["task"]


def test_the_same_note_twice_is_one(ollama: FakeOllama) -> None:
    assert add_note(SERVER) == add_note(SERVER)
    assert len(search_memory("nemo")) == 1


def test_an_export_comes_back_and_broken_lines_are_told(ollama: FakeOllama, tmp_path: Path) -> None:
    add_note(SERVER)
    exported = orch("memory", "export").stdout
    (tmp_path / "all.jsonl").write_bytes(exported + b'{"run_id": "x"}\nnonsense\n')
    orch("memory", "forget", "--all")
    done = orch("memory", "import", str(tmp_path / "all.jsonl"))
    assert done.returncode == 2
    assert b"line 2: task is missing" in done.stderr
    assert b"line 3: not JSON" in done.stderr
    assert search_memory("nemo")


def test_what_is_too_much_for_one_request_goes_in_portions(
    ollama: FakeOllama, tmp_path: Path
) -> None:
    lines = [
        json.dumps({"run_id": f"r{number}", "task": SERVER, "answer": "x" * 1_500_000})
        for number in range(3)
    ]
    (tmp_path / "all.jsonl").write_text("\n".join([*lines, "nonsense"]))
    done = orch("memory", "import", str(tmp_path / "all.jsonl"))
    assert done.stdout == b"imported 3 of 3; 0 already existed\n"
    assert b"line 4: not JSON" in done.stderr


def test_a_binary_and_an_empty_note_are_told(ollama: FakeOllama, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"\x7fELF\0\0\1\2")
    assert orch("memory", "add", "-f", str(tmp_path / "blob")).returncode == 2
    assert orch("memory", "add", stdin=b"").returncode == 2


def test_a_document_that_is_too_large_is_told(
    ollama: FakeOllama, tmp_path: Path, home: Path
) -> None:
    (tmp_path / "huge.txt").write_bytes(b"a line of text\n" * 3_500_000)
    done = orch("memory", "add", "-f", str(tmp_path / "huge.txt"))
    assert done.returncode == 2
    assert b"4 are the most" in done.stderr
    assert not (home / "memory").exists()
