"""Copies of the journal: kept by upgrades, refused if newer, exported, backed up and restored while
a server runs."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from orch.errors import JournalError
from orch.storage.database import Database
from orch.storage.journal import Journal
from orch.storage.schema import MIGRATIONS
from orch.text.redact import Redactor
from tests.support.fake_ollama import FakeOllama
from tests.support.forked import COMMAND
from tests.support.journal_file import (
    JOURNAL,
    SCHEMAS,
    answered_run,
    files_containing,
    install_dump,
    query,
)
from tests.support.orch_command import orch
from tests.support.orch_process import serving
from tests.support.terminal import Terminal


def opened(home: Path) -> Journal:
    """The journal of a home."""
    return Journal(home / JOURNAL, Redactor({}))


def tasks_in(file: Path) -> list[str]:
    """The tasks in a journal's file."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return [task for (task,) in connection.execute("SELECT task FROM runs ORDER BY seq")]


# ---------------------------------------------------------------- upgrades


@pytest.mark.parametrize("dump", SCHEMAS[:-1], ids=lambda dump: dump.stem)
def test_a_migration_keeps_a_copy_and_replaces_the_former_copy(home: Path, dump: Path) -> None:
    version = install_dump(home, dump)
    for other in ("schema-0", "replaced-20260101-000000"):
        (home / f"journal.{other}.sqlite3").touch()
    opened(home).open()
    (copy,) = home.glob("journal.schema-*")
    assert len(list(home.glob("journal.replaced-*"))) == 1
    assert (copy.name, tasks_in(copy), copy.stat().st_mode & 0o777) == (
        f"journal.schema-{version}.sqlite3",
        ["asked of old"],
        0o600,
    )
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)


def test_a_journal_that_can_not_be_copied_is_not_migrated(home: Path) -> None:
    version = install_dump(home, SCHEMAS[0])
    (home / f".journal.schema-{version}.sqlite3.{os.getpid()}").mkdir()
    with pytest.raises(JournalError, match="can't be copied"):
        opened(home).open()
    assert query(home, "PRAGMA user_version") == [(version,)]


def test_a_new_journal_and_a_cache_are_migrated_without_a_copy(
    ollama: FakeOllama, home: Path
) -> None:
    orch("run", "hi")
    assert not list(home.rglob("*.schema-*"))


