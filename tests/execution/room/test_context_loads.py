"""Calls at once that would load one model with different contexts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orch import OrchError, Orchestrator
from orch.execution.context_loads import ContextLoads
from orch.types import RunResult
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault

LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
MODEL = "plain:8b"
ROUTING = {"version": 1, "memory_budget_gb": 100, "cache": "off"}
SHORT: dict[str, Any] = {"task": "Hi"}
AGENT: dict[str, Any] = {"task": "Hi", "tools": [LOOK]}
"""It would like room for the whole files that it writes."""
LONG: dict[str, Any] = {"task": "long " * 15_000}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The contexts that calls were planned with as they came to their loads."""
    contexts, begin = [], ContextLoads.begin

    async def noted(loads: ContextLoads, call: Any, *more: Any) -> Any:
        contexts.append(call.request.num_ctx)
        return await begin(loads, call, *more)

    monkeypatch.setattr(ContextLoads, "begin", noted)
    return contexts


@pytest.fixture
def server(ollama: FakeOllama) -> FakeOllama:
    ollama.models.clear()
    ollama.add(FakeModel(MODEL, capabilities=["completion", "tools"], context_length=131_072))
    return ollama


async def at_once(
    server: FakeOllama, asked: list[int | None], *requests: dict[str, Any]
) -> list[Any]:
    """The outcomes of requests each of which comes while the first one loads the model."""
    async with Orchestrator(None, ROUTING) as orchestrator:
        with server.load_lock(server.models[MODEL].digest):
            runs = []
            for number, each in enumerate(requests, 1):
                runs.append(asyncio.create_task(orchestrator.execute(**each, model=MODEL)))
                while len(asked) < number or not server.chats():
                    await asyncio.sleep(0.01)
        return await asyncio.gather(*runs, return_exceptions=True)


async def test_a_request_takes_the_longer_context_that_its_model_is_being_loaded_with(
    server: FakeOllama, asked: list[int | None]
) -> None:
    answers = await at_once(server, asked, AGENT, SHORT, SHORT)
    assert [type(each) for each in answers] == [RunResult] * 3
    assert asked == [16_384, 8_192, 8_192]
    assert [chat.body["options"]["num_ctx"] for chat in server.chats()] == [16_384] * 3
    assert server.loads == 1


async def test_a_request_that_needs_more_loads_the_model_once_more_and_the_others_take_that(
    server: FakeOllama, asked: list[int | None]
) -> None:
    answers = await at_once(server, asked, SHORT, LONG, SHORT)
    assert [type(each) for each in answers] == [RunResult] * 3
    assert server.chats()[0].body["options"]["num_ctx"] == 8_192
    assert sorted(chat.body["options"]["num_ctx"] for chat in server.chats())[-1] == 32_768
    assert server.loads == 2


async def test_a_context_that_failed_is_not_taken_by_others(
    server: FakeOllama, asked: list[int | None]
) -> None:
    server.models[MODEL].faults = [Fault("status", status=500, message="out of memory")]
    failed, answered = await at_once(server, asked, AGENT, SHORT)
    assert isinstance(failed, OrchError)
    assert isinstance(answered, RunResult)
    assert server.chats()[-1].body["options"]["num_ctx"] == 8_192


async def test_a_load_that_its_client_left_leaves_nothing_behind(
    server: FakeOllama, asked: list[int | None]
) -> None:
    async with Orchestrator(None, ROUTING) as orchestrator:
        with server.load_lock(server.models[MODEL].digest):
            first = asyncio.create_task(orchestrator.execute(**AGENT, model=MODEL))
            while not server.chats():
                await asyncio.sleep(0.01)
            first.cancel()
            await asyncio.wait([first])
        assert orchestrator.runtime.loads._loading == {}


async def test_nobody_waits_longer_for_a_load_than_for_a_first_token(
    server: FakeOllama, asked: list[int | None]
) -> None:
    server.add(FakeModel("other:1"))
    async with Orchestrator(None, ROUTING) as orchestrator:
        with server.load_lock(server.models[MODEL].digest):
            first = asyncio.create_task(orchestrator.execute(**AGENT, model=MODEL))
            while not server.chats():
                await asyncio.sleep(0.01)
            with pytest.raises(OrchError, match="another request has been loading"):
                await orchestrator.execute(**SHORT, model=MODEL, timeout_s=0.05)
        await first


async def test_a_load_that_another_thread_began_meanwhile_is_left_to_it(
    server: FakeOllama, asked: list[int | None]
) -> None:
    class SeenLate(dict[Any, Any]):
        """The other thread's load comes between the question and the entry."""

        def get(self, key: Any, default: Any = None) -> Any:
            return default

    async with Orchestrator(None, ROUTING) as orchestrator:
        loads, other = orchestrator.runtime.loads, object()
        loads._loading = SeenLate({("ollama", MODEL): other})
        result = await orchestrator.execute(**SHORT, model=MODEL)
        assert result.response.content
        assert list(loads._loading.values()) == [other]
