"""A session carries its earlier turns; what was redacted is replayed as redacted, and said; what does not fit is left out, and said."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CODER
from tests.fakes.ollama import FakeOllama
from tests.test_cli import orch


def asked(ollama: FakeOllama) -> list[tuple[str, str]]:
    """Role and text of what the model was asked last."""
    messages: list[dict[str, Any]] = ollama.chats()[-1].body["messages"]
    return [(message["role"], message["content"]) for message in messages]


def test_a_session_carries_its_turns(ollama: FakeOllama) -> None:
    orch("run", "--session", "s", "-m", CODER, "one")
    orch("run", "--session", "other", "-m", CODER, "elsewhere")
    orch("run", "--session", "s", "-m", CODER, "two")
    assert asked(ollama) == [("user", "one"), ("assistant", "def f(): pass"), ("user", "two")]


def test_continue_goes_on_with_the_last_run_even_without_a_session(ollama: FakeOllama) -> None:
    orch("run", "-m", CODER, "one")
    orch("run", "-c", "-m", CODER, "two")
    orch("run", "-c", "-m", CODER, "three")
    assert [text for role, text in asked(ollama) if role == "user"] == ["one", "two", "three"]


def test_there_must_be_something_to_continue(ollama: FakeOllama) -> None:
    done = orch("run", "-c", "hi")
    assert done.returncode == 2
    assert b"no earlier run" in done.stderr


@pytest.mark.parametrize("mode", ["meta", "off"])
def test_a_journal_without_texts_carries_no_conversation(ollama: FakeOllama, home: Path, mode: str) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text(f"version: 1\njournal: {mode}\n")
    done = orch("run", "--json", "--session", "s", "hi")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "not_kept"


def test_redacted_text_is_replayed_as_redacted_and_said(ollama: FakeOllama) -> None:
    orch("run", "--session", "s", "-m", CODER, "password: hunter2secret")
    done = orch("run", "--session", "s", "-m", CODER, "what was it?")
    assert asked(ollama)[0] == ("user", "password: [redacted: assignment]")
    assert b"redacted" in done.stderr


def test_what_is_too_much_is_left_out_and_said(ollama: FakeOllama) -> None:
    for number in range(4):
        orch("run", "--session", "s", "-m", CODER, f"{number} " + "word " * 1000)
    done = orch("run", "--session", "s", "-m", CODER, "and now?")
    assert b"oldest turn" in done.stderr
    assert len(asked(ollama)) < 9


def test_the_journal_holds_each_turn_once(ollama: FakeOllama, home: Path) -> None:
    orch("run", "--session", "s", "-m", CODER, "the word xylophonist")
    orch("run", "--session", "s", "-m", CODER, "two")
    connection = sqlite3.connect(home / "journal.sqlite3")
    rows = connection.execute("SELECT messages FROM runs ORDER BY seq").fetchall()
    connection.close()
    assert ["xylophonist" in row[0] for row in rows] == [True, False]


def test_chat_takes_a_turn_a_line(ollama: FakeOllama) -> None:
    done = orch("chat", "-m", CODER, stdin=b"one\ntwo\n/why\n/quit\nnever\n")
    assert done.returncode == 0
    assert [text for role, text in asked(ollama) if role == "user"] == ["one", "two"]
    assert b"named by you" in done.stdout


def test_chat_survives_a_model_that_is_not_there(ollama: FakeOllama) -> None:
    done = orch("chat", stdin=b"/model nope\nhi\n/model auto\nhi\n")
    assert done.returncode == 0
    assert b"no model is called 'nope'" in done.stderr
    assert done.stdout.strip()
