"""An answer is given again for the exact question alone, while its model is installed as it was;
never a cut, empty or secret one."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from orch import get_orchestrator
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.orch_command import orch

TASK = "Write a Python function that sorts a list"


def source(*words: str) -> str:
    """Where the answer of `orch run --json` came from."""
    return str(json.loads(orch("run", "--json", *words).stdout)["source"])


def test_the_same_question_asks_the_model_once(ollama: FakeOllama) -> None:
    first, second = orch("run", TASK), orch("run", TASK)
    assert (first.stdout, second.stdout) == (b"def f(): pass", b"def f(): pass")
    assert re.search(rb"cached, \d+ s ago; --fresh asks again", second.stderr)
    assert len(ollama.chats()) == 1


def test_fresh_asks_again(ollama: FakeOllama) -> None:
    assert [source(TASK), source(TASK), source("--fresh", TASK)] == ["model", "cache", "model"]


@pytest.mark.parametrize(
    "other",
    [
        ("-o", "temperature=0"),
        ("-s", "be brief"),
        ("-t", "writing"),
        ("--speed",),
        ("-m", LLAMA),
        ("--dial", "3"),
    ],
)
def test_another_wish_is_another_question(ollama: FakeOllama, other: tuple[str, ...]) -> None:
    assert [source(TASK), source(*other, TASK)] == ["model", "model"]


def test_a_new_version_of_the_model_is_asked_again(ollama: FakeOllama) -> None:
    assert source(TASK) == "model"
    ollama.models[CODER].digest = "f" * 64
    assert source(TASK) == "model"


def test_an_answer_of_the_future_does_not_count(ollama: FakeOllama, home: Path) -> None:
    assert source(TASK) == "model"
    with closing(sqlite3.connect(home / "cache" / "answers.sqlite3")) as cache, cache:
        ((key,),) = cache.execute("UPDATE answers SET at = at + 86400 RETURNING key").fetchall()
    assert b"dated in the future" in orch("cache", "why", key[:12]).stdout
    assert source(TASK) == "model"


def test_another_routing_yaml_asks_again(ollama: FakeOllama, home: Path) -> None:
    assert source(TASK) == "model"
    (home / "routing.yaml").write_text("version: 1\nfallback: {max_attempts: 2}\n")
    assert source(TASK) == "model"


@pytest.mark.parametrize(
    "fault",
    [Fault("cut", after=2), Fault("empty"), Fault("length")],
    ids=["cut", "empty", "length"],
)
def test_incomplete_answers_are_not_cached(ollama: FakeOllama, fault: Fault) -> None:
    ollama.models[CODER].faults.append(fault)
    orch("run", "-m", CODER, TASK)
    assert source("-m", CODER, TASK) == "model"


@pytest.mark.parametrize("secret", ["my key is sk-abcdefghijklmnop1234", "password: hunter2secret"])
def test_a_secret_is_never_kept(ollama: FakeOllama, secret: str) -> None:
    assert [source(secret), source(secret)] == ["model", "model"]


@pytest.mark.parametrize("line", ["cache: off", "cache: {mode: exact, ttl: 0s}", "journal: meta"])
def test_routing_yaml_turns_it_off(ollama: FakeOllama, home: Path, line: str) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text(f"version: 1\n{line}\n")
    assert [source(TASK), source(TASK)] == ["model", "model"]


async def test_two_identical_runs_at_once_ask_the_model_once(ollama: FakeOllama) -> None:
    ollama.models[CODER].chunk_delay_s = 0.05
    async with get_orchestrator() as orchestrator:
        results = await asyncio.gather(orchestrator.execute(TASK), orchestrator.execute(TASK))
    assert sorted(result.source for result in results) == ["cache", "model"]
    assert len(ollama.chats()) == 1


async def test_a_cached_answer_is_replayed_as_a_stream(ollama: FakeOllama) -> None:
    async with get_orchestrator() as orchestrator:
        await orchestrator.execute(TASK)
        chunks = [chunk async for chunk in orchestrator.execute_streaming(TASK)]
    assert [chunk["type"] for chunk in chunks] == ["metadata", "content", "done"]
    assert chunks[-1]["result"].response.content == "def f(): pass"


def test_ten_processes_share_it(ollama: FakeOllama) -> None:
    source(TASK)
    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(lambda _: source(TASK), range(10))) == {"cache"}


def test_a_cached_answer_is_explained_printed_and_deleted(ollama: FakeOllama, home: Path) -> None:
    source(TASK)
    assert json.loads(orch("cache", "stats", "--json").stdout)["answers"] == 1
    name = next(iter(_ids(home)))
    assert json.loads(orch("cache", "why", name, "--json").stdout)["counts"] == "yes"
    assert orch("cache", "use", name).stdout == b"def f(): pass\n"
    assert orch("cache", "forget", name).returncode == 0
    assert source(TASK) == "model"


def test_an_unknown_id_is_an_error(ollama: FakeOllama) -> None:
    done = orch("cache", "use", "nope")
    assert done.returncode == 2
    assert b"no cached answer has an id that starts with 'nope'" in done.stderr


def test_what_is_cleared_is_gone_from_the_file(ollama: FakeOllama, home: Path) -> None:
    source("remember the word xylophonist")
    assert orch("cache", "clear").returncode == 0
    assert not any(
        b"xylophonist" in path.read_bytes() for path in (home / "cache").glob("answers*")
    )


def test_a_cache_that_can_not_be_written_costs_no_answer(ollama: FakeOllama, home: Path) -> None:
    home.mkdir()
    os.symlink("/proc", home / "cache")
    assert orch("run", TASK).stdout == b"def f(): pass"


def _ids(home: Path) -> list[str]:
    import sqlite3

    connection = sqlite3.connect(home / "cache" / "answers.sqlite3")
    names = [row[0][:12] for row in connection.execute("SELECT key FROM answers")]
    connection.close()
    return names


def test_a_near_task_is_named_and_never_answered_by_itself(ollama: FakeOllama, home: Path) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text("version: 1\ncache: suggest\n")
    orch("run", "How do I delete a file in Linux?")
    near, other = (
        orch("run", "How can I remove a file in Linux?"),
        orch("run", "How do I delete a folder in Linux?"),
    )
    assert b"asked before: 'How do I delete a file in Linux?'; orch cache use" in near.stderr
    assert b"asked before" not in other.stderr
    assert len(ollama.chats()) == 3
