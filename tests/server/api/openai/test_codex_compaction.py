"""A turn of Codex that no longer fits does not fail where its compaction helps; each other does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from orch.errors import OrchError
from orch.server.api.openai.codex_compaction import (
    MAX_WINDOWS,
    AskedWindows,
    unended_turn,
    window_to_compact,
)
from orch.server.api.openai.schemas import ResponsesRequest
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama

CONTEXT = 4_096
LONG = "many words of a long text " * 4_000
TOOLS = [{"type": "function", "name": "run", "parameters": {"type": "object"}}]
ASKED = {"role": "user", "content": "What is a mutex?"}
ANSWERED = {"role": "assistant", "content": "A lock."}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": LONG}


def turn(*items: dict[str, Any], window: Any = "thread:0", **fields: Any) -> dict[str, Any]:
    """A request of Codex's, as it sends one in a turn."""
    return {
        "model": CODER,
        "stream": True,
        "input": [*items, {"role": "user", "content": LONG}],
        "tools": TOOLS,
        "client_metadata": {"x-codex-window-id": window, "session_id": "s"},
        **fields,
    }


def last_event(url: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.post(f"{url}/v1/responses", json=body)
    assert answer.status_code == 200, answer.text
    *_, last = (line for line in answer.text.splitlines() if line.startswith("data: "))
    event: dict[str, Any] = json.loads(last.removeprefix("data: "))
    return event


@pytest.fixture
def small(url: str, ollama: FakeOllama) -> Iterator[str]:
    """The address of a server whose model holds 4,096 tokens."""
    ollama.models[CODER].context_length = CONTEXT
    ollama.models[CODER].capabilities = ["completion", "tools"]
    yield url
    assert not ollama.chats()


@pytest.mark.parametrize("before", [ANSWERED, RESULT], ids=["answer", "result"])
def test_a_turn_goes_on_so_that_codex_compacts_what_a_model_said(
    small: str, before: dict[str, Any]
) -> None:
    event = last_event(small, turn(ASKED, before))
    response = event["response"]
    assert event["type"] == "response.completed"
    assert (response["status"], response["end_turn"], response["output"]) == (
        "completed",
        False,
        [],
    )
    assert response["usage"]["total_tokens"] > CONTEXT  # beyond any limit of Codex's


def test_what_codex_did_not_compact_fails_the_second_time(small: str) -> None:
    kinds = [last_event(small, turn(ASKED, ANSWERED))["type"] for _ in range(3)]
    assert kinds == ["response.completed", "response.failed", "response.failed"]
    compacted = turn(ASKED, ANSWERED, window="thread:1")
    assert last_event(small, compacted)["type"] == "response.completed"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(turn(ASKED, ANSWERED, tools=[]), id="the request that compacts"),
        pytest.param(turn(ASKED), id="nothing to compact"),
        pytest.param(turn(ASKED, ANSWERED, client_metadata={"a": "b"}), id="another client"),
        pytest.param(turn(ASKED, ANSWERED, client_metadata=None), id="no metadata"),
        pytest.param(turn(ASKED, ANSWERED, client_metadata=["x"]), id="a list"),
        pytest.param(turn(ASKED, ANSWERED, window=7), id="a number"),
        pytest.param(turn(ASKED, ANSWERED, window=""), id="an empty window"),
        pytest.param(turn(ASKED, ANSWERED, window="x" * 9_999), id="a long window"),
        pytest.param(turn(ASKED, ANSWERED) | {"input": LONG}, id="a text"),
    ],
)
def test_each_other_request_that_is_too_long_fails(small: str, body: dict[str, Any]) -> None:
    event = last_event(small, body)
    assert event["type"] == "response.failed"
    assert event["response"]["error"]["code"] == "context_length_exceeded"


def test_without_a_stream_it_is_an_error(small: str) -> None:
    answer = httpx.post(f"{small}/v1/responses", json=turn(ASKED, ANSWERED, stream=False))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")


def test_a_turn_is_not_ended_with_tokens_that_nobody_counted() -> None:
    assert unended_turn(OrchError("", code="context_overflow"), 0) is None
    counted = unended_turn(OrchError("", code="context_overflow", prompt_tokens=7), 0)
    held = unended_turn(OrchError("", code="context_overflow", context_tokens=9), 0)
    assert counted is not None
    assert held is not None
    assert (counted["usage"]["total_tokens"], held["usage"]["total_tokens"]) == (7, 10)


def test_the_windows_that_were_asked_for_are_bounded() -> None:
    asked = AskedWindows()
    assert all(asked.add(str(number)) for number in range(MAX_WINDOWS + 1))
    assert not asked.add(str(MAX_WINDOWS))
    assert asked.add("0")  # forgotten


def test_items_of_any_type_are_read() -> None:
    odd: list[dict[str, Any]] = [{"role": 7, "type": None}, {"type": ["x"], "role": []}, {}]
    body = turn(*odd)
    assert window_to_compact(ResponsesRequest.model_validate(body)) == ""
