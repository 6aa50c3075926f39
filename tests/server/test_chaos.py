"""The scheduler and the server under random actions and kills."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.config.load import load_config
from tests.conftest import CODER, LLAMA, ROOM
from tests.support.fake_ollama import FakeOllama
from tests.support.guarded_app import becomes_true
from tests.support.orch_command import orch
from tests.support.orch_process import Served, serving
from tests.support.scheduler_harness import SIZES, SchedulerHarness, config, inventory, settle


class Chaos:
    """Random requests, completions, cancellations, inventories and new limits, often several before
    any task runs."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.harness = SchedulerHarness(config(parallel=2, queue=12), inventory())
        self.parallel, self.asked = 2, 0
        self.running: dict[str, int] = {}

    async def run(self, steps: int) -> None:
        """Performs random actions and checks the invariants after each."""
        for _ in range(steps):
            deed = self.random.choices(
                [self.come, self.end, self.cancel, self.wait, self.look, self.reload],
                [10, 8, 3, 3, 2, 0.3],
            )[0]
            deed()
            if self.random.random() < 0.6:
                await settle()
                assert len(self.harness.admitted) == sum(
                    map(self.harness.scheduler.running_count, ("ollama", "far"))
                )
            self.check()

    def come(self) -> None:
        self.asked += 1
        provider, model = self.random.choice(
            [("ollama", name) for name in SIZES] + [("far", "far"), ("far", "farther")]
        )
        client, batch = self.random.choice("xyz"), self.random.random() < 0.3
        self.harness.submit(
            str(self.asked), model, provider, client=client, batch=batch, embeds=model == "embed:1"
        )

    def end(self) -> None:
        if self.harness.admitted:
            self.harness.finish(self.random.choice(self.harness.admitted))

    def cancel(self) -> None:
        living = [task for task in self.harness.tasks.values() if not task.done()]
        if living:
            self.random.choice(living).cancel()

    def wait(self) -> None:
        self.harness.now += self.random.choice([0.1, 5, 40])

    def look(self) -> None:
        """Observes an inventory from which idle models may be missing."""
        known = self.harness.scheduler.status()["memory"]["resident"]
        there = [model["model"] for model in known if model["in_use"] or self.random.random() < 0.7]
        self.harness.scheduler.observe(inventory(*there))

    def reload(self) -> None:
        self.parallel = self.random.choice([1, 2, 4])
        self.harness.scheduler.configure(CONFIGS[self.parallel])

    def check(self) -> None:
        """Slots and memory are never exceeded, and every waiting request has a reason."""
        status = self.harness.scheduler.status()
        assert status["memory"]["in_use_gb"] <= 12
        assert sum(model["gb"] for model in status["memory"]["resident"]) <= 12
        for name, lane in status["providers"].items():
            most, self.running[name] = (
                max(self.parallel, self.running.get(name, 0)),
                len(lane["running"]),
            )
            assert self.running[name] <= most  # fewer places than before: who is in may stay
            assert all(place["reason"] != "it is about to start" for place in lane["waiting"])

    async def close(self) -> None:
        """Every remaining request is admitted, and afterwards every slot is free."""
        gate, left = (
            self.harness.scheduler,
            {name for name, task in self.harness.tasks.items() if not task.done()},
        )
        await settle()
        while self.harness.admitted or gate.waiting_count("ollama") or gate.waiting_count("far"):
            await self.harness.drain(1)
            gate.observe(inventory())
            await settle()
        cancelled = {name for name in left if self.harness.tasks[name].cancelled()}
        assert left - cancelled - self.harness.refused.keys() <= set(self.harness.order)
        assert (gate.running_count("ollama"), gate.running_count("far"), gate._waiters) == (
            0,
            0,
            {},
        )
        before = len(self.harness.order)
        await self.harness.submit_all(*(f"a-{n}" for n in range(self.parallel)))
        assert len(self.harness.order) == before + self.parallel
        await self.harness.drain()


CONFIGS = {parallel: config(parallel=parallel, queue=12) for parallel in (1, 2, 4)}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_no_slot_is_lost_and_no_request_starves(seed: int) -> None:
    async def all_of_it() -> None:
        chaos = Chaos(seed)
        await chaos.run(250)
        await chaos.close()

    asyncio.run(all_of_it())


# ---------------------------------------------------------------- kill -9

ONE_AT_A_TIME = (
    "version: 1\nproviders:\n  ollama: {kind: ollama, base_url: http://127.0.0.1:11434, parallel:"
    " 1}\nmodels: []\n"
)
MESSAGES = [{"role": "user", "content": "What is a mutex?"}]
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"model": CODER, "messages": MESSAGES}),
    ("/v1/chat/completions", {"model": CODER, "messages": MESSAGES, "stream": True}),
    ("/v1/responses", {"model": LLAMA, "input": "What is a mutex?", "stream": True}),
    ("/api/chat", {"model": CODER, "messages": MESSAGES}),
    ("/api/generate", {"model": LLAMA, "prompt": "What is a mutex?", "stream": False}),
    ("/orch/run", {"text": "What is a mutex?", "model": CODER}),
]


@pytest.fixture
def files(home: Path) -> Path:
    """Configuration files with room for every model and one slot at Ollama."""
    home.mkdir()
    (home / "routing.yaml").write_text(ROOM)
    (home / "models.yaml").write_text(ONE_AT_A_TIME)
    return home


