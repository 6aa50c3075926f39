"""The type of a task: by what was attached and by the session's previous turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orch.orchestrator import build_task
from orch.text.prompt import Attachment
from orch.types import TaskType
from tests.support.fake_ollama import FakeOllama
from tests.support.orchestrators import fake, over

CLEAR = "Write a poem about the sea"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """Two models on one server."""
    with fake("a:1b", "b:1b") as running:
        yield running


async def test_where_the_instruction_says_nothing_what_came_with_it_is_read_too(
    server: FakeOllama,
) -> None:
    log = Attachment(
        "",
        "Traceback (most recent call last):\n  File 'a.py', line 3, in <module>\nTypeError: can"
        " only concatenate str",
    )
    async with over({"ollama": server}) as orchestrator:
        vague = await orchestrator.decide_task(build_task("help"))
        with_log = await orchestrator.decide_task(build_task("help", attachments=(log,)))
        clear = await orchestrator.decide_task(build_task(CLEAR))
        clear_with_log = await orchestrator.decide_task(build_task(CLEAR, attachments=(log,)))
    assert (str(vague.task_type), str(with_log.task_type)) == ("writing", "coding")
    assert (clear_with_log.task_type, clear_with_log.confidence) == (
        clear.task_type,
        clear.confidence,
    )


async def test_the_evidence_of_a_decision_comes_with_its_type(server: FakeOllama) -> None:
    async with over({"ollama": server}) as orchestrator:
        task = build_task(CLEAR)
        explained = orchestrator.runtime.router.task_types.of_task(task)
        decision = await orchestrator.decide_task(task)
    assert explained.evidence
    assert (explained.task_type, explained.confidence) == (decision.task_type, decision.confidence)


async def test_a_task_continues_the_type_of_its_sessions_turn_before(server: FakeOllama) -> None:
    async with over({"ollama": server}) as orchestrator:
        types = orchestrator.runtime.router.task_types
        await orchestrator.execute("yes", session="talk", task_type="research")
        history = ({"role": "user", "content": "yes"},)
        continued = types.previous_turn(build_task("and?", session="talk", history=history))
        without_history = types.previous_turn(build_task("and?", session="talk"))
    assert TaskType(continued["task_type"]) is TaskType.RESEARCH
    assert without_history == {}
