"""Memory of one process: its failures are warnings of a run, and additions and deletions don't wait
for the index."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from orch.memory.journal_source import JournalSource
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.forked import COMMAND
from tests.support.memory_commands import BACKUP, SERVER, add_note
from tests.support.orch_command import orch
from tests.support.resident_memory import journal

__all__ = ["journal"]


def test_an_index_held_by_another_process_costs_no_answer(ollama: FakeOllama, home: Path) -> None:
    add_note(SERVER)
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
        done = orch("run", "--recall", "-m", CODER, "what is the staging server called?")
        holder.send_signal(signal.SIGKILL)
    assert (done.returncode, done.stdout) == (0, b"def f(): pass")
    assert b"answered without memory" in done.stderr


@pytest.mark.parametrize(
    "memory",
    ["{embedder: nowhere/x}", "{embedder: ollama/none}", "{qdrant_url: 'http://127.0.0.1:1'}"],
)
def test_a_memory_that_can_not_be_had_is_a_warning_for_a_run_and_an_error_for_a_search(
    ollama: FakeOllama, home: Path, memory: str
) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text(f"version: 1\nmemory: {memory}\n")
    run, search = orch("run", "--recall", "-m", CODER, "hi"), orch("memory", "search", "hi")
    assert (run.returncode, run.stdout) == (0, b"def f(): pass")
    assert b"answered without memory" in run.stderr
    assert search.returncode != 0
    assert b"Traceback" not in search.stderr


@pytest.mark.parametrize("mode", ["meta", "off"])
def test_a_journal_without_texts_has_no_memory(ollama: FakeOllama, home: Path, mode: str) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text(f"version: 1\njournal: {mode}\n")
    done = orch("memory", "search", "hi")
    assert done.returncode == 2
    assert b"journal.mode" in done.stderr


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
