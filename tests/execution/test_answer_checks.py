"""JSON that ends at a limit: given as it is where the caller set the limit, a failure where he did
not."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from orch import OrchError, Orchestrator
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama, Fault

TASK = "Write a Python function that sorts a list"
SAID = [{"role": "user", "content": TASK}]
OBJECT: dict[str, Any] = {"type": "json_object"}
SCHEMA: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "n", "schema": {"type": "object"}},
}
HALF = '{"a": '


@pytest.fixture(autouse=True)
def object_in_two_tokens(ollama: FakeOllama) -> None:
    """The coder says an object, whose half is none."""
    ollama.models[CODER].reply = [HALF, "1}"]


@pytest.mark.parametrize("form", [OBJECT, SCHEMA], ids=["object", "schema"])
@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens", "num_predict"])
async def test_json_that_is_cut_where_the_caller_wished_is_given_as_it_is(
    ollama: FakeOllama, form: dict[str, Any], limit: str
) -> None:
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(TASK, response_format=form, options={limit: 1})
    assert (result.response.content, result.response.finish_reason) == (HALF, "length")
    assert [attempt.outcome for attempt in result.attempts] == ["ok"]
    assert result.warnings == ("the answer was cut at 1 tokens; -o max_tokens=N allows more",)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_of_openai_gets_the_half_and_length(url: str, stream: bool) -> None:
    asked = {
        "model": CODER,
        "messages": SAID,
        "response_format": OBJECT,
        "max_tokens": 1,
        "stream": stream,
    }
    answer = httpx.post(f"{url}/v1/chat/completions", json=asked)
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
def test_a_client_of_ollama_gets_the_half_and_length(url: str, stream: bool) -> None:
    asked = {
        "model": CODER,
        "messages": SAID,
        "format": "json",
        "options": {"num_predict": 1},
        "stream": stream,
    }
    answer = httpx.post(f"{url}/api/chat", json=asked)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert ("".join(line["message"]["content"] for line in lines), lines[-1]["done_reason"]) == (
        HALF,
        "length",
    )


async def test_json_that_is_cut_at_a_limit_of_models_yaml_is_a_failure(ollama: FakeOllama) -> None:
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
async def test_an_answer_without_a_word_is_a_failure_at_any_limit(
    ollama: FakeOllama, fault: Fault
) -> None:
    ollama.models[CODER].faults.append(fault)
    ollama.models[LLAMA].reply = ["{}"]
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(TASK, response_format=OBJECT, options={"max_tokens": 2})
    assert [(attempt.model, attempt.code) for attempt in result.attempts] == [
        (CODER, "empty"),
        (LLAMA, ""),
    ]


async def test_what_is_no_json_though_it_was_not_cut_is_a_failure(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply, ollama.models[LLAMA].reply = [HALF], ["{}"]
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(TASK, response_format=OBJECT, options={"max_tokens": 9})
    assert [(attempt.model, attempt.code) for attempt in result.attempts] == [
        (CODER, "invalid_json"),
        (LLAMA, ""),
    ]
