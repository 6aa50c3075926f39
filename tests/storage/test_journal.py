"""The journal survives corruption, a newer schema, a read-only folder
and ten processes at once."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.fake_ollama import FakeOllama
from tests.support.journal_file import count_runs
from tests.support.orch_command import orch


def test_ten_processes_at_once_on_an_empty_home_lose_no_run(ollama: FakeOllama, home: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        codes = [done.returncode for done in pool.map(lambda _: orch("run", "hi"), range(10))]
    assert codes == [0] * 10
    assert count_runs(home) == 10
    assert (home / "journal.sqlite3").stat().st_mode & 0o077 == 0


def test_a_corrupt_journal_is_quarantined_and_a_new_one_created(
    ollama: FakeOllama, home: Path
) -> None:
    home.mkdir()
    (home / "journal.sqlite3").write_bytes(b"this is no database" * 100)
    done = orch("run", "hi")
    assert (done.returncode, count_runs(home)) == (0, 1)
    assert b"set aside" in done.stderr
    assert list(home.glob("journal.corrupt-*"))


def test_a_newer_journal_is_left_untouched(ollama: FakeOllama, home: Path) -> None:
    home.mkdir()
    connection = sqlite3.connect(home / "journal.sqlite3")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    done = orch("run", "hi")
    assert done.returncode == 0
    assert b"newer orch" in done.stderr


def test_a_read_only_home_fails_no_run(ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCH_HOME", "/proc/orch")
    done = orch("run", "--json", "hi")
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"] is True
    assert b"nothing is recorded" in done.stderr


def test_a_secret_is_redacted_before_it_is_written(ollama: FakeOllama, home: Path) -> None:
    orch("run", "my password is hunter2secret, what now?")
    assert b"hunter2secret" not in b"".join(
        file.read_bytes() for file in home.glob("journal.sqlite3*")
    )
