"""What a client would like never causes an error, in any API; what it does wrong is said once, and
no model is asked."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from orch.providers.thinking_effort import CANNOT_THINK
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.http_server import served
from tests.support.own_models import Write
from tests.support.responses import warnings_of

THINKER = "thinker:8b"
MESSAGES = [{"role": "user", "content": "hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/completions": {"prompt": "hi"},
    "/v1/responses": {"input": "hi"},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 500},
    "/api/chat": {"messages": MESSAGES, "stream": False},
    "/api/generate": {"prompt": "hi", "stream": False},
}
THINKING = [
    {"thinking": {"type": "enabled", "budget_tokens": 1_024}},
    {"thinking": True},
    {"think": True},
    {"think": "high"},
    {"reasoning_effort": "high"},
    {"reasoning_effort": "xhigh"},
]
NO_THINKING = [
    {"thinking": {"type": "disabled"}},
    {"think": False},
    {"reasoning_effort": "none"},
]
LIMITS = {
    "/v1/chat/completions": ("max_tokens", "max_completion_tokens"),
    "/v1/completions": ("max_tokens",),
    "/v1/responses": ("max_output_tokens",),
    "/v1/messages": ("max_tokens",),
}


def asked(url: str, path: str, model: str, **fields: Any) -> httpx.Response:
    return httpx.post(url + path, json={"model": model, **BODIES[path], **fields})


@pytest.mark.parametrize("wish", THINKING, ids=str)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/api/generate"])
def test_a_model_that_cannot_think_answers_without(
    url: str, ollama: FakeOllama, path: str, wish: dict[str, Any]
) -> None:
    answer = asked(url, path, CODER, **wish)
    assert (answer.status_code, warnings_of(answer)) == (200, [f"{CODER} {CANNOT_THINK}"])
    assert not {"think", "thinking", "reasoning_effort"} & ollama.chats()[-1].body.keys()


@pytest.mark.parametrize("wish", [*THINKING, *NO_THINKING], ids=str)
@pytest.mark.parametrize("path", BODIES)
def test_a_wish_to_think_never_makes_auto_fail(
    url: str, ollama: FakeOllama, path: str, wish: dict[str, Any]
) -> None:
    ollama.models[LLAMA].tells_capabilities = False
    if path == "/v1/messages" and not isinstance(wish.get("thinking", {}), dict):
        wish = {"thinking": {"type": "enabled", "budget_tokens": 1_024}}
    assert asked(url, path, "auto", **wish).status_code == 200


@pytest.mark.parametrize(
    ("wish", "think"),
    [
        *((wish, True) for wish in (THINKING[0], THINKING[1], THINKING[2])),
        *((wish, False) for wish in NO_THINKING),
        ({"thinking": {"type": "enabled"}, "think": False}, False),
        ({"thinking": {"type": "enabled"}, "reasoning_effort": "none"}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
def test_a_model_that_thinks_is_asked_as_the_client_says(
    url: str, ollama: FakeOllama, path: str, wish: dict[str, Any], think: Any
) -> None:
    ollama.add(FakeModel(THINKER, capabilities=["completion", "thinking"]))
    answer = asked(url, path, THINKER, **wish)
    assert (answer.status_code, warnings_of(answer)) == (200, [])
    sent = ollama.chats()[-1].body
    assert (sent["think"], "thinking" in sent) == (think, False)


@pytest.mark.parametrize("limit", [0, -1])
@pytest.mark.parametrize(
    ("path", "field"), [(path, field) for path, fields in LIMITS.items() for field in fields]
)
def test_a_limit_of_zero_or_less_sets_none(
    url: str, ollama: FakeOllama, path: str, field: str, limit: int
) -> None:
    assert asked(url, path, CODER, **{field: limit}).status_code == 200
    assert ollama.chats()[-1].body["options"]["num_predict"] > 1_000


@pytest.mark.parametrize(
    ("path", "field"), [(path, field) for path, fields in LIMITS.items() for field in fields]
)
def test_a_boolean_is_no_limit(url: str, ollama: FakeOllama, path: str, field: str) -> None:
    for limit in (True, False):
        answer = asked(url, path, CODER, **{field: limit})
        assert (answer.status_code, f"{field}: must be a number" in answer.text) == (400, True)
    assert not ollama.chats()


@pytest.mark.parametrize("limit", [0, -1, -2])
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_ollamas_own_limit_of_zero_or_less_sets_none(
    url: str, ollama: FakeOllama, path: str, limit: int
) -> None:
    assert asked(url, path, CODER, options={"num_predict": limit}).status_code == 200
    assert ollama.chats()[-1].body["options"]["num_predict"] > 1_000


@pytest.mark.parametrize("path", [path for path in BODIES if path != "/v1/messages"])
def test_a_smaller_context_loads_no_model_anew(url: str, ollama: FakeOllama, path: str) -> None:
    for num_ctx in (8_192, 4_100, 3_000):
        assert asked(url, path, CODER, options={"num_ctx": num_ctx}).status_code == 200
    assert {chat.body["options"]["num_ctx"] for chat in ollama.chats()} == {8_192}


# ---------------------------------------------------------------- faults of the request


def content(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]


@pytest.mark.parametrize("model", ["auto", "viewer:8b"])
@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}, "base64 only"),
        ({"type": "input_audio", "input_audio": {"data": "AA=="}}, "of type input_audio"),
    ],
)
def test_a_part_that_cannot_be_sent_asks_no_model_and_is_said_once(
    url: str, ollama: FakeOllama, model: str, part: dict[str, Any], text: str
) -> None:
    for name in ("viewer:8b", "other:8b"):
        ollama.add(FakeModel(name, capabilities=["completion", "vision"]))
    body = {"model": model, "messages": content(part)}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["message"].count(text), "failed" in error["message"]) == (1, False)
    assert not ollama.chats()


def test_what_does_not_go_away_by_itself_is_not_asked_again(own: Write) -> None:
    own("providers: {ollama: {kind: ollama, base_url: 'http://127.0.0.1:1'}}\nmodels: []\n")
    with served() as url:
        answer = httpx.post(f"{url}/v1/chat/completions", json={"messages": MESSAGES})
    assert (answer.status_code, answer.headers["x-should-retry"]) == (503, "false")


def test_an_empty_answer_is_not_asked_for_again(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = []
    with pytest.raises(openai.InternalServerError) as caught:
        client.with_options(max_retries=2).chat.completions.create(
            model=CODER, messages=[{"role": "user", "content": "hi"}]
        )
    headers = caught.value.response.headers
    assert (headers["x-should-retry"], len(ollama.chats())) == ("false", 1)


def test_more_than_the_reachable_models_have_is_a_fault_of_the_request(own: Write) -> None:
    with FakeOllama([FakeModel("last:1b")]) as server:
        own(
            "providers:\n  down: {kind: ollama, base_url: 'http://127.0.0.1:1'}\n"
            f"  up: {{kind: ollama, base_url: '{server.url}'}}\n"
            "models:\n- {id: 'real:8b', provider: down}\n"
            "- {id: 'last:1b', provider: up, last_resort: true}\n"
        )
        tools = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
        with served() as url:
            answer = asked(url, "/v1/chat/completions", "auto", tools=tools)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "no_provider", "tools")
    assert "it has no tools" in error["message"]
    assert not server.chats()
