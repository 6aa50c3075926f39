"""Sessions send their earlier turns, interrupted ones too, and report redacted and omitted ones."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch import Orchestrator
from orch.execution.session import MAX_HISTORY_TURNS, load_history, stable_start
from orch.text.strict_messages import INTERRUPTED_ANSWER
from tests.conftest import CODER, LLAMA, ROOM
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.forked import COMMAND
from tests.support.orch_command import orch


def last_messages(ollama: FakeOllama) -> list[tuple[str, str]]:
    """Role and text of the last request's messages."""
    messages: list[dict[str, Any]] = ollama.chats()[-1].body["messages"]
    return [(message["role"], message["content"]) for message in messages]


def test_a_session_sends_its_earlier_turns(ollama: FakeOllama) -> None:
    orch("run", "--session", "s", "-m", CODER, "one")
    orch("run", "--session", "other", "-m", CODER, "elsewhere")
    orch("run", "--session", "s", "-m", CODER, "two")
    assert last_messages(ollama) == [
        ("user", "one"),
        ("assistant", "def f(): pass"),
        ("user", "two"),
    ]


def test_continue_resumes_the_last_run_even_without_a_session(ollama: FakeOllama) -> None:
    orch("run", "-m", CODER, "one")
    orch("run", "-c", "-m", CODER, "two")
    orch("run", "-c", "-m", CODER, "three")
    assert [text for role, text in last_messages(ollama) if role == "user"] == [
        "one",
        "two",
        "three",
    ]


def test_continue_without_an_earlier_run_is_an_error(ollama: FakeOllama) -> None:
    done = orch("run", "-c", "hi")
    assert done.returncode == 2
    assert b"no earlier run" in done.stderr


@pytest.mark.parametrize("mode", ["meta", "off"])
def test_a_session_needs_a_journal_with_texts(ollama: FakeOllama, home: Path, mode: str) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text(f"version: 1\njournal: {mode}\n")
    done = orch("run", "--json", "--session", "s", "hi")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "not_kept"


def test_redacted_turns_are_sent_as_redacted_with_a_warning(ollama: FakeOllama) -> None:
    orch("run", "--session", "s", "-m", CODER, "password: hunter2secret")
    done = orch("run", "--session", "s", "-m", CODER, "what was it?")
    assert last_messages(ollama)[0] == ("user", "password: [redacted: assignment]")
    assert b"redacted" in done.stderr


def test_turns_beyond_the_limit_are_left_out_with_a_warning(ollama: FakeOllama) -> None:
    for number in range(4):
        orch("run", "--session", "s", "-m", CODER, f"{number} " + "word " * 1000)
    done = orch("run", "--session", "s", "-m", CODER, "and now?")
    assert b"oldest turn" in done.stderr
    assert len(last_messages(ollama)) < 9


def test_each_turn_is_journaled_once(ollama: FakeOllama, home: Path) -> None:
    orch("run", "--session", "s", "-m", CODER, "the word xylophonist")
    orch("run", "--session", "s", "-m", CODER, "two")
    connection = sqlite3.connect(home / "journal.sqlite3")
    rows = connection.execute("SELECT messages FROM runs ORDER BY seq").fetchall()
    connection.close()
    assert ["xylophonist" in row[0] for row in rows] == [True, False]


def test_chat_runs_one_turn_a_line(ollama: FakeOllama) -> None:
    done = orch("chat", "-m", CODER, stdin=b"one\ntwo\n/why\n/quit\nnever\n")
    assert done.returncode == 0
    assert [text for role, text in last_messages(ollama) if role == "user"] == ["one", "two"]
    assert b"named by you" in done.stdout


def test_chat_survives_a_missing_model(ollama: FakeOllama) -> None:
    done = orch("chat", stdin=b"/model nope\nhi\n/model auto\nhi\n")
    assert done.returncode == 0
    assert b"no model is called 'nope'" in done.stderr
    assert done.stdout.strip()


# ---------------------------------------------------------------- turns that did not come to their
# end


