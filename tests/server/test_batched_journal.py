"""The server's journal: runs are neither lost nor blocked by other processes or a file that can't
be written."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from orch.server import batched_journal as server_journal
from orch.server.batched_journal import BatchedJournal, PendingRuns
from orch.storage import sqlite_file
from orch.storage.journal import RunRecord
from orch.text.redact import Redactor
from tests.support.fake_ollama import FakeOllama
from tests.support.journal_file import answered_run, query
from tests.support.orch_command import orch
from tests.support.orch_process import Served, ask, serving, until

BESIDE = (
    "health",
    "memory search before",
    "memory add note",
    "stats",
    "models",
    "route hi",
    "rate last good",
    "replay",
    "cache stats",
    "memory forget --session none -y",
)
"""Commands: some use the server, others open the journal themselves."""


def deleted(server: Served) -> list[str]:
    """Deleted files that the server has open."""
    links = []
    for descriptor in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            links.append(str(descriptor.readlink()))
    return [link for link in links if "sqlite3" in link and "deleted" in link]


def test_commands_beside_a_server_lose_none_of_its_runs(ollama: FakeOllama, home: Path) -> None:
    with serving() as server:
        asked = [ask(server, "before")]
        for words in BESIDE:
            orch(*words.split())
            asked.append(ask(server, f"after {words}"))
            assert (words, deleted(server)) == (words, [])
        server.kill()
    assert {task for (task,) in query(home, "SELECT task FROM runs")} >= set(asked[:-1])
    assert query(home, "PRAGMA integrity_check") == [("ok",)]


def test_twenty_processes_beside_a_server_that_is_killed_lose_no_run(
    ollama: FakeOllama, home: Path
) -> None:
    with serving() as server, ThreadPoolExecutor(20) as pool:
        assert orch("health").returncode == 0
        asked = list(pool.map(lambda n: ask(server, f"server {n}"), range(20)))
        codes = list(
            pool.map(
                lambda n: orch("run", "--no-server", "--fresh", f"own {n}").returncode, range(20)
            )
        )
        asked += list(pool.map(lambda n: ask(server, f"server again {n}"), range(20)))
        assert (
            orch("memory", "search", "server").returncode == 0
        )  # it reads what is written: the batches are
        server.kill()
    assert codes == [0] * 20
    assert {task for (task,) in query(home, "SELECT task FROM runs")} >= {
        *asked,
        *(f"own {n}" for n in range(20)),
    }
    assert query(home, "PRAGMA integrity_check") == [("ok",)]


# ---------------------------------------------------------------- what can't be written


@pytest.fixture
def journal(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchedJournal]:
    """A journal that fails and retries after a short time."""
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.01)
    monkeypatch.setattr(server_journal, "RETRY_S", 0.01)
    journal = BatchedJournal(
        home / "journal.sqlite3", Redactor({}), "full", 10**9, lambda run: None
    )
    yield journal
    journal.close()


@contextlib.contextmanager
def locked(journal: BatchedJournal) -> Iterator[None]:
    """Locks the journal as another program would."""
    journal.open()
    with contextlib.closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_unwritable_runs_are_kept_and_written_later(
    journal: BatchedJournal, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"run {n}" for n in range(30)]
    with locked(journal):
        for name in names:
            assert journal.record(answered_run(name, 1e9)._replace(answer="words " * 2_000))
        until(
            lambda: "kept in memory until the journal can be written" in " ".join(journal.warnings)
        )
        assert journal.history.runs() == []
    until(lambda: len(journal.history.runs()) == len(names))
    assert journal.warnings == []
    assert [run["run_id"] for run in reversed(journal.history.runs())] == names
    assert [entry.levelname for entry in caplog.records] == ["WARNING", "WARNING"]


def test_pending_runs_are_limited_in_number_and_size() -> None:
    unwritten = PendingRuns()
    unwritten.add(answered_run("long", 1.0))
    assert all(
        unwritten.add(answered_run(str(n), 1.0)) for n in range(server_journal.MAX_PENDING_RUNS - 1)
    )
    assert (unwritten.add(answered_run("one more", 1.0)), unwritten.refused) == (False, 1)


def test_pending_runs_are_redacted_one_at_a_time(
    journal: BatchedJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    write = journal.write

    def noted(runs: Sequence[RunRecord]) -> bool:
        tried.append(len(runs))
        return write(runs)

    monkeypatch.setattr(journal, "write", noted)
    with locked(journal):
        for n in range(30):
            journal.record(answered_run(str(n), 1e9))
        until(lambda: len(tried) > 3)
        assert set(tried[2:]) == {1}


def test_pending_runs_survive_a_reload(journal: BatchedJournal, home: Path) -> None:
    unwritten = PendingRuns()
    before = BatchedJournal(journal.path, Redactor({}), "full", 10**9, lambda run: None, unwritten)
    with locked(journal):
        before.record(answered_run("run", 1e9))
        before.close()
    after = BatchedJournal(journal.path, Redactor({}), "full", 10**9, lambda run: None, unwritten)
    after.flush()
    assert [run["run_id"] for run in after.history.runs()] == ["run"]


def test_runs_never_written_are_logged_at_close(
    journal: BatchedJournal, caplog: pytest.LogCaptureFixture
) -> None:
    with locked(journal), caplog.at_level(logging.ERROR):
        journal.record(answered_run("run", 1e9))
        journal.close()
    assert "1 run was never written to the journal" in caplog.text


def test_health_reports_pending_runs(url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.01)
    httpx.get(f"{url}/orch/health")
    with contextlib.closing(
        sqlite3.connect(home / "journal.sqlite3", isolation_level=None)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
        assert httpx.post(f"{url}/v1/chat/completions", json=asked).status_code == 200
        until(lambda: "1 run kept in memory" in httpx.get(f"{url}/orch/health").text)
    until(lambda: "kept in memory" not in httpx.get(f"{url}/orch/health").text)
    assert query(home, "SELECT task FROM runs") == [("hi",)]


def test_an_unwritable_row_does_not_affect_others(url: str, ollama: FakeOllama, home: Path) -> None:
    from orch.server.batched_journal import BatchedJournal
    from orch.storage.journal import RunRecord
    from orch.text.redact import Redactor

    def row(name: str, tokens: int) -> RunRecord:
        return RunRecord(
            name,
            1.0,
            "t",
            "ok",
            "task",
            None,
            [],
            "answer",
            None,
            None,
            None,
            (),
            prompt_tokens=tokens,
        )

    journal = BatchedJournal(home / "other.sqlite3", Redactor({}), "full", 10**9, lambda run: None)
    for run in (row("a", 1), row("b", 10**30), row("c", 2)):
        journal.record(run)
    journal.flush()
    assert [each["run_id"] for each in journal.history.runs()] == ["c", "a"]
    assert "run b could not be written to the journal" in journal.warnings[0]
    journal.close()
