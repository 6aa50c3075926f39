"""Logprobs of a model's server are returned in the form of the API that requested them; where that
is impossible, a warning says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import ollama as theirs
import openai
import pytest
import respx

from orch import Orchestrator
from orch.config.spec import Provider
from orch.providers.chat import ChatRequest, Delta
from orch.providers.openai_compatible import OpenAIClient
from orch.providers.streams.answer import StreamedAnswer
from tests.conftest import CODER, ROOM
from tests.support.fake_ollama import FakeOllama
from tests.support.http_server import served

TASK = "Write a Python function that sorts a list"
MESSAGES: list[Any] = [{"role": "user", "content": TASK}]
NOBODY = "http://127.0.0.1:9"
TOKENS = ["def ", "f(): ", "pass"]
ASKED: dict[str, Any] = {"model": CODER, "messages": MESSAGES, "logprobs": True, "top_logprobs": 1}


@pytest.fixture(params=["ollama", "openai"])
def url(request: pytest.FixtureRequest, ollama: FakeOllama, home: Path) -> Iterator[str]:
    """A server in front of the fake, whose own API or OpenAI's is used."""
    home.mkdir()
    (home / "routing.yaml").write_text(ROOM)
    models = {
        "providers": {"there": {"kind": request.param, "base_url": ollama.url}},
        "models": [{"id": CODER, "provider": "there"}],
    }
    (home / "models.yaml").write_text(json.dumps(models))
    with served() as there:
        yield there


def tokens_of(entries: list[Any]) -> list[str]:
    """The tokens of OpenAI's entries, each with everything that OpenAI's client reads of it."""
    for entry in entries:
        assert entry.logprob == -0.5
        assert all(top.token == entry.token for top in entry.top_logprobs)
        assert entry.bytes in (None, list(entry.token.encode()))
    return [entry.token for entry in entries]


# ---------------------------------------------------------------- passed on


def test_a_chat_completion_contains_logprobs(client: openai.OpenAI) -> None:
    (choice,) = client.chat.completions.create(**ASKED).choices
    assert choice.logprobs is not None
    assert tokens_of(choice.logprobs.content or []) == TOKENS


def test_each_event_of_a_stream_contains_the_logprobs_of_its_text(client: openai.OpenAI) -> None:
    choices = [event.choices[0] for event in client.chat.completions.create(**ASKED, stream=True)]
    texts = [
        (choice.delta.content, "".join(tokens_of(choice.logprobs.content or [])))
        for choice in choices
        if choice.logprobs
    ]
    assert "".join(text or "" for text, _ in texts) == "".join(TOKENS)
    assert all(text == tokens for text, tokens in texts)


def test_ollamas_client_gets_logprobs_beside_the_message(url: str) -> None:
    with httpx.Client() as http:
        whole = theirs.ChatResponse(
            **http.post(f"{url}/api/chat", json={**ASKED, "stream": False}).json()
        )
        lines = [
            theirs.ChatResponse(**json.loads(line))
            for line in http.post(f"{url}/api/chat", json=ASKED).text.splitlines()
        ]
        asked = {"model": CODER, "prompt": TASK, "logprobs": True, "stream": False}
        generated = theirs.GenerateResponse(**http.post(f"{url}/api/generate", json=asked).json())
    assert [[each.token for each in choice.logprobs or ()] for choice in (whole, generated)] == [
        TOKENS
    ] * 2
    assert [each.token for line in lines for each in line.logprobs or ()] == TOKENS


def test_logprobs_are_only_sent_on_request(url: str) -> None:
    asked = {"model": CODER, "messages": MESSAGES, "stream": False}
    assert (
        httpx.post(f"{url}/v1/chat/completions", json=asked).json()["choices"][0]["logprobs"]
        is None
    )
    assert "logprobs" not in httpx.post(f"{url}/api/chat", json=asked).json()


