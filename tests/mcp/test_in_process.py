"""The tools over an Orchestrator in this process, in front of a fake Ollama."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from orch import Orchestrator
from orch.errors import OrchError
from orch.mcp.in_process import InProcess
from orch.mcp.tools import call_tool
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama

TASK = "Write a Python function that sorts a list"


async def test_ask_answers_with_the_chosen_model_and_all_that_was_sent(ollama: FakeOllama) -> None:
    context = [{"name": "rules.md", "text": "Use no recursion"}]
    asked = {"task": TASK, "system": "Be brief", "context": context, "max_tokens": 9}
    async with Orchestrator() as orchestrator:
        result = await call_tool("ask", asked, InProcess(orchestrator))
    body = ollama.chats()[-1].body
    assert (result.text, result.values["model"]) == ("def f(): pass", CODER)
    assert body["options"]["num_predict"] == 9
    assert body["messages"][0] == {"role": "system", "content": "Be brief"}
    assert "rules.md" in body["messages"][-1]["content"]
    assert "Use no recursion" in body["messages"][-1]["content"]


async def test_a_session_goes_on(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        for task in (TASK, "And backwards?"):
            await call_tool("ask", {"task": task, "session": "trip"}, InProcess(orchestrator))
    roles = [message["role"] for message in ollama.chats()[-1].body["messages"]]
    assert roles == ["user", "assistant", "user"]


async def test_route_and_models_tell_without_asking_a_model(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        backend = InProcess(orchestrator)
        routed = await call_tool("route", {"task": TASK}, backend)
        listed = await call_tool("models", {}, backend)
        found = await call_tool("classify", {"text": TASK}, backend)
    assert ollama.chats() == []
    assert (routed.values["model"], found.values["task_type"]) == (CODER, "coding")
    assert CODER in [each["id"] for each in listed.values["models"]]
    assert routed.values["candidates"][0]["model_id"] == CODER


async def test_a_closed_call_cancels_the_run_and_journals_it(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 500, 0.02
    async with Orchestrator() as orchestrator:
        chunks = InProcess(orchestrator).ask({"text": TASK, "model": CODER}, "continue")
        async with aclosing(chunks):
            async for chunk in chunks:
                if chunk["type"] == "content":
                    break
        rows = orchestrator.runtime.journal.history.runs(5)
    assert [row["status"] for row in rows] == ["interrupted"]


async def test_a_model_that_nobody_has_is_an_error_with_a_hint(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        with pytest.raises(OrchError) as caught:
            await call_tool("ask", {"task": TASK, "model": "nope"}, InProcess(orchestrator))
    assert caught.value.code == "model_not_found"
    assert caught.value.hint