def interrupted(
    ollama: FakeOllama, *words: str, text: bytes = b"tick ", number: int = signal.SIGINT
) -> None:
    """A run of the coder that is ended by a signal: after that text was read, or where there is
    none as soon as the model was asked."""
    coder, asked_before = ollama.models[CODER], len(ollama.chats())
    usual, coder.reply, coder.chunk_delay_s = (
        coder.reply,
        ["tick "] * 10_000,
        0.02 if text else 20.0,
    )
    process = subprocess.Popen(
        [*COMMAND, "run", "--no-stdin", "-m", CODER, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.read(len(text)) == text
    ollama.wait_for(lambda: len(ollama.chats()) > asked_before)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    coder.reply, coder.chunk_delay_s = usual, 0.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_continue_resumes_an_interrupted_run(ollama: FakeOllama, number: signal.Signals) -> None:
    orch("run", "-m", CODER, "apples?")
    interrupted(ollama, "count", number=number)
    orch("run", "-c", "-m", CODER, "go on")
    question, answer, last = last_messages(ollama)
    assert (question, last) == (("user", "count"), ("user", "go on"))
    assert (answer[0], answer[1].startswith("tick ")) == ("assistant", True)


def test_a_run_interrupted_before_its_first_token_keeps_the_roles_alternating(
    ollama: FakeOllama,
) -> None:
    orch("run", "--session", "s", "-m", CODER, "one")
    interrupted(ollama, "--session", "s", "two", text=b"")
    orch("run", "-c", "-m", CODER, "three")
    turns = last_messages(ollama)
    assert [role for role, _ in turns] == ["user", "assistant"] * 2 + ["user"]
    assert [text for role, text in turns if role == "user"] == ["one", "two", "three"]
    assert turns[3][1] == INTERRUPTED_ANSWER


def test_visible_text_of_a_failed_run_is_a_turn(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("cut", after=2))
    assert orch("run", "--session", "s", "-m", CODER, "one").returncode == 7
    orch("run", "-c", "-m", CODER, "go on")
    assert last_messages(ollama) == [("user", "one"), ("assistant", "def f(): "), ("user", "go on")]


def test_a_failed_run_without_text_is_not_a_turn(ollama: FakeOllama) -> None:
    orch("run", "--session", "s", "-m", CODER, "one")
    ollama.models[CODER].faults.append(Fault("status"))
    assert orch("run", "--session", "s", "-m", CODER, "two").returncode == 7
    orch("run", "-c", "-m", CODER, "three")
    assert [text for role, text in last_messages(ollama) if role == "user"] == ["one", "three"]


def test_a_repeated_question_replaces_its_unfinished_turn(
    ollama: FakeOllama,
) -> None:
    interrupted(ollama, "--session", "s", "count")
    orch("run", "--session", "s", "-m", CODER, "count")
    assert last_messages(ollama) == [("user", "count")]
    orch("run", "--session", "s", "-m", CODER, "and now?")
    assert last_messages(ollama) == [
        ("user", "count"),
        ("assistant", "def f(): pass"),
        ("user", "and now?"),
    ]


@pytest.mark.parametrize("ends", ["interrupted", "failed"])
def test_the_next_turn_keeps_type_and_model_unless_it_failed(
    ollama: FakeOllama, home: Path, ends: str
) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text(f"{ROOM}session_margin: 1\n")
    if ends == "interrupted":
        interrupted(ollama, "-t", "creative", "a poem on the sea")
    else:
        ollama.models[CODER].faults.append(Fault("cut", after=1))
        assert orch("run", "-t", "creative", "-m", CODER, "a poem on the sea").returncode == 7
    ollama.resident.clear()
    output = json.loads(orch("run", "--json", "-c", "more").stdout)
    assert (output["task_type"], output["model"]) == (
        "creative",
        CODER if ends == "interrupted" else LLAMA,
    )


async def test_a_cancelled_library_run_is_a_turn(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        async with aclosing(
            orchestrator.execute_streaming("one", session="s", model=CODER)
        ) as chunks:
            async for chunk in chunks:
                if chunk["type"] == "content":
                    break
        await orchestrator.execute("go on", session="s", model=CODER)
    assert last_messages(ollama) == [("user", "one"), ("assistant", "def "), ("user", "go on")]


def test_a_run_ended_at_the_endpoint_is_a_turn(url: str, ollama: FakeOllama) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["tick "] * 1_000, 0.02
    body = {"text": "one", "session": "s", "model": CODER}
    with httpx.stream(
        "POST", f"{url}/orch/run", json=body, headers={"accept": "application/x-ndjson"}
    ) as answer:
        lines = answer.iter_lines()
        assert any('"content"' in line for line in lines)
        httpx.post(f"{url}/orch/runs/{answer.headers['x-orch-run-id']}/end", json={})
        assert '"interrupted"' in list(lines)[-1]
    ollama.models[CODER].reply = ["done"]
    httpx.post(f"{url}/orch/run", json={**body, "text": "go on"}, timeout=30)
    assert [(role, text[:9]) for role, text in last_messages(ollama)] == [
        ("user", "one"),
        ("assistant", "tick tick"),
        ("user", "go on"),
    ]


# ---------------------------------------------------------------- where a long history starts


@pytest.mark.parametrize("turns", [4, 10, 33])
def test_a_history_that_is_cut_starts_with_the_same_turn_for_many_questions(turns: int) -> None:
    starts = [
        numbers[stable_start(numbers)]
        for first in range(1, 200)
        if (numbers := list(range(first, first + turns)))
    ]
    assert starts == sorted(starts)
    assert len(set(starts)) <= 200 / (turns / 4)


@given(st.lists(st.integers(1, 10**6), unique=True, max_size=40).map(sorted))
def test_at_least_half_of_the_turns_that_fit_are_kept(numbers: list[int]) -> None:
    assert stable_start(numbers) <= len(numbers) // 2
    assert not numbers or stable_start(numbers) < len(numbers)


def test_a_long_conversation_begins_with_the_same_messages_at_most_turns(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].reply = ["fine"]
    for number in range(12):
        orch("run", "--session", "s", "-m", CODER, f"{number} " + "word " * 500)
    firsts = [chat.body["messages"][0]["content"] for chat in ollama.chats()]
    moved = sum(first != second for first, second in pairwise(firsts))
    assert 0 < moved <= 4


class Turns:
    """A journal with a session of so many short turns."""

    mode = "full"

    def __init__(self, count: int) -> None:
        self.history, self._count = self, count

    def turns(self, session: str, limit: int) -> list[dict[str, Any]]:
        row = {"answer": "yes", "status": "ok", "redacted": 0}
        numbers = range(self._count, max(self._count - limit, 0), -1)
        return [{**row, "seq": number, "task": f"{session}{number}"} for number in numbers]


def test_many_short_turns_begin_with_the_same_one_and_a_warning() -> None:
    whole = load_history("s", cast(Any, Turns(MAX_HISTORY_TURNS)))
    assert (len(whole.messages), whole.warnings) == (2 * MAX_HISTORY_TURNS, ())
    later = [load_history("s", cast(Any, Turns(MAX_HISTORY_TURNS + more))) for more in range(1, 14)]
    assert {each.messages[0]["content"] for each in later} == {"s32"}
    assert all("oldest turns" in each.warnings[0] for each in later)
