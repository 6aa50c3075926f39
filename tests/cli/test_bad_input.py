"""Whatever is wrong with what orch is given, it says so in a sentence with a next step, ends with
the right code, and shows no traceback."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from orch.cli.main import COMMANDS
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.forked import COMMAND
from tests.support.journal_file import count_runs
from tests.support.orch_command import orch

OLLAMA = "providers:\n  ollama: {kind: ollama, base_url: http://127.0.0.1:11434}\n"
GOOD = f"version: 1\n{OLLAMA}models:\n  - id: {CODER}\n"
MEGABYTE = b"a" * 1_000_000


def refused(done: subprocess.CompletedProcess[bytes], code: int, *said: str) -> None:
    """Holds when orch refused: the exit code, the words, a next step, nothing on stdout and no
    traceback."""
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
    "weights": (
        GOOD,
        "weights: {fit: 0.5, quality: 0.4, speed: 0.3, confidence: 0.1}\n",
        ("routing.yaml:1:1: weights", "sum to 1.3"),
    ),
    "unset variable": (
        (
            "providers:\n  x: {kind: openai, base_url: http://127.0.0.1:1, api_key:"
            ' "${ORCH_NOT_SET}"}\n'
        ),
        "",
        ("models.yaml:2:", "ORCH_NOT_SET is not set", "${ORCH_NOT_SET:-default}"),
    ),
    "alias": (
        f"{OLLAMA}models:\n  - {{id: a, aliases: [x]}}\n  - {{id: b, aliases: [x]}}\n",
        "",
        ("models.yaml:5:", "'x' is already a name of a"),
    ),
    "no address": ("providers:\n  x: {kind: openai}\n", "", ("models.yaml:2:", "needs base_url")),
    "bad address": (
        "providers:\n  x: {kind: openai, base_url: 'http://°'}\n",
        "",
        ("models.yaml:2:", "is not a valid URL"),
    ),
    "key": (f"{GOOD}    speed_ratin: 3\n", "", ("models.yaml:6:", "did you mean speed_rating?")),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_fault_in_the_files_is_reported_with_its_position(ollama: FakeOllama, case: str) -> None:
    models, routing, said = BROKEN[case]
    refused(orch("--config", folder(models, routing), "run", "hi"), 2, *said)
    assert not ollama.chats()


def test_a_missing_config_folder_is_named_as_it_was_given(ollama: FakeOllama) -> None:
    refused(
        orch("--config", "nowhere", "run", "hi"), 2, "--config: nowhere", "orch config init --to"
    )


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
    "no pair": (
        ["-o", "temperature"],
        2,
        ("-o 'temperature' is not KEY=VALUE", "-o temperature=0"),
    ),
    "type": (
        ["-t", "codng"],
        2,
        (
            "'codng'",
            "coding, reasoning, exploration, writing, simple, analysis, creative, research",
        ),
    ),
    "profile": (["--profile", "fast"], 2, ("'fast'", "balanced, speed, quality")),
    "missing file": (["-f", "nowhere.txt"], 2, ("nowhere.txt: No such file",)),
    "folder as file": (["-f", "."], 2, (".: Is a directory",)),
    "missing schema": (["--schema", "nowhere.json"], 2, ("nowhere.json", "JSON Schema")),
    "schema no JSON": (["--schema", "words.txt"], 2, ("words.txt", "JSON Schema")),
    "binary file": (["-f", "binary"], 2, ("binary is binary, not text",)),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_an_invalid_option_is_an_error_and_calls_no_model(ollama: FakeOllama, case: str) -> None:
    Path("words.txt").write_text("no JSON at all")
    Path("binary").write_bytes(b"\x7fELF\0\0\1\2\xff")
    words, code, said = OPTIONS[case]
    refused(orch("run", *words, "hi"), code, *said)
    assert not ollama.chats()


@pytest.mark.parametrize(
    "words",
    [["-t", "codng"], ["--timeout", "0"], ["-f", "nowhere.txt"], ["--schema", "nowhere.json"]],
)
def test_json_tells_a_wrong_option_in_its_own_form(ollama: FakeOllama, words: list[str]) -> None:
    done = orch("run", "--json", *words, "hi")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] in ("usage", "bad_input")


# ---------------------------------------------------------------- stdin


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (["-"], b"", "no task was given"),
        ([], b" \n\t", "no task was given"),
        (["-"], b"\x7fELF\0\0\1\2\xff", "stdin is binary"),
        (["what is it?"], os.urandom(64) + bytes(64), "stdin is binary"),
    ],
)
def test_unusable_stdin_is_an_error_and_calls_no_model(
    ollama: FakeOllama, words: list[str], stdin: bytes, said: str
) -> None:
    refused(orch("run", *words, stdin=stdin), 2, said)
    assert not ollama.chats()


def test_orch_stops_reading_a_flood(ollama: FakeOllama) -> None:
    process = subprocess.Popen(
        [*COMMAND, "run", "summarize"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    poured = 0
    with contextlib.suppress(BrokenPipeError):
        while poured < 200 and process.stdin is not None:
            process.stdin.write(MEGABYTE)
            poured += 1
    answer, words = process.communicate(timeout=60)
    refused(
        subprocess.CompletedProcess("orch", process.returncode, answer, words),
        5,
        "64 MB",
        "head -c",
    )
    assert 60 < poured < 70


# ---------------------------------------------------------------- what stands around orch


@pytest.mark.parametrize(
    "host",
    [
        "http://[::1",
        ":::",
        "not a host",
        "ftp://127.0.0.1",
        "°",
        "http://",
    ],
)
def test_an_invalid_ollama_host_is_an_error(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    done = orch("run", "-m", LLAMA, "hi")
    assert done.returncode in (2, 3)  # not an address, or one where nothing can be
    refused(done, done.returncode)


def test_a_server_that_sends_html_is_reported_as_such(ollama: FakeOllama) -> None:
    ollama.server_status = Fault("html", times=-1)
    refused(orch("run", "-m", LLAMA, "hi"), 3, "web page", ollama.url)


def test_a_journal_that_can_not_be_opened_costs_no_answer(ollama: FakeOllama, home: Path) -> None:
    (home / "journal.sqlite3").mkdir(parents=True)
    done = orch("run", "hi")
    assert (done.returncode, done.stdout) == (0, b"Hello world")
    assert b"nothing is recorded" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_journal_keeps_what_it_has_and_costs_no_answer(
    ollama: FakeOllama, home: Path
) -> None:
    orch("run", "hi")
    (home / "journal.sqlite3").chmod(0o444)
    done = orch("run", "hi")
    assert (done.returncode, done.stdout, count_runs(home)) == (0, b"Hello world", 1)
    assert b"nothing is recorded" in done.stderr


def without_stdout(*words: str, stdout: str) -> subprocess.CompletedProcess[bytes]:
    """Runs orch in a shell that redirects stdout."""
    command = ["sh", "-c", f'exec "$@" >{stdout}', "sh", *COMMAND, *words]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "words", [["run", "hi"], ["run", "--json", "hi"], ["models"], ["config", "show"]]
)
def test_a_full_disk_behind_stdout_is_an_error_without_traceback(
    ollama: FakeOllama, words: list[str]
) -> None:
    done = without_stdout(*words, stdout="/dev/full")
    assert (done.returncode, b"No space left" in done.stderr, b"Traceback" in done.stderr) == (
        1,
        True,
        False,
    )
    assert b"nothing is recorded" not in done.stderr


@pytest.mark.parametrize(
    "words", [["run", "hi"], ["run", "--json", "hi"], ["models"], ["--version"]]
)
def test_a_closed_stdout_shows_no_traceback(ollama: FakeOllama, words: list[str]) -> None:
    assert b"Traceback" not in without_stdout(*words, stdout="&-").stderr


# ---------------------------------------------------------------- every exit code of a run

CODES = {
    3: ["-m", LLAMA],
    4: ["-m", "nope"],
    5: ["-m", LLAMA, "-f", "long.txt"],
    6: ["-m", LLAMA, "--timeout", "0.3"],
    7: ["-m", CODER],
}


@pytest.mark.parametrize("code", CODES)
def test_every_way_to_fail_has_its_exit_code_and_a_next_step(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    Path("long.txt").write_text("word " * 200_000)
    ollama.models[LLAMA].faults.append(Fault("slow", seconds=60))
    ollama.models[CODER].faults.append(Fault("status"))
    if code == 3:
        monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    refused(orch("run", *CODES[code], "hi"), code)


# ---------------------------------------------------------------- a journal, or a cache, that can't
# be opened


def in_its_place(file: Path) -> None:
    """A directory."""
    file.mkdir(parents=True)


def newer(file: Path) -> None:
    """A database of a later version."""
    file.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version=99")


def no_database(file: Path) -> None:
    """Text, in a folder in which nothing can be set aside: the lock's place is taken."""
    file.parent.mkdir(parents=True)
    file.write_text("no database " * 500)
    file.with_suffix(".lock").mkdir()


