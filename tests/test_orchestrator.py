"""The library's calls: the task by position or by name, and every other argument by keyword."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any, cast

import pytest

from orch import OrchError, Orchestrator
from tests.conftest import LLAMA
from tests.support.fake_ollama import FakeOllama

QUESTION = "Why is the database slow?"
ORIGINAL: dict[str, Any] = {
    "system_prompt": "You are a database expert",
    "context": ["Table has 10M rows", "Index on created_at"],
    "store_memory": True,
    "retrieve_context": True,
}
"""The keyword arguments of the original's example."""


async def test_the_originals_call_runs(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(task=QUESTION, **ORIGINAL)
    messages = ollama.chats()[-1].body["messages"]
    assert (messages[0]["content"], messages[-1]["content"].splitlines()[0]) == (
        "You are a database expert",
        QUESTION,
    )
    assert result.response.content


async def test_a_stream_takes_the_task_by_name(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        chunks = [
            chunk async for chunk in orchestrator.execute_streaming(task=QUESTION, model=LLAMA)
        ]
    assert (chunks[0]["type"], chunks[-1]["result"].response.content) == ("metadata", "Hello world")


@pytest.mark.parametrize(
    "call",
    [((QUESTION,), {}), ((), {"task": QUESTION}), ((), {"text": QUESTION})],
    ids=["position", "task", "text"],
)
def test_the_task_may_be_given_by_each_name(
    ollama: FakeOllama, call: tuple[tuple[str, ...], dict[str, Any]]
) -> None:
    given, named = call
    assert (
        Orchestrator().decide(*given, **named).candidates
        == Orchestrator().decide(QUESTION).candidates
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"text": "Another one"}, ("task and text both name the task", "give one of them")),
        ({"task_type": "cooking"}, ("'cooking' is not a task type", "one of: coding, ")),
    ],
)
def test_a_usage_error_names_what_is_valid(
    arguments: dict[str, Any], expected: tuple[str, str]
) -> None:
    with pytest.raises(OrchError) as caught:
        Orchestrator().decide(QUESTION, **arguments)
    assert (caught.value.code, caught.value.message) == ("usage", expected[0])
    assert caught.value.hint.startswith(expected[1])


async def test_a_task_that_is_not_a_string_is_rejected() -> None:
    async with Orchestrator() as orchestrator:
        with pytest.raises(OrchError, match="the task is a list, not a string"):
            await orchestrator.execute(cast("str", [QUESTION]))


@pytest.mark.parametrize("name", ["execute", "execute_streaming", "decide"])
def test_every_argument_stands_in_the_signature(name: str) -> None:
    parameters = inspect.signature(getattr(Orchestrator, name)).parameters
    kinds = {each.kind for each in parameters.values()}
    assert [*parameters][:3] == ["self", "task", "system_prompt"]
    assert {*ORIGINAL, "model", "task_type", "dial", "messages", "timeout_s"} <= {*parameters}
    assert inspect.Parameter.VAR_KEYWORD not in kinds


def test_an_unknown_argument_is_a_type_error() -> None:
    call: Any = Orchestrator().decide
    with pytest.raises(TypeError, match="sytem_prompt"):
        call(QUESTION, sytem_prompt="Be brief")


@pytest.mark.parametrize("call", ["decide('Why?')", "get_stats()"])
def test_a_script_that_closes_nothing_is_warned_of_nothing(ollama: FakeOllama, call: str) -> None:
    script = f"import orch\norchestrator = orch.get_orchestrator()\norchestrator.{call}"
    done = subprocess.run([sys.executable, "-W", "default", "-c", script], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
