"""A model that its server still loads is waited for, within the timeout, and said once."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orch import OrchError, Orchestrator
from orch.config.spec import Models, Provider
from orch.errors import ProviderError
from orch.providers import ProviderClient
from orch.providers.http.loading import MAX_PAUSE_S, LoadingWait
from orch.providers.kinds import open_client
from orch.text.prompt import Task
from tests.conftest import CODER
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.forked import Forked

LOADING = Fault("status", status=503, message="Loading model")
BUSY = Fault("status", status=503, message="server busy, please try again")


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("fault", [LOADING, BUSY])
async def test_a_model_that_is_not_ready_is_asked_again(ollama: FakeOllama, fault: Fault) -> None:
    ollama.models[CODER].faults += [fault, fault]
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute("hi", model=CODER)
    assert result.response.content == "def f(): pass"
    assert [attempt.outcome for attempt in result.attempts] == ["ok"]
    assert len([each for each in result.warnings if "orch waits for it" in each]) == 1


async def test_the_wait_ends_with_the_timeout(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults += [LOADING] * 50
    async with Orchestrator() as orchestrator:
        with pytest.raises(OrchError, match=r"was not ready within 0\.5 s") as caught:
            await orchestrator.execute("hi", model=CODER, timeout_s=0.5)
    assert caught.value.exit_code == 6


async def test_a_server_that_cannot_list_its_models_yet_is_not_down(
    own: Callable[[str], Path],
) -> None:
    with FakeOllama([FakeModel("m")]) as server:
        server.server_status = LOADING
        own(
            "version: 1\nproviders:\n  p: {kind: openai, base_url:"
            f" {server.url}}}\nmodels:\n  - {{id: m, provider: p}}\n"
        )
        async with Orchestrator() as orchestrator:
            inventory = await orchestrator.runtime.registry.snapshot()
    assert [(state.spec.id, state.unavailable) for state in inventory.states] == [("m", None)]
    assert not inventory.states[0].resident


def test_another_failure_is_not_waited_for() -> None:
    failure = ProviderError("server_error", "broken")
    with pytest.raises(ProviderError) as caught:
        LoadingWait("m", 10).add(failure)
    assert caught.value is failure


def test_the_pauses_grow_to_a_limit_and_the_timeout_shrinks() -> None:
    clock = Clock()
    wait, pauses = LoadingWait("m", 10, clock), []
    for _ in range(9):
        wait.add(ProviderError("loading", "Loading model"))
        pauses.append(wait.next_pause_s())
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_PAUSE_S
    clock.now = 9.5
    assert wait.next_pause_s() == 0.5


def test_the_servers_own_estimate_is_used_to_a_limit() -> None:
    wait = LoadingWait("m", 10, Clock())
    wait.add(ProviderError("loading", "Loading model", retry_after_s=1.5))
    assert wait.next_pause_s() == 1.5
    wait.add(ProviderError("loading", "Loading model", retry_after_s=600))
    assert wait.next_pause_s() == MAX_PAUSE_S


def test_a_timeout_after_a_wait_names_the_whole_time() -> None:
    wait = LoadingWait("m", 10, Clock())
    wait.add(ProviderError("loading", "Loading model"))
    with pytest.raises(ProviderError, match="m was not ready within 10 s: Loading model"):
        wait.add(ProviderError("timeout", "no token came for 0.1 s"))


UNLISTED = "version: 1\nproviders:\n  p: {{kind: openai, base_url: {url}}}\nmodels: []\n"


@pytest.mark.parametrize("model", [None, "m"])
async def test_a_server_without_listed_models_is_waited_for(
    own: Callable[[str], Path], model: str | None
) -> None:
    with FakeOllama([FakeModel("m", reply=["here"])]) as server:
        server.server_status = LOADING
        own(UNLISTED.format(url=server.url))
        async with Orchestrator() as orchestrator:
            run = asyncio.create_task(orchestrator.execute("hi", model=model))
            await asyncio.to_thread(server.wait_for, lambda: len(server.requests) > 1)
            server.server_status = None
            result = await run
    assert result.response.content == "here"
    assert "the model is still being loaded by its server; orch waits for it" in result.warnings


async def test_the_wait_for_a_server_without_listed_models_ends_with_the_timeout(
    own: Callable[[str], Path],
) -> None:
    with FakeOllama([FakeModel("m")]) as server:
        server.server_status = LOADING
        own(UNLISTED.format(url=server.url))
        async with Orchestrator() as orchestrator:
            with pytest.raises(OrchError, match="Loading model") as caught:
                await orchestrator.execute("hi", timeout_s=0.5)
    assert caught.value.exit_code == 6


EMBEDDER = FakeModel("nomic-embed-text:latest", capabilities=["embedding"])


@pytest.mark.parametrize("kind", ["ollama", "openai"])
async def test_embeddings_wait_while_their_server_loads_the_model(kind: str) -> None:
    with FakeOllama([EMBEDDER]) as server:
        client = client_of(kind, server.url)
        await client.installed()
        asked = len(server.requests)
        server.server_status = LOADING
        embedding = asyncio.create_task(client.embed(EMBEDDER.full_name, ["a", "b"]))
        await asyncio.to_thread(server.wait_for, lambda: len(server.requests) > asked + 1)
        server.server_status = None
        assert len(await embedding) == 2
        await client.aclose()


@pytest.mark.parametrize("kind", ["ollama", "openai"])
async def test_the_wait_of_embeddings_has_a_limit(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orch.providers.client.EMBED_TIMEOUT_S", 0.3)
    with FakeOllama([EMBEDDER]) as server:
        client = client_of(kind, server.url)
        await client.installed()
        server.server_status = LOADING
        with pytest.raises(ProviderError, match=r"was not ready within 0\.3 s") as caught:
            await client.embed(EMBEDDER.full_name, ["a"])
        await client.aclose()
    assert caught.value.code == "timeout"


async def test_embeddings_do_not_wait_for_a_busy_server() -> None:
    with FakeOllama([EMBEDDER]) as server:
        client = client_of("openai", server.url)
        server.server_status = BUSY
        with pytest.raises(ProviderError) as caught:
            await client.embed(EMBEDDER.full_name, ["a"])
        await client.aclose()
    assert (caught.value.code, len(server.requests)) == ("busy", 1)


def client_of(kind: Any, url: str) -> ProviderClient:
    return open_client("p", Provider(kind=kind, base_url=url), Models(providers={}))


async def test_the_wait_is_told_when_it_begins(own: Callable[[str], Path]) -> None:
    with FakeOllama([FakeModel("m", reply=["here"])]) as server:
        server.server_status = LOADING
        own(UNLISTED.format(url=server.url))
        async with Orchestrator() as orchestrator:
            run = orchestrator.start_run(Task(text="hi"), "continue")
            told = asyncio.Event()
            run.on_waiting = lambda message: told.set()
            kinds = list[str]()

            async def events() -> None:
                async for event in run.events():
                    kinds.append(type(event).__name__)

            running = asyncio.create_task(events())
            await told.wait()
            assert kinds == []
            server.server_status = None
            await running
    assert kinds[0] == "Metadata"
    assert kinds.count("RunWarning") == 1


def test_the_command_says_on_stderr_that_it_waits_and_says_it_once(
    own: Callable[[str], Path],
) -> None:
    with FakeOllama([FakeModel("m", reply=["here"])]) as server:
        server.server_status = LOADING
        own(UNLISTED.format(url=server.url))
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with Forked("run", "--no-stdin", "hi", **pipes) as process:
            assert process.stderr is not None
            first = process.stderr.readline()
            server.server_status = None
            answer, rest = process.communicate()
    assert b"the model is still being loaded by its server; orch waits for it" in first
    assert answer == b"here"
    assert b"orch waits for it" not in rest
