"""Whatever is wrong with what orch is given, it says so in a sentence with a next step, ends with the right code, and shows no traceback."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import CODER, LLAMA
from tests.fakes.ollama import FakeOllama, Fault
from tests.test_cli import COMMAND, orch
from tests.test_journal import rows

OLLAMA = "providers:\n  ollama: {kind: ollama, base_url: http://127.0.0.1:11434}\n"
GOOD = f"version: 1\n{OLLAMA}models:\n  - id: {CODER}\n"
MEGABYTE = b"a" * 1_000_000


def refused(done: subprocess.CompletedProcess[bytes], code: int, *said: str) -> None:
    """Holds when orch refused: the exit code, the words, a next step, nothing on stdout and no traceback."""
    words = done.stderr.decode()
    assert done.returncode == code, words
    assert [word for word in said if word not in words] == [], words
    assert "Traceback" not in words
    assert "try: " in words or "Try 'orch" in words
    assert done.stdout == b""


def folder(models: str = GOOD, routing: str = "version: 1\n") -> str:
    """A folder for --config."""
    Path("config").mkdir()
    Path("config/models.yaml").write_text(models)
    Path("config/routing.yaml").write_text(routing)
    return "config"


# ---------------------------------------------------------------- models.yaml and routing.yaml

BROKEN = {
    "broken YAML": ("models: [\n  - id", "", ("models.yaml:2:", "not valid YAML")),
    "no mapping": ("just words", "", ("models.yaml:1:1", "must be a mapping")),
    "weights": (GOOD, "weights: {fit: 0.5, quality: 0.4, speed: 0.3, confidence: 0.1}\n", ("routing.yaml:1:1: weights", "sum to 1.3")),
    "unset variable": (
        'providers:\n  x: {kind: openai, base_url: http://127.0.0.1:1, api_key: "${ORCH_NOT_SET}"}\n',
        "",
        ("models.yaml:2:", "ORCH_NOT_SET is not set", "${ORCH_NOT_SET:-default}"),
    ),
    "alias": (f"{OLLAMA}models:\n  - {{id: a, aliases: [x]}}\n  - {{id: b, aliases: [x]}}\n", "", ("models.yaml:5:", "'x' is already a name of a")),
    "no address": ("providers:\n  x: {kind: openai}\n", "", ("models.yaml:2:", "needs base_url")),
    "bad address": ("providers:\n  x: {kind: openai, base_url: 'http://°'}\n", "", ("models.yaml:2:", "is not an address")),
    "key": (f"{GOOD}    speed_ratin: 3\n", "", ("models.yaml:6:", "did you mean speed_rating?")),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_fault_in_the_files_is_told_with_its_place(ollama: FakeOllama, case: str) -> None:
    models, routing, said = BROKEN[case]
    refused(orch("--config", folder(models, routing), "run", "hi"), 2, *said)
    assert not ollama.chats()


def test_a_missing_config_folder_is_named_as_it_was_given(ollama: FakeOllama) -> None:
    refused(orch("--config", "nowhere", "run", "hi"), 2, "--config: nowhere", "orch config init --to")


def test_somebody_elses_models_yaml_is_ignored_with_one_line(ollama: FakeOllama) -> None:
    Path("models.yaml").write_text("resnet50: {layers: 50}\n")
    done = orch("run", "hi")
    assert (done.returncode, done.stdout) == (0, b"Hello world")
    assert done.stderr.count(b"models.yaml in this folder ignored") == 1


# ---------------------------------------------------------------- options

OPTIONS = {
    "unknown option": (["--verbos"], 2, ("No such option: --verbos",)),
    "no number": (["--dial", "abc"], 2, ("--dial", "'abc'")),
    "dial too far": (["--dial", "11"], 2, ("between 0 and 10",)),
    "no seconds": (["--timeout", "0"], 2, ("--timeout",)),
    "nan seconds": (["--timeout", "nan"], 2, ("--timeout",)),
    "no pair": (["-o", "temperature"], 2, ("-o 'temperature' is not KEY=VALUE", "-o temperature=0")),
    "type": (["-t", "codng"], 2, ("'codng'", "coding, reasoning, exploration, writing, simple, analysis, creative, research")),
    "profile": (["--profile", "fast"], 2, ("'fast'", "balanced, speed, quality")),
    "missing file": (["-f", "nowhere.txt"], 2, ("nowhere.txt: No such file",)),
    "folder as file": (["-f", "."], 2, (".: Is a directory",)),
    "missing schema": (["--schema", "nowhere.json"], 2, ("nowhere.json", "JSON Schema")),
    "schema no JSON": (["--schema", "words.txt"], 2, ("words.txt", "JSON Schema")),
    "binary file": (["-f", "binary"], 2, ("binary is binary, not text",)),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_a_wrong_option_is_told_and_asks_no_model(ollama: FakeOllama, case: str) -> None:
    Path("words.txt").write_text("no JSON at all")
    Path("binary").write_bytes(b"\x7fELF\0\0\1\2\xff")
    words, code, said = OPTIONS[case]
    refused(orch("run", *words, "hi"), code, *said)
    assert not ollama.chats()


@pytest.mark.parametrize("words", [["-t", "codng"], ["--timeout", "0"], ["-f", "nowhere.txt"], ["--schema", "nowhere.json"]])
def test_json_tells_a_wrong_option_in_its_own_form(ollama: FakeOllama, words: list[str]) -> None:
    done = orch("run", "--json", *words, "hi")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] in ("usage", "bad_input")


# ---------------------------------------------------------------- stdin


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (["-"], b"", "there is no task"),
        ([], b" \n\t", "there is no task"),
        (["-"], b"\x7fELF\0\0\1\2\xff", "stdin is binary"),
        (["what is it?"], os.urandom(64) + bytes(64), "stdin is binary"),
    ],
)
def test_unusable_stdin_is_told_and_asks_no_model(ollama: FakeOllama, words: list[str], stdin: bytes, said: str) -> None:
    refused(orch("run", *words, stdin=stdin), 2, said)
    assert not ollama.chats()


def test_orch_stops_reading_a_flood(ollama: FakeOllama) -> None:
    process = subprocess.Popen([*COMMAND, "run", "summarize"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    poured = 0
    with contextlib.suppress(BrokenPipeError):
        while poured < 200 and process.stdin is not None:
            process.stdin.write(MEGABYTE)
            poured += 1
    answer, words = process.communicate(timeout=60)
    refused(subprocess.CompletedProcess("orch", process.returncode, answer, words), 5, "64 MB", "head -c")
    assert 60 < poured < 70


# ---------------------------------------------------------------- what stands around orch


@pytest.mark.parametrize("host", ["http://[::1", "127.0.0.1:99999", "127.0.0.1:abc", ":::", "not a host", "ftp://127.0.0.1", "°", "http://"])
def test_a_nonsensical_ollama_host_is_told(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    done = orch("run", "-m", LLAMA, "hi")
    assert done.returncode in (2, 3)  # not an address, or one where nothing can be
    refused(done, done.returncode)


def test_a_server_that_speaks_html_is_named_as_one(ollama: FakeOllama) -> None:
    ollama.server_status = Fault("html", times=-1)
    refused(orch("run", "-m", LLAMA, "hi"), 3, "web page", ollama.url)


def test_a_journal_that_can_not_be_opened_costs_no_answer(ollama: FakeOllama, home: Path) -> None:
    (home / "journal.sqlite3").mkdir(parents=True)
    done = orch("run", "hi")
    assert (done.returncode, done.stdout) == (0, b"Hello world")
    assert b"nothing is recorded" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_journal_keeps_what_it_has_and_costs_no_answer(ollama: FakeOllama, home: Path) -> None:
    orch("run", "hi")
    (home / "journal.sqlite3").chmod(0o444)
    done = orch("run", "hi")
    assert (done.returncode, done.stdout, rows(home)) == (0, b"Hello world", 1)
    assert b"nothing is recorded" in done.stderr


def without_stdout(*words: str, stdout: str) -> subprocess.CompletedProcess[bytes]:
    """Runs orch in a shell that redirects stdout."""
    command = ["sh", "-c", f'exec "$@" >{stdout}', "sh", *COMMAND, *words]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=False)


@pytest.mark.parametrize("words", [["run", "hi"], ["run", "--json", "hi"], ["models"], ["config", "show"]])
def test_a_full_disk_behind_stdout_is_told_in_words(ollama: FakeOllama, words: list[str]) -> None:
    done = without_stdout(*words, stdout="/dev/full")
    assert (done.returncode, b"No space left" in done.stderr, b"Traceback" in done.stderr) == (1, True, False)
    assert b"nothing is recorded" not in done.stderr


@pytest.mark.parametrize("words", [["run", "hi"], ["run", "--json", "hi"], ["models"], ["--version"]])
def test_a_closed_stdout_shows_no_traceback(ollama: FakeOllama, words: list[str]) -> None:
    assert b"Traceback" not in without_stdout(*words, stdout="&-").stderr


# ---------------------------------------------------------------- every exit code of a run

CODES = {3: ["-m", LLAMA], 4: ["-m", "nope"], 5: ["-m", LLAMA, "-f", "long.txt"], 6: ["-m", LLAMA, "--timeout", "0.3"], 7: ["-m", CODER]}


@pytest.mark.parametrize("code", CODES)
def test_every_way_to_fail_has_its_exit_code_and_a_next_step(ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    Path("long.txt").write_text("word " * 200_000)
    ollama.models[LLAMA].faults.append(Fault("slow", seconds=60))
    ollama.models[CODER].faults.append(Fault("status"))
    if code == 3:
        monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    refused(orch("run", *CODES[code], "hi"), code)
