"""The JSON objects of `--json`: results, decisions and errors."""

from __future__ import annotations

import json
from typing import Any

from orch import OrchError, Orchestrator
from orch.execution.serialize import (
    decision_to_json,
    error_to_json,
    fallback_model_names,
    result_to_json,
    stored_response,
)
from orch.orchestrator import build_task
from orch.types import ModelKey
from tests.support.fake_ollama import FakeOllama

TASK = "Tell me about the sea"


def keys_of(document: dict[str, Any]) -> set[str]:
    """The keys, checked to be JSON."""
    return {*json.loads(json.dumps(document))}


async def test_a_result_has_the_fields_of_the_contract(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        document = result_to_json(await orchestrator.execute(TASK))
    assert keys_of(document) >= {
        *("v", "ok", "answer", "task_type", "confidence", "model", "model_name", "provider"),
        *("decision", "usage", "timing", "attempts", "warnings", "recalled", "degraded"),
        *("source", "run_id"),
    }
    assert keys_of(document["timing"]) == {"ttft_s", "total_s", "load_s"}
    assert document["answer"] == "Hello world"


async def test_what_is_stored_of_a_response_has_its_calls_and_its_end(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(TASK)
    assert stored_response({"metadata": {}}, result) == {
        "metadata": {},
        "tool_calls": [],
        "finish_reason": "stop",
    }
    assert stored_response(None, result) is stored_response({}, None) is None


async def test_a_decision_has_no_answer(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        decision = await orchestrator.decide_task(build_task(TASK))
    document = decision_to_json(decision, ["slow"])
    assert (document["model"], document["warnings"]) == (decision.model_id, ["slow"])
    assert not {"answer", "timing"} & keys_of(document)


def test_an_error_has_the_fields_of_the_contract() -> None:
    document = error_to_json(OrchError("it failed", "try again", code="all_failed", partial="h"))
    assert keys_of(document) == {*("v", "ok", "error", "partial", "attempts", "warnings", "run_id")}
    assert document["error"] == {"code": "all_failed", "message": "it failed", "hint": "try again"}
    assert (document["ok"], document["partial"], document["run_id"]) == (False, "h", None)


def test_a_fallback_names_providers_only_for_the_same_id() -> None:
    one, other = key("one", "a:1b"), key("two", "a:1b")
    assert fallback_model_names(one, other) == ("one/a:1b", "two/a:1b")
    assert fallback_model_names(one, key("two", "b:1b")) == ("a:1b", "b:1b")


def key(provider: str, model: str) -> ModelKey:
    """A model's key."""
    return ModelKey(provider, model)
