"""Nothing that a model, a server, a file or a person's words say drives the terminal: every
command's output through a pseudo-terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.conftest import LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.forked import Forked, run

EVIL = (
    "\x1b]52;c;ZXZpbA==\x07\x1b]0;owned\x07\x1b[2J\x1bc\x9b31m\x9d0;x\x9c"
    "\x08\u202e\u202a\u2066\u2069\u206e"
)
IN_YAML = "".join(f"\\u{ord(char):04x}" for char in EVIL)
OWN = re.compile(r"\x1b\[[0-9;]*m|\x1b\[[0-9]*[ABCDGK]|\x1b\[\?(25|2004)[hl]")
"""Colours, the cursor's moves in a line and up, erasing a line, hiding the cursor, and readline's
bracketed paste."""
DRIVES = re.compile(r"[\x00-\x06\x07\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u206f]")


def reached(*words: str, typed: bytes = b"", only: str = "") -> str:
    """What of a command reaches the terminal; `only` one of its streams is one."""
    mine, theirs = pty.openpty()
    os.write(mine, typed)
    with (
        open(os.devnull, "w") as null,
        Forked(
            *words,
            stdin=theirs,
            stdout=null if only == "stderr" else theirs,
            stderr=null if only == "stdout" else theirs,
        ) as process,
    ):
        os.close(theirs)
        try:
            return _read(mine)
        finally:
            os.close(mine)
            process.kill()


def _read(mine: int) -> str:
    """All of it. Raises AssertionError where a command waits for something."""
    got = b""
    while select.select([mine], [], [], 60)[0]:
        try:
            got += os.read(mine, 65536)
        except OSError:  # the last one has closed the terminal
            return got.decode()
    raise AssertionError(got)


def driving(text: str) -> list[str]:
    """What of a terminal's input is not orch's own."""
    return DRIVES.findall(OWN.sub("", text))


@pytest.fixture
def evil(ollama: FakeOllama, home: Path) -> str:
    """The id of a model that is hostile in all it says."""
    name = "evil:7b"
    home.mkdir(exist_ok=True)
    (home / "models.yaml").write_text(
        f"providers: {{ollama: {{kind: ollama, base_url: {ollama.url}}}}}\n"
        f"models: [{{id: '{name}'}}]\n"
    )
    call = {"function": {"name": f"f{EVIL}", "arguments": {f"a{EVIL}": EVIL}}}
    reply = [f"nemo {EVIL} [link](http://x/{EVIL}) &#x202e; ![image](http://y) answer"]
    ollama.add(
        FakeModel(
            name,
            reply=reply,
            thinking=[f"hm {EVIL}"],
            tool_calls=[call],
            capabilities=["completion", "thinking"],
        )
    )
    return name


RUNS = [
    (),
    ("--plain",),
    ("--no-stream",),
    ("--show-thinking",),
    ("--plain", "--show-thinking"),
    ("--json",),
    ("--jsonl",),
]


@pytest.mark.parametrize("how", RUNS, ids="".join)
def test_an_answer_drives_no_terminal(evil: str, how: tuple[str, ...]) -> None:
    shown = reached("run", "-m", evil, "--session", f"s{EVIL}", *how, f"why {EVIL}?")
    assert "nemo" in shown
    assert driving(shown) == []


def test_the_line_about_a_run_into_a_file_drives_no_terminal(evil: str) -> None:
    shown = reached("run", "-m", evil, "why?", only="stderr")
    assert "evil" in shown
    assert driving(shown) == []


def test_a_pipe_gets_the_models_own_bytes(evil: str) -> None:
    assert EVIL.encode() in run("run", "-m", evil, "why?").stdout


def test_json_on_a_terminal_means_the_same(evil: str) -> None:
    shown = reached("run", "-m", evil, "--json", "why?", only="stdout")
    assert EVIL in json.loads(shown)["answer"]


def test_chat_drives_no_terminal(evil: str) -> None:
    shown = reached("chat", "-m", evil, typed=b"why?\n/why\n/model x\n/quit\n")
    assert "nemo" in shown
    assert driving(shown) == []


KINDS = [
    Fault("status", message=f"no {EVIL} way", times=-1),
    Fault("error_line", message=f"no {EVIL} way", times=-1),
]


@pytest.mark.parametrize("fault", KINDS, ids=lambda fault: fault.kind)
@pytest.mark.parametrize("how", [(), ("--plain",), ("--json",), ("-m", LLAMA)], ids="".join)
def test_a_servers_error_drives_no_terminal(
    ollama: FakeOllama, fault: Fault, how: tuple[str, ...]
) -> None:
    for model in ollama.models.values():
        model.faults = [fault]
    shown = reached("run", *how, "hi")
    assert "way" in shown
    assert driving(shown) == []


WORDS = [
    ("run", "-m", f"no{EVIL}", "hi"),
    ("run", "-f", f"no{EVIL}", "hi"),
    ("run", "--schema", f"no{EVIL}", "hi"),
    ("run", "-t", f"no{EVIL}", "hi"),
    ("run", "-o", f"no{EVIL}", "hi"),
    ("run", "--profile", f"no{EVIL}", "hi"),
    ("run", "--timeout", f"no{EVIL}", "hi"),
    ("run", f"--no{EVIL}", "hi"),
    (f"no{EVIL}",),
    ("--config", f"no{EVIL}", "models"),
    ("route", f"no{EVIL}"),
    ("route", "--json", f"no{EVIL}"),
    ("classify", f"def no{EVIL}"),
    ("models", "show", f"no{EVIL}"),
    ("models", f"no{EVIL}"),
    ("memory", "show", f"no{EVIL}"),
    ("memory", "import", f"no{EVIL}"),
    ("memory", "forget", f"no{EVIL}"),
    ("memory", "search", "--since", f"no{EVIL}", "x"),
    ("models", "add", f"no{EVIL}"),
    ("models", "load", f"no{EVIL}"),
    ("journal", "backup", f"no/{EVIL}"),
    ("journal", "restore", f"no{EVIL}"),
    ("cache", "why", f"no{EVIL}"),
    ("bench", "--suite", f"no{EVIL}"),
    ("rate", f"no{EVIL}", "good"),
    ("replay", "--models", f"no{EVIL}"),
    ("config", "schema", f"no{EVIL}"),
    ("serve", "--host", f"no{EVIL}", "--no-ui"),
    ("serve", "--api-key", f"no{EVIL}", "--no-ui"),
]


@pytest.mark.parametrize(
    "words",
    WORDS,
    ids=lambda words: (
        words[0].partition("\x1b")[0] + words[-2 if len(words) > 2 else -1].partition("\x1b")[0]
    ),
)
def test_argv_cannot_send_control_sequences(ollama: FakeOllama, words: tuple[str, ...]) -> None:
    shown = reached(*words)
    assert shown
    assert driving(shown) == []


LISTINGS = [
    ("models",),
    ("models", "show", "EVIL"),
    ("route", "hi"),
    ("stats",),
    ("health",),
    ("config", "show"),
    ("cache", "stats"),
    ("rate", "last", "good"),
]


@pytest.mark.parametrize("words", LISTINGS, ids=" ".join)
def test_a_listing_of_hostile_names_drives_no_terminal(evil: str, words: tuple[str, ...]) -> None:
    run("run", "-m", evil, "--session", f"s{EVIL}", f"why {EVIL}?")
    shown = reached(*(evil if word == "EVIL" else word for word in words))
    assert shown
    assert driving(shown) == []


def test_what_is_remembered_drives_no_terminal(evil: str) -> None:
    run("run", "-m", evil, f"why is nemo {EVIL}?")
    run("memory", "add", f"the vault code of nemo is 1234 {EVIL}")
    ids = [each["id"] for each in json.loads(run("memory", "list", "--json").stdout)["memories"]]
    asked = [
        ("memory", "list"),
        ("memory", "search", "vault"),
        ("memory", "export"),
        *(("memory", "show", each) for each in ids),
    ]
    asked += [
        ("run", "--recall", *how, "-m", LLAMA, "what is the vault code of nemo?")
        for how in ((), ("--plain",))
    ]
    assert len(ids) == 2
    assert [words for words in asked if driving(reached(*words))] == []


def test_what_the_cache_keeps_drives_no_terminal(ollama: FakeOllama, home: Path) -> None:
    ollama.models[LLAMA].reply = [f"nemo {EVIL}"]
    run("run", "-m", LLAMA, f"why {EVIL}?")
    with sqlite3.connect(home / "cache" / "answers.sqlite3") as connection:
        [(key,)] = connection.execute("SELECT key FROM answers")
    connection.close()
    shown = [reached("cache", word, key[:12]) for word in ("use", "why", "forget")]
    assert "nemo" in shown[0]
    assert [driving(each) for each in shown] == [[], [], []]


def test_files_of_a_cloned_folder_drive_no_terminal() -> None:
    Path("models.yaml").write_text(
        f'providers:\n  "p{IN_YAML}": {{kind: ollama, base_url:'
        f' "http://127.0.0.1:1/{IN_YAML}"}}\nmodels:\n- {{id: "x{IN_YAML}", "k{IN_YAML}": 1}}\n'
    )
    Path("routing.yaml").write_text(
        "weights: {fit: 0.2, quality: 0.4, speed: 0.3, confidence: 0.1}\ntask_types: {coding:"
        f' {{patterns: ["({IN_YAML}"]}}}}\n"r{IN_YAML}": 1\n'
    )
    shown = [
        reached("run", "hi"),
        reached("config", "validate"),
        reached("config", "validate", "--json"),
    ]
    assert all("unknown key" in each for each in shown)
    assert [driving(each) for each in shown] == [[], [], []]


def test_a_file_name_drives_no_terminal(ollama: FakeOllama) -> None:
    Path(f"note{EVIL}.md").write_text(f"# note\n\nnemo {EVIL}")
    shown = [
        reached("memory", "add", "-f", f"note{EVIL}.md"),
        reached("run", "--schema", f"note{EVIL}.md", "hi"),
        reached("run", "-f", f"note{EVIL}.md", "--dry-run", "hi"),
    ]
    assert [driving(each) for each in shown] == [[], [], []]


def test_what_a_pull_tells_drives_no_terminal(ollama: FakeOllama) -> None:
    shown = reached("models", "pull", f"no{EVIL}:7b")
    assert shown
    assert driving(shown) == []


def test_what_clients_send_drives_no_terminal_of_a_server(evil: str) -> None:
    mine, theirs = pty.openpty()
    with Forked(
        "serve", "--port", "0", "--no-ui", stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        begun = os.read(mine, 65536).decode()
        port = int(re.findall(r":(\d+)", begun)[0])
        for request in (
            f"GET /{EVIL} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            f"{EVIL}\r\n\r\n",
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x{EVIL}\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(request.encode())
                connection.shutdown(socket.SHUT_WR)
                connection.recv(65536)
        process.terminate()
        shown = begun + _read(mine)
    os.close(mine)
    assert driving(shown) == []
