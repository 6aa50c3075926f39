"""How the library is called: the task first, by position or by name, and every wish by a name that
is known."""

from __future__ import annotations

import inspect
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
"""The original's call, beside the task."""


async def test_the_original_s_call_runs(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(task=QUESTION, **ORIGINAL)
    asked = ollama.chats()[-1].body["messages"]
    assert (asked[0]["content"], asked[-1]["content"].splitlines()[0]) == (
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
def test_a_decision_is_the_same_by_each_name_of_the_task(
    ollama: FakeOllama, call: tuple[tuple[str, ...], dict[str, Any]]
) -> None:
    given, named = call
    assert (
        Orchestrator().decide(*given, **named).candidates
        == Orchestrator().decide(QUESTION).candidates
    )


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"text": "Another one"}, ("task and text both name the task", "give one of them")),
        ({"task_type": "cooking"}, ("'cooking' is not a task type", "one of: coding, ")),
    ],
)
def test_what_makes_no_sense_is_said_with_what_was_meant(
    wishes: dict[str, Any], said: tuple[str, str]
) -> None:
    with pytest.raises(OrchError) as caught:
        Orchestrator().decide(QUESTION, **wishes)
    assert (caught.value.code, caught.value.message) == ("usage", said[0])
    assert caught.value.hint.startswith(said[1])


async def test_a_task_that_is_not_a_text_is_refused() -> None:
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
