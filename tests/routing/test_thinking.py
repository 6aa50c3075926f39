"""Requests for thinking: passed to models that can think, dropped for others, never an error."""

from __future__ import annotations

from typing import Any

import pytest

from orch import Orchestrator
from orch.config.spec import ModelSpec
from orch.execution.request import Prompt, build_chat_request
from orch.providers.thinking_effort import CANNOT_THINK
from orch.routing.model_state import ModelState
from orch.routing.thinking import ignored_thinking_warning
from orch.text.prompt import Task
from orch.types import Need
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama

THINKER, TALKER, UNKNOWN = frozenset({"completion", "thinking"}), frozenset({"completion"}), None
TASK = "Write a Python function that sorts a list"
CAN_NOT = f"{CODER} {CANNOT_THINK}"


@pytest.mark.parametrize("capabilities", [THINKER, UNKNOWN])
@pytest.mark.parametrize("value", [True, False, "low", "high"])
def test_a_model_that_may_think_gets_the_field_unchanged(
    capabilities: frozenset[str] | None, value: Any
) -> None:
    task = Task(text="hi", options={"reasoning_effort": value}, extra={"think": value})
    state = ModelState(ModelSpec(id="m"), capabilities=capabilities)
    request = build_chat_request(task, Prompt([]), Need(10), state)
    assert (request.options, request.extra, ignored_thinking_warning(task, state)) == (
        {"reasoning_effort": value},
        {"think": value},
        "",
    )


@pytest.mark.parametrize(
    ("value", "sent"),
    [(True, {}), ("low", {}), (False, {"think": False}), ("none", {"think": "none"})],
)
def test_a_model_that_cannot_think_gets_only_requests_not_to(
    value: Any, sent: dict[str, Any]
) -> None:
    task = Task(
        text="hi", options={"think": value, "top_k": 3}, extra={"think": value, "user": "ana"}
    )
    state = ModelState(ModelSpec(id="m", options={"think": value}), capabilities=TALKER)
    request = build_chat_request(task, Prompt([]), Need(10), state)
    assert (request.options, request.extra) == ({"top_k": 3, **sent}, {"user": "ana", **sent})
    assert ignored_thinking_warning(task, state) == ("" if sent else f"m {CANNOT_THINK}")


@pytest.mark.parametrize("value", [True, False, "low", "medium", "high"])
@pytest.mark.parametrize(
    "capabilities", [["completion"], ["completion", "thinking"]], ids=["talks", "thinks"]
)
async def test_auto_ignores_unsupported_thinking_without_a_warning(
    ollama: FakeOllama, value: Any, capabilities: list[str]
) -> None:
    ollama.models[CODER].capabilities = capabilities
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(TASK, options={"think": value})
    assert (
        result.decision.model_id,
        [each.outcome for each in result.attempts],
        result.warnings,
    ) == (CODER, ["ok"], ())


async def test_a_pinned_model_that_cannot_think_answers_with_a_warning(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(TASK, model=CODER, options={"think": True})
        quiet = await orchestrator.execute(TASK, model=CODER, options={"think": False})
    assert (result.warnings, quiet.warnings) == ((CAN_NOT,), ())


@pytest.mark.parametrize(("value", "said"), [(True, CANNOT_THINK), ("high", CANNOT_THINK)])
async def test_a_pinned_model_that_refuses_to_think_is_retried_with_a_warning(
    ollama: FakeOllama, value: Any, said: str
) -> None:
    ollama.models[CODER].tells_capabilities = False
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(TASK, model=CODER, options={"think": value})
    assert (result.response.content, result.warnings) == ("def f(): pass", (f"{CODER} {said}",))


async def test_a_pinned_model_without_thinking_degrees_answers_with_a_warning(
    ollama: FakeOllama,
) -> None:
    ollama.models[LLAMA].capabilities = ["completion", "thinking"]
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute("hi", model=LLAMA, options={"think": "high"})
    assert ollama.chats()[-1].body["think"] is True
    assert result.warnings == (
        f"{LLAMA} has no thinking level 'high': it thinks as much as it usually does",
    )
