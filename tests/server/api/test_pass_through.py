"""Parameters of a client reach the model's server under that server's own names, and without those
that orch adds for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.chat import ChatRequest
from orch.providers.ollama.client import OllamaClient
from orch.providers.openai_compatible import OpenAIClient
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault

Backends = type[OllamaClient] | type[OpenAIClient]
Json = dict[str, Any]
MESSAGES: list[Json] = [{"role": "user", "content": "hi"}]
TOOLS: list[Json] = [
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
]
CALL = {"id": "c9", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
both = pytest.mark.parametrize("kind", [OllamaClient, OpenAIClient], ids=["ollama", "openai"])


@asynccontextmanager
async def backend_at(
    kind: Backends, url: str, **provider: Any
) -> AsyncIterator[OllamaClient | OpenAIClient]:
    """A provider client, closed at the end."""
    backend = kind(Provider(kind="ollama", base_url=url, **provider))
    try:
        yield backend
    finally:
        await backend.aclose()


async def bodies(
    kind: Backends, *faults: Fault, messages: list[Json] = MESSAGES, **wishes: Any
) -> list[Json]:
    """The body of each request to a server for a chat with these options."""
    with FakeOllama(
        [
            FakeModel(
                "m", faults=list(faults), capabilities=["completion", "thinking"], family="gptoss"
            )
        ]
    ) as fake:
        async with backend_at(kind, fake.url) as backend:
            assert [delta async for delta in backend.chat(ChatRequest("m", messages, **wishes))]
        return [request.body for request in fake.chats()]


async def body(kind: Backends, **wishes: Any) -> Json:
    """The body of the only request."""
    (only,) = await bodies(kind, **wishes)
    return only


# ---------------------------------------------------------------- fields


@both
async def test_unknown_fields_are_passed_on_unchanged(kind: Backends) -> None:
    extra = {"user": "ana", "logit_bias": {"5": 1}, "parallel_tool_calls": False}
    assert extra.items() <= (await body(kind, extra=extra)).items()


@both
async def test_a_client_never_overrides_what_orch_sets(kind: Backends) -> None:
    extra = {
        "model": "other",
        "messages": [],
        "stream": False,
        "truncate": True,
        "options": {"num_ctx": 1},
        "tools": [],
        "max_tokens": 1,
    }
    sent = await body(kind, extra=extra, tools=TOOLS, num_ctx=4_096, max_tokens=99)
    assert (sent["model"], sent["messages"], sent["stream"], sent["tools"]) == (
        "m",
        MESSAGES,
        True,
        TOOLS,
    )
    assert sent.get("truncate", False) is False
    assert sent["options"]["num_ctx"] == 4_096 if kind is OllamaClient else sent["max_tokens"] == 99


async def test_client_options_override_models_yaml() -> None:
    assert (await body(OllamaClient, options={"think": False}, extra={"think": True}))[
        "think"
    ] is True
    assert (await body(OpenAIClient, options={"top_k": 1}, extra={"top_k": 2}))["top_k"] == 2


async def test_ollama_only_options_are_not_sent_to_openai() -> None:
    options = {"num_gpu": 1, "num_thread": 2, "use_mmap": True, "top_k": 3}
    sent = await body(OpenAIClient, options=options, extra={"keep_alive": "5m", "shift": True})
    assert sent["top_k"] == 3
    assert not {"num_gpu", "num_thread", "use_mmap", "keep_alive", "shift"} & set(sent)


@pytest.mark.parametrize(("stop", "sent"), [("END", ["END"]), (["A", "B"], ["A", "B"])])
async def test_one_stop_is_a_list_of_one_for_ollama(stop: Any, sent: list[str]) -> None:
    assert (await body(OllamaClient, options={"stop": stop}))["options"]["stop"] == sent


async def test_the_text_format_is_not_sent_to_ollama() -> None:
    assert "format" not in await body(OllamaClient, response_format={"type": "text"})


# ---------------------------------------------------------------- thinking


@pytest.mark.parametrize(
    ("effort", "think"),
    [
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("xhigh", "high"),
        ("none", False),
        ("minimal", False),
    ],
)
@pytest.mark.parametrize("place", ["options", "extra"])
async def test_reasoning_effort_sets_ollamas_think(effort: str, think: Any, place: str) -> None:
    fields: Mapping[str, Any] = {place: {"reasoning_effort": effort}}
    sent = await body(OllamaClient, **fields)
    assert sent["think"] == think
    assert "reasoning_effort" not in {*sent, *sent["options"]}


@pytest.mark.parametrize(
    ("think", "effort"), [("low", "low"), ("high", "high"), (False, "none"), (True, None)]
)
@pytest.mark.parametrize("place", ["options", "extra"])
async def test_think_sets_openais_reasoning_effort(
    think: Any, effort: str | None, place: str
) -> None:
    fields: Mapping[str, Any] = {place: {"think": think}}
    sent = await body(OpenAIClient, **fields)
    assert (sent.get("reasoning_effort"), "think" in sent) == (effort, False)


NO_DEGREE, NO_THINKING = (
    'think value "high" is not supported for this model',
    '"m" does not support thinking',
)


def refusals(*messages: str) -> list[Fault]:
    """Answers with status 400."""
    return [Fault("status", status=400, message=message) for message in messages]


@pytest.mark.parametrize(
    ("wish", "messages", "sent"),
    [
        ({"options": {"reasoning_effort": "high"}}, [NO_DEGREE], ["high", True]),
        ({"options": {"think": "high"}}, [NO_DEGREE, NO_THINKING], ["high", True, None]),
        ({"options": {"reasoning_effort": "high"}}, [NO_THINKING], ["high", None]),
        ({"extra": {"think": True}}, [NO_THINKING], [True, None]),
        ({"extra": {"think": False}}, ["this model always thinks"], [False, None]),
    ],
)
async def test_thinking_options_that_a_model_rejects_are_dropped(
    wish: Json, messages: list[str], sent: list[Any]
) -> None:
    assert [
        body.get("think") for body in await bodies(OllamaClient, *refusals(*messages), **wish)
    ] == sent


async def test_an_effort_that_an_openai_server_rejects_is_dropped() -> None:
    refused = refusals("Unrecognized request argument supplied: reasoning_effort")
    assert [
        body.get("reasoning_effort")
        for body in await bodies(OpenAIClient, *refused, options={"think": "high"})
    ] == ["high", None]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [({"extra": {"think": True}}, "m has no tools"), ({}, NO_THINKING)],
    ids=str,
)
async def test_other_rejections_are_reported(wishes: Json, message: str) -> None:
    with pytest.raises(ProviderError, match=message):
        await bodies(OllamaClient, *refusals(message), **wishes)


# ---------------------------------------------------------------- messages


@both
async def test_calls_and_answers_of_tools_are_sent_in_the_servers_form(kind: Backends) -> None:
    talk = [
        *MESSAGES,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c9", "content": "2"},
    ]
    _, assistant, tool = (await body(kind, messages=talk))["messages"]
    ollamas = kind is OllamaClient
    assert assistant["tool_calls"][0]["function"]["arguments"] == (
        {"a": 1} if ollamas else '{"a": 1}'
    )
    assert (tool["tool_call_id"], tool.get("tool_name")) == ("c9", "add" if ollamas else None)


async def test_an_image_that_ollama_can_not_load_is_rejected_before_sending() -> None:
    talk = [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}],
        }
    ]
    with FakeOllama([FakeModel("m")]) as fake:
        async with backend_at(OllamaClient, fake.url) as backend:
            with pytest.raises(ProviderError, match="base64 only"):
                await anext(backend.chat(ChatRequest("m", talk)))
    assert fake.requests == []


# ---------------------------------------------------------------- vectors and loading


async def test_embedding_fields_are_passed_on() -> None:
    with FakeOllama([FakeModel("m", capabilities=["embedding"])]) as fake:
        async with backend_at(OllamaClient, fake.url) as backend:
            await backend.embed("m", ["a"], {"dimensions": 8, "truncate": True, "model": "other"})
        sent = fake.requests[-1].body
    assert (sent["dimensions"], sent["truncate"], sent["model"], sent["input"]) == (
        8,
        True,
        "m",
        ["a"],
    )


async def test_vectors_are_requested_from_openai_as_numbers() -> None:
    with FakeOllama([FakeModel("m", capabilities=["embedding"])]) as fake:
        async with backend_at(OpenAIClient, fake.url) as backend:
            (vector,) = await backend.embed(
                "m", ["a"], {"dimensions": 8, "encoding_format": "base64", "keep_alive": "5m"}
            )
        sent = fake.requests[-1].body
    assert len(vector) == 8
    assert (sent["dimensions"], {"encoding_format", "keep_alive"} & set(sent)) == (8, set())


async def test_a_model_is_loaded_with_its_context_and_unloaded() -> None:
    with FakeOllama([FakeModel("m")]) as fake:
        async with backend_at(OllamaClient, fake.url, keep_alive="1h") as backend:
            assert isinstance(backend, OllamaClient)
            await backend.load("m", 8_192)
            assert (fake.resident, fake.requests[-1].body["keep_alive"]) == (
                {"m:latest": 8_192},
                "1h",
            )
            await backend.unload("m")
        assert fake.resident == {}


async def test_ollamas_show_response_is_passed_on_whole() -> None:
    with FakeOllama([FakeModel("m")]) as fake:
        async with backend_at(OllamaClient, fake.url) as backend:
            assert isinstance(backend, OllamaClient)
            assert {"modelfile", "template", "details", "model_info", "capabilities"} <= set(
                await backend.show_raw("m")
            )


# ---------------------------------------------------------------- time


async def test_keep_alive_comments_are_not_tokens() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n:"
            b" ping\n\n"
        )
        await writer.drain()
        await asyncio.sleep(0.6)  # prefill: longer than a pause between two tokens may be
        writer.write(
            b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata:'
            b" [DONE]\n\n"
        )
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        request = ChatRequest("m", MESSAGES, first_token_timeout_s=20, token_timeout_s=0.2)
        assert await _said(OpenAIClient, url, request) == "Hi"


async def _said(kind: Backends, url: str, request: ChatRequest) -> str:
    async with backend_at(kind, url) as backend:
        return "".join([delta.content async for delta in backend.chat(request)])