def test_a_newer_journal_is_refused_with_both_versions_and_the_copy_and_left_untouched(
    home: Path,
) -> None:
    install_dump(home, SCHEMAS[-1])
    newer = Database(
        home / JOURNAL,
        [*MIGRATIONS, "CREATE TABLE of_the_future (n INTEGER);"],
        "the journal",
        keeps_copies=True,
    )
    newer.run(lambda c: c.execute("UPDATE schema_versions SET orch = '9.9'"))
    newer.run(lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    newer.close()
    before = (home / JOURNAL).read_bytes()
    done = orch("stats")
    error = done.stderr.decode()
    assert done.returncode == 1
    for part in (
        "orch 9.9",
        f"schema version {len(MIGRATIONS) + 1}",
        f"knows {len(MIGRATIONS)}",
        f"journal.schema-{len(MIGRATIONS)}.sqlite3",
    ):
        assert part in error
    assert (home / JOURNAL).read_bytes() == before


def test_the_copy_from_before_an_upgrade_can_be_restored_by_the_older_orch(home: Path) -> None:
    test_a_newer_journal_is_refused_with_both_versions_and_the_copy_and_left_untouched(home)
    (copy,) = home.glob("journal.schema-*")
    done = orch("journal", "restore", "--yes", str(copy))
    assert done.returncode == 0, done.stderr
    assert (orch("stats").returncode, tasks_in(home / JOURNAL)) == (0, ["asked of old"])


# ---------------------------------------------------------------- export


def test_every_run_is_exported_with_its_attempts_and_feedback(
    ollama: FakeOllama, home: Path
) -> None:
    orch("run", "hi")
    orch("rate", "last", "good")
    orch("rate", "last", "--type", "coding")
    assert orch("journal", "export", "runs.jsonl").returncode == 0
    (run,) = [json.loads(line) for line in Path("runs.jsonl").read_text().splitlines()]
    assert (run["task"], run["answer"], run["decision"]["model_id"]) == (
        "hi",
        "Hello world",
        run["model"],
    )
    assert [each["outcome"] for each in run["attempts"]] == ["ok"]
    assert [each["score"] for each in run["ratings"]] == [1.0]
    assert run["corrections"][0]["task_type"] == "coding"
    assert orch("journal", "export", "-").stdout == Path("runs.jsonl").read_bytes()
    assert Path("runs.jsonl").stat().st_mode & 0o777 == 0o600


def test_an_export_reads_page_by_page_and_since_a_time(home: Path) -> None:
    journal = opened(home)
    journal.record_all([answered_run(f"run {n}", 1.7e9 + 3_600 * n) for n in range(450)])
    journal.close()
    lines = orch("journal", "export", "-").stdout.splitlines()
    assert [json.loads(line)["run_id"] for line in lines] == [f"run {n}" for n in range(450)]
    assert len(orch("journal", "export", "--since", "2023-11-20", "-").stdout.splitlines()) < 450


# ---------------------------------------------------------------- backup and restore


def refused(*words: str) -> str:
    """The message of a command that exits with 2."""
    done = orch("journal", *words)
    assert done.returncode == 2, (done.stdout, done.stderr)
    return done.stderr.decode()


def test_a_backup_is_made_and_restored_while_a_server_runs(ollama: FakeOllama, home: Path) -> None:
    def ask(task: str) -> None:
        asked: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": task}]}
        assert (
            httpx.post(f"{server.url}/v1/chat/completions", json=asked, trust_env=False).status_code
            == 200
        )
        httpx.get(f"{server.url}/orch/runs", trust_env=False)  # a read writes all pending runs

    with serving() as server:
        ask("one")
        assert b"1 run," in orch("journal", "backup", "kept.sqlite3").stdout
        ask("two")
        done = orch("journal", "restore", "--yes", "kept.sqlite3")
        assert b"restored 1 run," in done.stdout, done.stderr
        ask("three")
        runs = httpx.get(f"{server.url}/orch/runs", trust_env=False).json()["runs"]
        assert [run["task"] for run in runs] == ["three", "one"]
    (replaced,) = home.glob("journal.replaced-*")
    assert (tasks_in(home / JOURNAL), tasks_in(replaced), replaced.stat().st_mode & 0o777) == (
        ["one", "three"],
        ["one", "two"],
        0o600,
    )
    assert query(home, "PRAGMA integrity_check") == [("ok",)]
    assert (Path("kept.sqlite3").stat().st_mode & 0o777, list(Path().iterdir())) == (
        0o600,
        [Path("kept.sqlite3")],
    )


def test_memory_finds_the_runs_of_a_restored_journal_only(ollama: FakeOllama, home: Path) -> None:
    orch("memory", "add", "the harbour opens at six")
    orch("journal", "backup", "kept.sqlite3")
    orch("memory", "forget", "--all")
    orch("memory", "add", "the lighthouse is red")
    assert b"lighthouse" in orch("memory", "search", "lighthouse").stdout
    orch("journal", "restore", "--yes", "kept.sqlite3")
    output = b"".join(orch("memory", "search", word).stdout for word in ("harbour", "lighthouse"))
    assert (b"harbour" in output, b"lighthouse" in output) == (True, False)


def test_an_open_index_follows_a_restored_journal(ollama: FakeOllama, home: Path) -> None:
    with serving() as server:
        orch("memory", "add", "the harbour opens at six")
        assert b"harbour" in orch("memory", "search", "harbour").stdout
        orch("journal", "backup", "kept.sqlite3")
        orch("memory", "forget", "--all")
        orch("memory", "add", "the lighthouse is red")
        assert b"lighthouse" in orch("memory", "search", "lighthouse").stdout
        orch("journal", "restore", "--yes", "kept.sqlite3")
        assert b"harbour" in orch("memory", "search", "harbour").stdout
        assert server.process.poll() is None


def test_a_forgotten_run_is_deleted_from_the_copies(ollama: FakeOllama, home: Path) -> None:
    for words in (
        "run --session s zanzibar",
        "run keep",
        "journal backup kept.sqlite3",
        "journal restore --yes kept.sqlite3",
    ):
        assert orch(*words.split()).returncode == 0
    (copy,) = home.glob("journal.replaced-*")
    assert orch("memory", "forget", "--session", "s").returncode == 0
    assert (files_containing(home, "zanzibar"), tasks_in(copy)) == ([], ["keep"])


@pytest.mark.parametrize("name", ["schema-1", "corrupt-20260101-000000-1"])
def test_a_copy_that_can_not_be_read_is_a_warning_when_a_run_is_forgotten(
    ollama: FakeOllama, home: Path, name: str
) -> None:
    orch("run", "hi")
    (home / f"journal.{name}.sqlite3").write_bytes(b"no database " * 1_000)
    done = orch("memory", "forget", "--all")
    assert (done.returncode, b"rm " in done.stderr, tasks_in(home / JOURNAL)) == (1, True, [])


def test_an_older_journal_is_migrated_when_restored(home: Path) -> None:
    install_dump(home, SCHEMAS[0])
    os.replace(home / JOURNAL, "old.sqlite3")
    assert orch("journal", "restore", "old.sqlite3").returncode == 0
    assert (
        tasks_in(home / JOURNAL),
        query(home, "PRAGMA user_version"),
        tasks_in(Path("old.sqlite3")),
    ) == (["asked of old"], [(len(MIGRATIONS),)], ["asked of old"])


def test_a_corrupt_journal_is_replaced_by_a_backup(ollama: FakeOllama, home: Path) -> None:
    orch("run", "hi")
    orch("journal", "backup", "kept.sqlite3")
    (home / JOURNAL).write_bytes(b"no database " * 1_000)
    assert orch("journal", "restore", "--yes", "kept.sqlite3").returncode == 0
    assert tasks_in(home / JOURNAL) == ["hi"]


def test_restore_asks_and_changes_nothing_unless_confirmed(ollama: FakeOllama, home: Path) -> None:
    orch("run", "hi")
    orch("journal", "backup", "kept.sqlite3")
    orch("run", "ho")
    assert "orch journal restore --yes kept.sqlite3" in refused("restore", "kept.sqlite3")
    terminal = Terminal("journal", "restore", "kept.sqlite3")
    terminal.read_until(b"[y/N]")
    terminal.type(b"\n")
    assert terminal.end() == 2
    assert tasks_in(home / JOURNAL) == ["hi", "ho"]


def test_a_backup_replaces_neither_the_journal_nor_a_file_unless_forced(
    ollama: FakeOllama, home: Path
) -> None:
    orch("run", "hi")
    Path("mine").write_text("mine")
    for words in ("backup", "export"):
        assert "mine exists" in refused(words, "mine")
        assert "is the journal itself" in refused(words, "--force", str(home / JOURNAL))
        assert "does not exist" in refused(words, "nowhere/copy")
    assert Path("mine").read_text() == "mine"
    assert orch("journal", "backup", "--force", "mine").returncode == 0
    assert tasks_in(Path("mine")) == ["hi"]


@pytest.mark.parametrize("name", ["backup", "export"])
def test_a_copy_does_not_replace_a_pipe(ollama: FakeOllama, name: str) -> None:
    assert orch("run", "hi").returncode == 0
    os.mkfifo("pipe")
    done = orch("journal", name, "pipe", "--force")
    assert (done.returncode, b"pipe is not a file" in done.stderr, Path("pipe").is_fifo()) == (
        2,
        True,
        True,
    )


@pytest.mark.parametrize("content", [b"", b"no database " * 1_000, None])
def test_a_file_that_is_not_a_backup_is_not_restored(
    ollama: FakeOllama, home: Path, content: bytes | None
) -> None:
    orch("run", "hi")
    if content is not None:
        Path("file").write_bytes(content)
    assert "orch journal backup FILE" in refused("restore", "--yes", "file")
    assert tasks_in(home / JOURNAL) == ["hi"]


def test_a_locked_journal_is_not_replaced_and_that_is_an_error(
    ollama: FakeOllama, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orch.storage import journal_copies

    monkeypatch.setattr(journal_copies, "BUSY_TIMEOUT_S", 0.05)
    orch("run", "hi")
    orch("journal", "backup", "kept.sqlite3")
    journal = opened(home)
    with contextlib.closing(sqlite3.connect(home / JOURNAL, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="it is unchanged"):
            journal_copies.restore_journal(journal, Path("kept.sqlite3"), None)
    journal.close()
    assert sorted(path.name for path in home.iterdir() if "restoring" in path.name) == []


def test_there_is_nothing_to_back_up_before_the_first_run(home: Path) -> None:
    assert "the first run creates it" in refused("backup", "kept.sqlite3")
    assert not (home / JOURNAL).exists()


def test_a_backup_to_a_full_disk_is_an_error_and_leaves_no_file(
    ollama: FakeOllama, home: Path
) -> None:
    orch("run", "hi")
    command = [
        "sh",
        "-c",
        'ulimit -f 80; exec "$@"',
        "sh",
        *COMMAND,
        "journal",
        "backup",
        "kept.sqlite3",
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, b"can't be copied" in done.stderr, list(Path().iterdir())) == (
        1,
        True,
        [],
    )
