"""Checks that nothing is lost beside a server: commands are killed at random moments, and the
server now and then; every answered run must be kept."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.bench.server.process import free_port
from tests.support.fake_ollama import FakeModel, FakeOllama

MODEL = "qwen2.5-coder:7b-instruct-q4_K_M"
ROUNDS = 200
SERVER_LIVES = 25
"""Rounds between two kills of the server."""
COMMANDS = (
    "run --no-server --fresh -m {model} {task}", "run --no-server --fresh -m {model} {task}",
    "run --no-server --fresh --recall -m {model} {task}", "run --fresh -m {model} {task}",
    "memory add {task}", "memory search {task}", "memory forget {old}", "health", "stats",
    "models", "rate last good", "replay", "cache clear", "journal backup --force backup.sqlite3",
)  # fmt: skip


@dataclass(slots=True)
class Storm:
    """What was acknowledged: answered tasks, accepted notes, forgotten ids, and outcomes by
    kind."""

    answered: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    whole: Counter[str] = field(default_factory=Counter)
    forgetting: set[str] = field(default_factory=set)
    servers: int = 0


def report(rounds: int) -> list[str]:
    """Returns sentences with figures. Raises AssertionError if anything was lost. `rounds` is not
    used: the requirement fixes the count."""
    with (
        tempfile.TemporaryDirectory() as folder,
        FakeOllama([FakeModel(MODEL, reply=["word "] * 20, chunk_delay_s=0.005)]) as fake,
    ):
        home = Path(folder)
        env = {**os.environ, "ORCH_HOME": str(home), "OLLAMA_HOST": fake.url}
        storm = _blow(home, env)
        lost = _lost(home, storm)
    killed, whole = storm.killed.total(), storm.whole.total()
    return [
        (
            f"{ROUNDS} rounds beside a server that has memory and health in use: {killed} commands"
            f" of {len(set(COMMANDS))} kinds killed or failed, {whole} ended well, the server"
            f" killed {storm.servers} times; {len(storm.answered):,} answered runs and"
            f" {len(storm.noted):,} notes acknowledged, {len(lost)} lost, integrity_check ok."
        ),
        *lost[:20],
    ]


@contextlib.contextmanager
def _server(env: dict[str, str], home: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(
            [_orch(), "serve", "--port", str(port), "--no-ui"],
            env=env,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str) -> None:
    for _ in range(600):
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"{url}/api/version", trust_env=False)
            return
        time.sleep(0.1)
    raise AssertionError("the server did not start")


def _blow(home: Path, env: dict[str, str]) -> Storm:
    storm, chance = Storm(), random.Random(9)
    for begin in range(0, ROUNDS, SERVER_LIVES):
        with _server(env, home) as (url, _):
            for number in range(begin, min(begin + SERVER_LIVES, ROUNDS)):
                _round(number, url, env, home, storm, chance)
            time.sleep(0.2)  # what was answered longer ago than a batch's 50 ms must be there
        storm.servers += 1
    return storm


def _round(
    number: int, url: str, env: dict[str, str], home: Path, storm: Storm, chance: random.Random
) -> None:
    _ask(url, f"server {number}", storm)
    kind, task = COMMANDS[number % len(COMMANDS)], f"command-{number}"
    old = chance.choice(storm.noted) if storm.noted else "none"
    words = [word.format(model=MODEL, task=task, old=_id_of(home, old)) for word in kind.split()]
    if "forget" in kind:
        storm.forgetting.add(old)
    process = subprocess.Popen(
        [_orch(), *words],
        env=env,
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        process.communicate(timeout=chance.uniform(0.05, 1.5))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    ended = process.returncode == 0
    (storm.whole if ended else storm.killed)[kind.partition(" {")[0]] += 1
    if ended and kind.startswith("run"):
        storm.answered.append(task)
    if ended and kind.startswith("memory add"):
        storm.noted.append(task)
    _ask(url, f"server again {number}", storm)


def _ask(url: str, task: str, storm: Storm) -> None:
    asked = {"model": MODEL, "messages": [{"role": "user", "content": task}]}
    if (
        httpx.post(
            f"{url}/v1/chat/completions", json=asked, timeout=60, trust_env=False
        ).status_code
        == 200
    ):
        storm.answered.append(task)


def _rows(home: Path, query: str) -> list[tuple[str, ...]]:
    with contextlib.closing(sqlite3.connect(home / "journal.sqlite3", timeout=60)) as connection:
        return connection.execute(query).fetchall()


def _id_of(home: Path, task: str) -> str:
    return next(
        (
            run_id
            for noted, run_id in _rows(home, "SELECT task, run_id FROM runs WHERE face = 'memory'")
            if noted == task
        ),
        "none",
    )


def _lost(home: Path, storm: Storm) -> list[str]:
    assert _rows(home, "PRAGMA integrity_check") == [("ok",)]
    tasks = Counter(task for (task,) in _rows(home, "SELECT task FROM runs"))
    wanted = [*storm.answered, *(note for note in storm.noted if note not in storm.forgetting)]
    twice = [f"twice: {task}" for task, count in tasks.items() if count > 1]
    return [f"lost: {task}" for task in wanted if not tasks[task]] + twice


def _orch() -> str:
    return str(Path(sys.executable).with_name("orch"))


if __name__ == "__main__":
    print("\n".join(report(ROUNDS)))