def test_a_cached_answer_with_logprobs_is_not_used_without(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    choices = [client.chat.completions.create(**ASKED, temperature=0).choices[0] for _ in range(2)]
    assert [
        tokens_of((choice.logprobs and choice.logprobs.content) or []) for choice in choices
    ] == [TOKENS] * 2
    assert len(ollama.chats()) == 2


# ---------------------------------------------------------------- in pieces


def entry(token: str) -> dict[str, Any]:
    """The logprobs of a token as a server sends them."""
    return {"token": token, "logprob": -0.5}


def test_joined_texts_keep_their_logprobs() -> None:
    def piece(token: str, field: str = "content") -> dict[str, Any]:
        return {"choices": [{"delta": {field: token}, "logprobs": {"content": [entry(token)]}}]}

    pieces = [piece("a"), piece("b"), piece("c", "reasoning")]
    assert StreamedAnswer().add_all(pieces) == [
        Delta("ab", logprobs=(entry("a"), entry("b"))),
        Delta(thinking="c", logprobs=(entry("c"),)),
    ]


LINES = {
    "a token without text at the end": [("Hi", [entry("Hi")], False), ("", [entry("<end>")], True)],
    "a token whose text comes later": [("", [entry("H")], False), ("Hi", [entry("i")], True)],
    "a blank before the answer": [(" ", [entry(" ")], False), ("Hi", [entry("Hi")], True)],
}


@pytest.mark.parametrize("case", LINES)
async def test_logprobs_are_kept_if_their_text_arrives_separately(case: str) -> None:
    lines = [
        {"message": {"content": text}, "logprobs": tokens, "done": done}
        for text, tokens, done in LINES[case]
    ]
    models = {
        "providers": {"there": {"kind": "ollama", "base_url": NOBODY}},
        "models": [{"id": CODER, "provider": "there"}],
    }
    with respx.mock(base_url=NOBODY) as router:
        router.get("/api/tags").respond(json={"models": [{"name": CODER}]})
        router.get("/api/ps").respond(json={"models": []})
        router.post("/api/chat").respond(text="".join(json.dumps(line) + "\n" for line in lines))
        async with Orchestrator(models, {"version": 1, "memory_budget_gb": 100}) as orchestrator:
            chunks = [
                chunk
                async for chunk in orchestrator.execute_streaming(TASK, options={"logprobs": True})
            ]
    expected = [each["token"] for _, tokens, _ in LINES[case] for each in tokens]
    assert [each["token"] for chunk in chunks for each in chunk.get("logprobs", ())] == expected
    assert [each["token"] for each in chunks[-1]["result"].response.logprobs] == expected


async def test_an_answer_does_not_fail_for_logprobs_of_another_shape() -> None:
    choice = {"delta": {"content": "a"}, "logprobs": {"content": [5]}, "finish_reason": "stop"}
    with respx.mock() as router:
        router.route().respond(json={"choices": [choice]})
        client = OpenAIClient(Provider(kind="openai", base_url=NOBODY))
        deltas = [delta async for delta in client.chat(ChatRequest("m", MESSAGES))]
    assert [(delta.content, delta.logprobs) for delta in deltas] == [("a", ()), ("", ())]


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("completions", {"prompt": TASK, "logprobs": 0}),
        ("completions", {"prompt": TASK, "logprobs": 5}),
        ("responses", {"input": TASK, "include": ["message.output_text.logprobs"]}),
        ("responses", {"input": TASK, "top_logprobs": 2}),
    ],
    ids=str,
)
def test_requests_for_unsupported_logprobs_are_rejected(
    url: str, ollama: FakeOllama, path: str, asked: dict[str, Any]
) -> None:
    answer = httpx.post(f"{url}/v1/{path}", json={"model": CODER, **asked})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "logprobs" in answer.json()["error"]["message"]
    assert not ollama.chats()


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("completions", {"prompt": TASK, "logprobs": None}),
        ("responses", {"input": TASK, "include": []}),
    ],
    ids=str,
)
def test_declining_logprobs_is_accepted(url: str, path: str, asked: dict[str, Any]) -> None:
    assert httpx.post(f"{url}/v1/{path}", json={"model": CODER, **asked}).status_code == 200
