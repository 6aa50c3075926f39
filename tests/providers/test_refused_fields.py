"""A request whose optional field the server refuses is sent once more without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.chat import ChatRequest, Delta
from orch.providers.openai_compatible import OpenAIClient
from orch.providers.refused_fields import MOST_FIELDS, RefusedFields

URL = "http://127.0.0.1:9"
ANSWER = 'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
Refusal = Callable[[str], dict[str, Any]]
REFUSALS: dict[str, tuple[int, Refusal]] = {
    "OpenAI": (
        400,
        lambda field: {
            "error": {"message": f"Unknown parameter: '{field}'.", "code": "unknown_parameter"}
        },
    ),
    "FastAPI": (
        422,
        lambda field: {
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", field],
                    "msg": "Extra inputs are not permitted",
                }
            ]
        },
    ),
    "Go": (400, lambda field: {"error": f'json: unknown field "{field}"'}),
    "vLLM": (
        400,
        lambda field: {"object": "error", "message": f"{field} is not supported", "code": 400},
    ),
}


async def ask(refuse: tuple[int, Refusal], *refused: str, **request: Any) -> list[dict[str, Any]]:
    """The bodies of the requests to a server that refuses these fields, and then answers."""
    bodies: list[dict[str, Any]] = []

    def answer(sent: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(sent.content))
        status, words = refuse
        if field := next((field for field in refused if field in bodies[-1]), None):
            return httpx.Response(status, json=words(field))
        return httpx.Response(200, text=ANSWER, headers={"content-type": "text/event-stream"})

    with respx.mock() as router:
        router.route().mock(side_effect=answer)
        client = OpenAIClient(Provider(kind="openai", base_url=URL))
        chat = ChatRequest("m", [{"role": "user", "content": "hi"}], **request)
        deltas: list[Delta] = [delta async for delta in client.chat(chat)]
        await client.release()
    assert "".join(delta.content for delta in deltas) == "Hi"
    bodies[-1]["notices"] = [delta.ignored_fields for delta in deltas if delta.ignored_fields]
    return bodies


@pytest.mark.parametrize("refuse", REFUSALS.values(), ids=REFUSALS)
async def test_a_field_of_orchs_own_is_left_out_silently(refuse: tuple[int, Refusal]) -> None:
    first, second = await ask(refuse, "stream_options")
    assert "stream_options" in first
    assert "stream_options" not in second
    assert second["notices"] == []


@pytest.mark.parametrize("refuse", REFUSALS.values(), ids=REFUSALS)
async def test_an_option_of_the_asker_is_left_out_with_a_word(refuse: tuple[int, Refusal]) -> None:
    bodies = await ask(refuse, "top_k", options={"top_k": 5, "top_p": 0.5})
    assert ["top_k" in body for body in bodies] == [True, False]
    assert bodies[-1]["top_p"] == 0.5
    assert "top_k" in bodies[-1]["notices"][0]


async def test_two_refused_fields_are_left_out_one_after_the_other() -> None:
    bodies = await ask(REFUSALS["Go"], "stream_options", "reasoning_effort", extra={"think": "low"})
    assert [sorted({"stream_options", "reasoning_effort"} & body.keys()) for body in bodies] == [
        ["reasoning_effort", "stream_options"],
        ["reasoning_effort"],
        [],
    ]
    assert "cannot think" in bodies[-1]["notices"][0]


async def test_max_tokens_is_sent_under_its_newer_name() -> None:
    words = (
        400,
        lambda _: {
            "error": {
                "message": (
                    "Unsupported parameter: 'max_tokens' is not supported with this model."
                    " Use 'max_completion_tokens' instead."
                )
            }
        },
    )
    bodies = await ask(words, "max_tokens", max_tokens=9)
    assert bodies[-1]["max_completion_tokens"] == 9
    assert "max_tokens" not in bodies[-1]


@pytest.mark.parametrize(
    "message",
    [
        "temperature must be below 2",
        "unknown model",
        "messages: roles must alternate, this is not supported",
        "tools are not supported by this model",
        "the stop_sequence is unsupported",
    ],
)
def test_any_other_refusal_stands(message: str) -> None:
    payload = {"model": "m", "messages": [], "tools": [], "temperature": 5, "stop": ["a"]}
    assert not RefusedFields().remove(ProviderError("rejected", message), dict(payload))


@pytest.mark.parametrize("code", ["denied", "rate_limited", "context_overflow", "cut"])
def test_a_refusal_for_another_cause_stands(code: str) -> None:
    refusal = ProviderError(code, "unknown field stream_options")
    assert not RefusedFields().remove(refusal, {"stream_options": {}})


def test_fields_are_left_out_a_few_times_only() -> None:
    refused, payload = RefusedFields(), {f"field{number}x": 1 for number in range(9)}
    refusals = [ProviderError("rejected", f"unknown field {name}") for name in payload]
    assert sum(refused.remove(refusal, payload) for refusal in refusals) == MOST_FIELDS