def not_allowed(file: Path) -> None:
    """A file that its owner may not read."""
    file.parent.mkdir(parents=True)
    file.touch(mode=0o000)


UNREADABLE = [
    in_its_place,
    newer,
    no_database,
    pytest.param(
        not_allowed, marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    ),
]
ON_MEMORY = [
    f"memory {words}"
    for words in ("stats", "list", "search hi", "show x", "add hi", "forget x", "export", "reindex")
]
NEED_IT = [
    "stats",
    "stats --json",
    "rate last good",
    "rate last --type coding",
    "replay",
    "run -c hi",
    "chat -c",
    "bench --report",
    *ON_MEMORY,
]
DO_WITHOUT = [
    "run hi",
    "run --json hi",
    "route hi",
    "models",
    "health",
    "chat",
    "classify hi",
    "serve status",
]
READ_THE_CACHE = ["cache stats", "cache why a", "cache use a", "cache forget a", "cache clear"]


@pytest.mark.parametrize("spoil", UNREADABLE)
@pytest.mark.parametrize("words", NEED_IT)
def test_a_command_that_needs_the_journal_says_that_it_can_not_be_opened(
    ollama: FakeOllama, home: Path, words: str, spoil: Callable[[Path], None]
) -> None:
    spoil(home / "journal.sqlite3")
    refused(orch(*words.split()), 1, "the journal", str(home / "journal.sqlite3"))