def run_ids(home: Path) -> list[str]:
    """The runs of an intact journal."""
    with sqlite3.connect(home / "journal.sqlite3") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = [row[0] for row in connection.execute("SELECT run_id FROM runs ORDER BY seq")]
    connection.close()
    return rows


def ask(url: str) -> str:
    """The id of a recorded run."""
    last = httpx.post(f"{url}/orch/run", json={"text": "hello"}, timeout=30).text.splitlines()[-2]
    run_id: str = json.loads(last.removeprefix("data: "))["result"]["run_id"]
    assert httpx.get(f"{url}/orch/runs/{run_id}").is_success
    return run_id


def waiting(url: str) -> int:
    """The number of requests that wait for the one slot."""
    return len(
        httpx.get(f"{url}/orch/health", timeout=30).json()["queue"]["providers"]["ollama"][
            "waiting"
        ]
    )


def whole_answer(url: str, path: str, body: dict[str, Any]) -> httpx.Response:
    """A complete answer. Raises httpx.TransportError if the connection ends before."""
    return httpx.post(f"{url}{path}", json=body, timeout=60)


def test_a_server_killed_with_a_full_queue_completes_no_answer_and_loses_no_run(
    files: Path, ollama: FakeOllama
) -> None:
    with serving() as first, ThreadPoolExecutor(len(QUESTIONS) + 1) as clients:
        before = ask(first.url)
        for model in ollama.models.values():
            model.reply, model.chunk_delay_s = ["word "] * 3_000, 0.02
        asked: list[Future[httpx.Response]] = [
            clients.submit(
                whole_answer, first.url, "/v1/chat/completions", {**QUESTIONS[1][1], "model": LLAMA}
            )
        ]
        ollama.wait_for(lambda: len(ollama.chats()) == 2)
        asked += [clients.submit(whole_answer, first.url, path, body) for path, body in QUESTIONS]
        assert becomes_true(lambda: waiting(first.url) == len(QUESTIONS))
        first.kill()
        assert all(
            isinstance(each.exception(), httpx.RemoteProtocolError | httpx.ReadError)
            for each in asked
        )
    ollama.wait_for(lambda: ollama.chats()[-1].aborted)
    assert len(ollama.chats()) == 2  # nobody who waited got to a model
    assert run_ids(files) == [before]
    for model in ollama.models.values():
        model.reply, model.chunk_delay_s = ["word"], 0.0
    with serving() as second:
        assert waiting(second.url) == 0
        assert [whole_answer(second.url, path, body).status_code for path, body in QUESTIONS] == [
            200
        ] * len(QUESTIONS)
        by_socket = json.loads(orch("serve", "status", "--json").stdout)["server"]
        assert (by_socket["url"], by_socket["pid"]) == (second.url, second.process.pid)
        after = ask(second.url)
    runs = run_ids(files)
    assert (runs[0], runs[-1], len(runs)) == (before, after, len(QUESTIONS) + 2)


class Editor(threading.Thread):
    """Saves routing.yaml repeatedly, in place, as some editors do."""

    def __init__(self, file: Path) -> None:
        super().__init__(daemon=True)
        self._file, self._enough, self.margin = file, threading.Event(), 0.0

    def run(self) -> None:
        for number in range(1, 900):
            text = f"{ROOM}session_margin: {number / 1000}\n"
            with self._file.open("w") as stream:
                for half in (text[: len(text) // 2], text[len(text) // 2 :]):
                    stream.write(half)
                    stream.flush()
                    self._enough.wait(0.01)
            self.margin = number / 1000
            if self._enough.wait(0.02):
                return

    def stop(self) -> None:
        """Returns when the file is complete."""
        self._enough.set()
        self.join()


@contextmanager
def editing(file: Path) -> Iterator[Editor]:
    """An active editor."""
    editor = Editor(file)
    editor.start()
    try:
        yield editor
    finally:
        editor.stop()


def config_hash(served: Served) -> str:
    """The hash of the current configuration."""
    return str(httpx.get(f"{served.url}/orch/server", timeout=30).json()["config_hash"])


@pytest.mark.parametrize("later_s", [0.0, 0.1, 0.3, 0.4])
def test_a_server_killed_during_changes_leaves_files_and_memory_intact(
    files: Path, ollama: FakeOllama, later_s: float
) -> None:
    note = {"texts": [{"text": "the staging server is called nemo"}]}
    with serving() as first:
        assert httpx.post(f"{first.url}/orch/memory/add", json=note, timeout=60).is_success
        at_first = config_hash(first)
        with editing(files / "routing.yaml") as editor:
            assert becomes_true(lambda: config_hash(first) != at_first)
            # another moment of the next reload each time: it waits 0.3 s for the editor to be
            # ready, then reads
            threading.Event().wait(later_s)
            first.kill()
    assert load_config(None).routing.session_margin == editor.margin
    assert (files / "models.yaml").read_text() == ONE_AT_A_TIME
    with serving() as second:
        health = httpx.get(f"{second.url}/orch/health", timeout=60).json()["config"]
        assert (health["hash"], health["fault"]) == (load_config(None).hash, None)
        hits = httpx.post(
            f"{second.url}/orch/memory/search", json={"query": "staging server"}, timeout=60
        ).json()["result"]["hits"]
        assert [hit["task"] for hit in hits] == [note["texts"][0]["text"]]
        ask(second.url)
