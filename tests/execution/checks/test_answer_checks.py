"""Checks of a finished answer: JSON that was cut, empty answers, invalid JSON."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from orch import OrchError, Orchestrator
from orch.errors import ProviderError
from orch.execution.checks.answer_checks import FinishedAnswer, check_answer, exceeded_context
from orch.execution.checks.json_schema import AnswerSchema
from orch.providers.chat import ChatRequest, Completion
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama, Fault

TASK = "Write a Python function that sorts a list"
MESSAGES = [{"role": "user", "content": TASK}]
OBJECT: dict[str, Any] = {"type": "json_object"}
SCHEMA: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "n", "schema": {"type": "object"}},
}
HALF = '{"a": '


@pytest.fixture(autouse=True)
def object_in_two_tokens(ollama: FakeOllama) -> None:
    """The coder answers with an object; half of it is invalid JSON."""
    ollama.models[CODER].reply = [HALF, "1}"]


@pytest.mark.parametrize("form", [OBJECT, SCHEMA], ids=["object", "schema"])
@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens", "num_predict"])
async def test_json_cut_at_the_callers_own_limit_is_returned_as_is(
    ollama: FakeOllama, form: dict[str, Any], limit: str
) -> None:
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(TASK, response_format=form, options={limit: 1})
    assert (result.response.content, result.response.finish_reason) == (HALF, "length")
    assert [attempt.outcome for attempt in result.attempts] == ["ok"]
    assert result.warnings == ("the answer was cut at 1 tokens; -o max_tokens=N allows more",)


@pytest.mark.parametrize("stream", [False, True])
def test_an_openai_client_gets_the_cut_json_with_finish_reason_length(
    url: str, stream: bool
) -> None:
    body = {
        "model": CODER,
        "messages": MESSAGES,
        "response_format": OBJECT,
        "max_tokens": 1,
        "stream": stream,
    }
    answer = httpx.post(f"{url}/v1/chat/completions", json=body)
    assert answer.status_code == 200
    if stream:
        *events, end = answer.text.strip().split("\n\n")
        choices = [json.loads(event.removeprefix("data: "))["choices"][0] for event in events]
        assert end == "data: [DONE]"
        assert (
            "".join(choice["delta"].get("content", "") for choice in choices),
            choices[-1]["finish_reason"],
        ) == (HALF, "length")
    else:
        (choice,) = answer.json()["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == (HALF, "length")


@pytest.mark.parametrize("stream", [False, True])
def test_an_ollama_client_gets_the_cut_json_with_done_reason_length(url: str, stream: bool) -> None:
    body = {
        "model": CODER,
        "messages": MESSAGES,
        "format": "json",
        "options": {"num_predict": 1},
        "stream": stream,
    }
    answer = httpx.post(f"{url}/api/chat", json=body)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert ("".join(line["message"]["content"] for line in lines), lines[-1]["done_reason"]) == (
        HALF,
        "length",
    )


async def test_json_cut_at_a_limit_of_models_yaml_fails(ollama: FakeOllama) -> None:
    models = {
        "providers": {"ollama": {"kind": "ollama", "base_url": ollama.url}},
        "models": [{"id": CODER, "max_tokens": 1}],
    }
    async with Orchestrator(models, {"version": 1, "memory_budget_gb": 100}) as orchestrator:
        with pytest.raises(OrchError) as caught:
            await orchestrator.execute(TASK, model=CODER, response_format=OBJECT)
    assert [attempt.code for attempt in caught.value.attempts] == ["invalid_json"]


@pytest.mark.parametrize(
    "fault", [Fault("empty"), Fault("thinking_only")], ids=lambda fault: str(fault.kind)
)
async def test_an_empty_answer_fails_at_any_limit(ollama: FakeOllama, fault: Fault) -> None:
    ollama.models[CODER].faults.append(fault)
    ollama.models[LLAMA].reply = ["{}"]
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(TASK, response_format=OBJECT, options={"max_tokens": 2})
    assert [(attempt.model, attempt.code) for attempt in result.attempts] == [
        (CODER, "empty"),
        (LLAMA, ""),
    ]


LIMITS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"max_tokens": 2},
    "/v1/messages": {"max_tokens": 2},
    "/api/chat": {"options": {"num_predict": 2}},
}


def _cut_in_thought(url: str, path: str, model: str, **fields: Any) -> httpx.Response:
    body = {"model": model, "messages": MESSAGES, "stream": False, **LIMITS[path], **fields}
    return httpx.post(f"{url}{path}", json=body)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/v1/chat/completions", '"finish_reason":"length"'),
        ("/v1/messages", '"stop_reason":"max_tokens"'),
        ("/api/chat", '"done_reason":"length"'),
    ],
)
def test_a_client_gets_a_thought_that_its_own_limit_cut(
    ollama: FakeOllama, url: str, path: str, reason: str
) -> None:
    ollama.models[CODER].thinking = ["Let", " me", " see"]
    answer = _cut_in_thought(url, path, CODER)
    assert (answer.status_code, reason in answer.text) == (200, True)


def test_a_client_gets_another_models_answer_before_a_thought_that_was_cut(
    ollama: FakeOllama, url: str
) -> None:
    ollama.models[CODER].thinking = ["Let", " me", " see"]
    ollama.models[LLAMA].reply = ["sorted"]
    answer = _cut_in_thought(url, "/v1/chat/completions", "auto")
    assert answer.json()["choices"][0]["message"]["content"] == "sorted"
    assert int(answer.headers["x-orch-fallback"]) > 0


def test_a_client_gets_no_thought_that_ended_by_itself(ollama: FakeOllama, url: str) -> None:
    ollama.models[CODER].thinking, ollama.models[CODER].reply = ["Hm"], []
    answer = _cut_in_thought(url, "/v1/chat/completions", CODER)
    assert answer.status_code == 502


async def test_a_thought_cut_at_the_callers_limit_fails_outside_the_endpoint(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].thinking = ["Let", " me", " see"]
    async with Orchestrator() as orchestrator:
        with pytest.raises(OrchError, match="it only thought"):
            await orchestrator.execute(TASK, model=CODER, options={"max_tokens": 2})


async def test_invalid_json_that_was_not_cut_fails(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply, ollama.models[LLAMA].reply = [HALF], ["{}"]
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(TASK, response_format=OBJECT, options={"max_tokens": 9})
    assert [(attempt.model, attempt.code) for attempt in result.attempts] == [
        (CODER, "invalid_json"),
        (LLAMA, ""),
    ]


# ---------------------------------------------------------------- the checks themselves


def finished(text: str = "", **fields: Any) -> FinishedAnswer:
    """An answer without thinking or tool calls, unless named."""
    usual: dict[str, Any] = {"completion": Completion(), "thinking": "", "has_tool_calls": False}
    request = ChatRequest("a:1b", [], response_format=fields.pop("form", None))
    return FinishedAnswer(request=request, text=text, **usual | fields)


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (finished(), "empty", "the answer was empty"),
        (finished(thinking="hm"), "empty", "the answer was empty (it only thought)"),
        (finished("no", form=OBJECT), "invalid_json", "the answer is not the JSON"),
    ],
)
async def test_a_failed_check_has_a_code(answer: FinishedAnswer, code: str, message: str) -> None:
    with pytest.raises(ProviderError, match=re.escape(message)) as caught:
        await check_answer(answer, None)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "answer",
    [
        finished("hi"),
        finished("1", form=OBJECT),
        finished("no", form={"type": "text"}),
        finished(has_tool_calls=True, form=OBJECT),
    ],
)
async def test_a_good_answer_passes(answer: FinishedAnswer) -> None:
    await check_answer(answer, None)


async def test_an_answer_that_breaks_its_schema_fails() -> None:
    with pytest.raises(ProviderError) as caught:
        await check_answer(finished("1", form=OBJECT), AnswerSchema({"type": "string"}))
    assert caught.value.code == "schema_mismatch"


@pytest.mark.parametrize(("answer_tokens", "exceeds"), [(20, False), (21, True)])
def test_prompt_and_answer_together_may_fill_the_context(answer_tokens: int, exceeds: bool) -> None:
    request = ChatRequest("a:1b", [], num_ctx=100)
    completion = Completion(prompt_tokens=80, completion_tokens=answer_tokens)
    assert bool(exceeded_context(request, completion)) == exceeds
