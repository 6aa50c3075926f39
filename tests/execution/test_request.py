"""The request for a model: which num_ctx it has, so that other clients of the same Ollama do not
cause reloads."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch import Orchestrator
from orch.config.spec import ModelSpec
from orch.execution.request import Prompt, build_chat_request
from orch.providers.chat import ChatRequest
from orch.routing.model_state import ModelState
from orch.text.prompt import Task, build_messages
from orch.types import Message, Need
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.orch_command import orch
from tests.support.strict_templates import check

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


# ---------------------------------------------------------------- the messages


def request(
    messages: list[Message], system: str | None = None, **prompt: str | bool
) -> ChatRequest:
    """The request for a model with its own system prompt."""
    state = ModelState(ModelSpec(id="m", system=system))
    return build_chat_request(Task(text=""), Prompt(messages, **prompt), Need(10), state)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_models_own_system_prompt_is_for_tasks_without_one(role: str) -> None:
    own = {"role": "system", "content": "own"}
    assert request(MESSAGES, "own").messages == [own, *MESSAGES]
    given = {"role": role, "content": "given"}
    assert request([given, *MESSAGES], "own").messages == [
        {"role": "system", "content": "given"},
        *MESSAGES,
    ]


def test_recalled_notes_stand_behind_the_last_question() -> None:
    (message,) = request(MESSAGES, recalled="notes").messages
    assert message == {"role": "user", "content": f"{TASK}\n\nnotes"}


def test_a_partial_answer_is_continued_as_the_server_can() -> None:
    begun = {"role": "assistant", "content": "A lock"}
    inside = request(MESSAGES, partial="A lock", prefills=True)
    asked = request(MESSAGES, partial="A lock", recalled="notes")
    assert (inside.messages, inside.continues) == ([*MESSAGES, begun], "A lock")
    assert [message["role"] for message in asked.messages] == ["user", "assistant", "user"]
    assert asked.messages[0]["content"] == f"{TASK}\n\nnotes"
    assert asked.continues == "A lock"


turns = st.lists(st.tuples(st.text("ab", min_size=1), st.text("cd", min_size=1)), max_size=4)


@given(turns, st.sampled_from([None, "be brief"]), st.booleans(), st.sampled_from(["", "notes"]))
def test_a_session_keeps_the_beginning_that_its_server_has_cached(
    turns: list[tuple[str, str]], system: str | None, has_context: bool, recalled: str
) -> None:
    context = ("a table of 10M rows",) if has_context else ()
    history: list[Message] = []
    before: list[Message] = []
    for question, answer in turns:
        task = Task(text=question, system_prompt=system, context=context, history=tuple(history))
        messages = request(build_messages(task), recalled=recalled).messages
        check(messages)
        *settled, last = before or [{"content": ""}]
        assert messages[: len(settled)] == settled
        assert not before or last["content"].startswith(messages[len(settled)]["content"])
        before = messages
        history += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
