"""The request for a model: which num_ctx it has, so that other clients of the same Ollama do not
cause reloads."""

from __future__ import annotations

import json

import httpx
import pytest

from orch import Orchestrator
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.orch_command import orch

TASK = "What is a mutex?"
MESSAGES = [{"role": "user", "content": TASK}]
MANY = {"version": 1, "memory_budget_gb": 100}


def bare(ollama: FakeOllama) -> None:
    """A chat of another client, such as `ollama run`: without num_ctx."""
    assert (
        httpx.post(
            f"{ollama.url}/api/chat", json={"model": LLAMA, "messages": MESSAGES}
        ).status_code
        == 200
    )


def sent(ollama: FakeOllama) -> list[int | None]:
    """The num_ctx of every chat request of orch."""
    return [chat.body["options"]["num_ctx"] for chat in ollama.chats() if "options" in chat.body]


async def test_alternating_with_another_client_loads_a_model_once(ollama: FakeOllama) -> None:
    for _ in range(3):
        bare(ollama)
        async with Orchestrator(routing=MANY) as orchestrator:
            await orchestrator.execute(TASK, model=LLAMA, fresh=True)
    assert (ollama.loads, sent(ollama)) == (1, [4_096] * 3)


async def test_a_task_beyond_the_loaded_context_loads_the_default_context(
    ollama: FakeOllama,
) -> None:
    bare(ollama)
    async with Orchestrator(routing=MANY) as orchestrator:
        await orchestrator.execute(TASK + " word" * 4_000, model=LLAMA)
    assert (ollama.loads, sent(ollama)) == (2, [8_192])


def test_smaller_requested_contexts_do_not_reload_a_model(url: str, ollama: FakeOllama) -> None:
    for num_ctx in (8_192, 4_100, 4_200, 3_000):
        httpx.post(
            f"{url}/api/chat",
            json={"model": LLAMA, "messages": MESSAGES, "options": {"num_ctx": num_ctx}},
        ).raise_for_status()
    httpx.post(
        f"{url}/v1/chat/completions",
        json={"model": LLAMA, "messages": MESSAGES, "options": {"num_ctx": 2_000}},
    ).raise_for_status()
    httpx.post(f"{url}/api/chat", json={"model": LLAMA, "messages": MESSAGES}).raise_for_status()
    assert (ollama.loads, sent(ollama)) == (1, [8_192] * 6)


@pytest.mark.parametrize("num_ctx", [512, 16_384])
async def test_the_modelfiles_num_ctx_is_the_default_context(
    ollama: FakeOllama, num_ctx: int
) -> None:
    ollama.add(FakeModel("made", num_ctx=num_ctx))
    async with Orchestrator(routing=MANY) as orchestrator:
        await orchestrator.execute(TASK, model="made")
    assert sent(ollama) == [num_ctx]


def test_models_add_writes_a_modelfiles_num_ctx(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("made", num_ctx=16_384))
    assert orch("models", "add", "made").returncode == 0
    assert orch("models", "add", CODER.replace("7b", "3b")).returncode == 4
    shown = json.loads(orch("models", "show", "made", "--json").stdout)
    assert (shown["num_ctx"], shown["unlisted"]) == (16_384, False)
    ollama.models["made:latest"].num_ctx = None
    assert json.loads(orch("models", "show", "made", "--json").stdout)["num_ctx"] == 16_384


async def test_model_info_stored_by_an_older_orch_is_fetched_again(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("made", num_ctx=16_384))
    async with Orchestrator(routing=MANY) as orchestrator:
        await orchestrator.execute(TASK, model="made")
    async with Orchestrator(routing=MANY) as orchestrator:
        orchestrator.runtime.journal.database.rows(
            "UPDATE model_info SET info = json_remove(info, '$.num_ctx') RETURNING digest"
        )
    ollama.resident.clear()
    async with Orchestrator(routing=MANY) as orchestrator:
        await orchestrator.execute(TASK, model="made", fresh=True)
    assert sent(ollama) == [16_384] * 2
