"""What the journal records of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orch.execution.run import Run
from orch.execution.run_record import is_step
from orch.text.prompt import Task
from orch.types import Message
from tests.support.fake_ollama import FakeOllama
from tests.support.orchestrators import fake, over

TASK = "Tell me about the sea"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """Two models on one server; the first one is rated higher."""
    with fake("a:1b", "b:1b") as running:
        yield running


async def test_a_runs_record_holds_task_answer_decision_and_counts(
    server: FakeOllama,
) -> None:
    async with over({"ollama": server}) as orchestrator:
        result = await orchestrator.execute(
            TASK, system_prompt="be brief", session="s", model="a:1b"
        )
        row = orchestrator.runtime.journal.history.find_run(result.run_id) or {}
    columns = ("task", "system", "session", "face", "status", "source", "config_hash")
    assert [row[name] for name in columns] == [
        TASK,
        "be brief",
        "s",
        "library",
        "ok",
        "model",
        result.decision.config_hash,
    ]
    answered = ("answer", "model", "provider", "task_type", "confidence", "degraded")
    assert [row[name] for name in answered] == [
        "by a:1b",
        "a:1b",
        "ollama",
        str(result.task_type),
        result.confidence,
        0,
    ]
    counted = (
        result.response.usage.prompt_tokens,
        result.response.usage.completion_tokens,
        result.timing.load_s,
    )
    assert (row["prompt_tokens"], row["completion_tokens"], row["load_s"]) == counted
    assert counted[0] > 0
    assert counted[1] > 0
    assert 0 < row["ttft_s"] <= row["total_s"]


@pytest.mark.parametrize(
    ("requested", "remembered"), [(None, [0, 1]), (False, [0, 0]), (True, [0, 1])]
)
async def test_of_an_agents_turn_the_end_is_remembered(
    server: FakeOllama, requested: bool | None, remembered: list[int]
) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    model = server.models["a:1b"]
    model.capabilities, model.tool_calls = ["completion", "tools"], [{"function": {"name": "look"}}]
    asked: list[Message] = [{"role": "user", "content": TASK}]
    calls: Message = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "1", **model.tool_calls[0]}],
    }
    result = {"role": "tool", "tool_call_id": "1", "content": "the sea is blue"}
    reminder = {"role": "user", "content": "<system-reminder>Be brief.</system-reminder>"}
    async with over({"ollama": server}) as orchestrator:
        for messages in (asked, [*asked, calls, result, reminder]):
            await orchestrator.execute(
                messages=messages, tools=[tool], model="a:1b", store_memory=requested
            )
            model.tool_calls = []
        rows = orchestrator.runtime.journal.history.runs()[::-1]
    assert [(row["task"], row["remember"]) for row in rows] == [(TASK, n) for n in remembered]


def tool_named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("choice", "tools", "called", "is_a_step"),
    [
        (None, "look", "look", True),
        ("auto", "look", "look", True),
        ("required", "User", "User", False),
        ({"type": "function", "function": {"name": "User"}}, "look User", "User", False),
        ("required", "look final_result", "look", True),
        ("required", "look final_result", "final_result", False),
        ("required", "look final_result_User", "final_result_User", False),
        (["strange"], "look", "look", True),
        ("required", "look", "", False),
    ],
)
def test_a_forced_call_is_an_answer_and_no_step(
    choice: Any, tools: str, called: str, is_a_step: bool
) -> None:
    offered = [tool_named(name) for name in tools.split()]
    calls = [{"function": {"name": called}}] if called else []
    task = Task(text=TASK, tools=offered, extra={} if choice is None else {"tool_choice": choice})
    assert is_step(task, calls) is is_a_step


async def test_a_forced_call_is_remembered_and_ends_its_turn(server: FakeOllama) -> None:
    model = server.models["a:1b"]
    model.capabilities, model.tool_calls = ["completion", "tools"], [{"function": {"name": "User"}}]
    async with over({"ollama": server}) as orchestrator:
        for choice in ("required", "auto"):
            run = Run(
                Task(
                    text=TASK,
                    tools=[tool_named("User")],
                    extra={"tool_choice": choice},
                    model="a:1b",
                ),
                orchestrator.runtime,
                "restart",
                "server",
            )
            async for _ in run.events():
                pass
            assert run.ends_with_calls is (choice == "auto")
        rows = orchestrator.runtime.journal.history.runs()[::-1]
    assert [(row["task"], row["remember"]) for row in rows] == [(TASK, 1), (TASK, 0)]


async def test_a_step_recalls_by_the_question_of_its_turn(
    server: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    messages: list[Message] = [
        {"role": "user", "content": TASK},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "look"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "secret of the harbour"},
        {"role": "user", "content": "<system-reminder>Be brief.</system-reminder>"},
    ]
    async with over({"ollama": server}) as orchestrator:
        memory = orchestrator.runtime.memory

        async def recall(text: str, limit: int) -> tuple[list[Any], list[str]]:
            asked.append(text)
            return [], []

        monkeypatch.setattr(memory, "recall", recall)
        await orchestrator.execute(messages=messages, model="a:1b", retrieve_context=True)
    assert asked == [TASK]