@pytest.mark.parametrize("spoil", UNREADABLE)
@pytest.mark.parametrize("words", DO_WITHOUT)
def test_a_command_that_can_do_without_the_journal_does(
    ollama: FakeOllama, home: Path, words: str, spoil: Callable[[Path], None]
) -> None:
    spoil(home / "journal.sqlite3")
    done = orch(*words.split(), stdin=b"")
    assert (done.returncode, b"Traceback" in done.stderr) == (
        1 if words == "serve status" else 0,
        False,
    ), done.stderr.decode()


@pytest.mark.parametrize("spoil", UNREADABLE)
@pytest.mark.parametrize("words", READ_THE_CACHE)
def test_a_command_on_a_cache_that_can_not_be_opened_says_so(
    home: Path, words: str, spoil: Callable[[Path], None]
) -> None:
    spoil(home / "cache" / "answers.sqlite3")
    refused(orch(*words.split()), 1, "the cache", str(home / "cache" / "answers.sqlite3"))


# ---------------------------------------------------------------- bytes of argv that are not UTF-8

BROKEN_BYTES = "a\udcffb"
ASKS = ("run", "route", "classify", "chat")


def taking_text(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """argv for every option and argument of a command that takes a text or a name, with such bytes
    in it."""
    for name, below in getattr(command, "commands", {}).items():
        yield from taking_text(below, (*path, name))
    for param in command.params if command.callback else ():
        if type(param.type).__name__ == "StringParamType":
            others = [
                each.name
                for each in command.params
                if each.param_type_name == "argument" and each.required and each is not param
            ]
            task = (
                ["hi"]
                if path[0] in ("run", "route") and param.name != "words"
                else ["--report"]
                if path[0] == "bench"
                else []
            )
            given = (
                [param.opts[-1], BROKEN_BYTES]
                if param.param_type_name == "option"
                else [BROKEN_BYTES]
            )
            yield (*path, *others, *given, *task)


EVERY = [
    words
    for name, (module, _) in COMMANDS.items()
    for words in taking_text(get_command(import_module(module).app), (name,))
]


@pytest.mark.parametrize(
    "words",
    [*EVERY, (BROKEN_BYTES,), ("run", f"--{BROKEN_BYTES}"), ("--config", BROKEN_BYTES, "stats")],
    ids=ascii,
)
def test_bytes_that_are_not_utf_8_are_refused_or_replaced(
    ollama: FakeOllama, words: tuple[str, ...]
) -> None:
    process = subprocess.run(
        [*COMMAND, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False
    )
    said = process.stderr.decode()
    assert "Traceback" not in said
    assert process.returncode == 2 or (
        process.returncode == 0 and words[0] in (*ASKS, "memory", "bench", "config")
    ), said


NAMES = [
    ("run", "--session"),
    ("memory", "search", "hi", "--session"),
    ("cache", "use"),
    ("rate",),
    ("models", "show"),
]


@pytest.mark.parametrize("words", NAMES, ids=" ".join)
def test_a_name_of_such_bytes_is_refused_with_the_option_that_had_it(
    ollama: FakeOllama, words: tuple[str, ...]
) -> None:
    given = (*words, BROKEN_BYTES, *(["hi"] if words[0] == "run" else []))
    refused(orch(*given), 2, r"'a\udcffb' is not UTF-8", " --help")
    assert not ollama.chats()


def test_a_text_of_such_bytes_is_asked_and_kept_with_a_replacement(ollama: FakeOllama) -> None:
    assert orch("run", "-s", BROKEN_BYTES, "--context", BROKEN_BYTES, BROKEN_BYTES).returncode == 0
    assert str(ollama.chats()[-1].body["messages"]).count("a\ufffdb") == 3
    assert orch("memory", "add", BROKEN_BYTES).returncode == 0
    assert "a\ufffdb" in orch("memory", "list").stdout.decode()


@pytest.mark.parametrize("words", [("models", "show"), ("run", "hi", "--model")], ids=" ".join)
def test_a_utf_8_name_is_understood_where_python_decodes_argv_as_ascii(
    ollama: FakeOllama, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [*COMMAND, *words, "señor-模型"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    refused(done, 4, "señor-模型")
    assert "UTF-8" not in done.stderr.decode()


def test_a_file_may_have_any_name(ollama: FakeOllama) -> None:
    Path(BROKEN_BYTES).write_text("words of the file")
    done = orch("run", "-f", BROKEN_BYTES, "summarize")
    assert (done.returncode, "words of the file" in str(ollama.chats()[-1].body["messages"])) == (
        0,
        True,
    ), done.stderr.decode()
    assert orch("memory", "add", "-f", BROKEN_BYTES).returncode == 0


def test_a_chat_takes_lines_of_such_bytes(ollama: FakeOllama) -> None:
    done = orch("chat", stdin=b"a\xffb\n")
    assert (done.returncode, b"Traceback" in done.stderr, len(ollama.chats())) == (0, False, 1)


def test_text_of_other_tools_is_read_by_its_mark(ollama: FakeOllama) -> None:
    text = "¿Por qué falla? 为什么"
    assert orch("run", "-m", LLAMA, "summarize", stdin=text.encode("utf-16")).returncode == 0
    assert f"```\n{text}\n```" in str(ollama.chats()[-1].body["messages"][-1]["content"])
