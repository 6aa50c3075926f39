"""The client for OpenAI-compatible servers: every fault, several addresses, requests and
responses."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import respx

from orch import OrchError, Orchestrator
from orch.execution.events import Done
from orch.execution.run import Run
from orch.text.prompt import Task
from orch.text.raw_prompt import RawPrompt
from orch.types import RunResult
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.faults import FAULTS, NAMES, TASK, shorten_wait

both_transports = pytest.mark.usefixtures("both_transports")
UNREACHABLE = "http://127.0.0.1:9"
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}


def served(*urls: str, kind: str = "openai", **provider: Any) -> Orchestrator:
    """An orchestrator with one provider at these addresses; it has the coder and the general
    model."""
    models = [
        {"id": CODER, "provider": "server", "quality_rating": 9},
        {"id": LLAMA, "provider": "server", "quality_rating": 6},
    ]
    providers = {"server": {"kind": kind, "base_urls": list(urls), **provider}}
    return Orchestrator(
        {"providers": providers, "models": models}, {"version": 1, "memory_budget_gb": 100}
    )


async def answer(*urls: str, **provider: Any) -> RunResult:
    """The whole answer to TASK."""
    async with served(*urls, **provider) as orchestrator:
        return await orchestrator.execute(TASK, timeout_s=5)


@pytest.fixture
def wire() -> Iterator[respx.MockRouter]:
    """A server whose every response the test defines; it lists the coder."""
    with respx.mock(base_url=f"{UNREACHABLE}/v1", assert_all_called=False) as router:
        router.get("/models").respond(json={"data": [{"id": CODER}]})
        yield router


def say(wire: respx.MockRouter, *events: dict[str, Any]) -> None:
    """Makes the server answer a chat with these events."""
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    wire.post("/chat/completions").respond(
        headers={"content-type": "text/event-stream"}, text=f"{body}data: [DONE]\n\n"
    )


def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """One event of a stream."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
@both_transports
async def test_a_fault_before_the_first_token_falls_back_from_the_start(
    ollama: FakeOllama, fault: Fault, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_wait(monkeypatch, fault)
    ollama.models[CODER].faults.append(fault)
    async with served(ollama.url) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert [(a.model, a.outcome, a.code) for a in result.attempts] == [
        (CODER, "failed", code),
        (LLAMA, "ok", ""),
    ]
    assert result.response.content == "Hello world"


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
@both_transports
async def test_a_fault_in_the_stream_is_an_event_and_the_next_model_continues(
    ollama: FakeOllama, fault: Fault, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_wait(monkeypatch, fault)
    ollama.models[CODER].faults.append(fault)
    async with served(ollama.url) as orchestrator:
        chunks = [chunk async for chunk in orchestrator.execute_streaming(TASK)]
    fallback = next(chunk for chunk in chunks if chunk["type"] == "fallback")
    shown = "def " if fault.after else ""
    assert (fallback["code"], fallback["offset"], chunks[-1]["type"]) == (code, len(shown), "done")
    assert (
        "".join(chunk["chunk"] for chunk in chunks if chunk["type"] == "content")
        == f"{shown}Hello world"
    )


@both_transports
async def test_a_web_server_is_not_a_provider(ollama: FakeOllama) -> None:
    ollama.server_status = Fault("html")
    with pytest.raises(OrchError, match="is this a model server") as caught:
        await answer(ollama.url)
    assert caught.value.exit_code == 3


# ---------------------------------------------------------------- addresses


@both_transports
async def test_the_next_address_is_used_when_the_first_refuses(ollama: FakeOllama) -> None:
    result = await answer(UNREACHABLE, ollama.url)
    assert [(attempt.model, attempt.outcome) for attempt in result.attempts] == [(CODER, "ok")]


@both_transports
async def test_the_next_address_is_used_when_the_first_is_busy(ollama: FakeOllama) -> None:
    with FakeOllama([FakeModel(CODER, faults=[Fault("status", status=503, times=-1)])]) as busy:
        result = await answer(busy.url, ollama.url)
    assert [(attempt.model, attempt.outcome) for attempt in result.attempts] == [(CODER, "ok")]


@pytest.mark.parametrize("kind", ["ollama", "openai"])
@both_transports
async def test_no_proxy_is_used_for_loopback(
    ollama: FakeOllama, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, UNREACHABLE)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert (await answer(ollama.url, kind=kind)).response.content == "def f(): pass"


@both_transports
async def test_a_name_that_starts_like_loopback_is_not_loopback(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", ollama.url)
    with pytest.raises(OrchError):
        await answer("http://127.0.0.1.invalid")
    assert ollama.requests


@pytest.mark.parametrize("kind", ["ollama", "openai"])
def test_deciding_leaves_no_connection_open(ollama: FakeOllama, kind: str) -> None:
    with warnings.catch_warnings(record=True) as caught_warnings:
        warnings.simplefilter("always")
        served(ollama.url, kind=kind).decide(TASK)
        gc.collect()
    assert [
        warning for warning in caught_warnings if "unclosed transport" in str(warning.message)
    ] == []


# ---------------------------------------------------------------- what is sent


@both_transports
async def test_the_key_is_sent_as_bearer(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_KEY", "sk-1")
    await answer(ollama.url, api_key="${SERVER_KEY}")
    assert {request.headers["authorization"] for request in ollama.requests} == {"Bearer sk-1"}


@pytest.mark.parametrize("key", ["secret\nkey", "secret-ñ", "secret-€"])
@both_transports
async def test_a_key_that_a_header_can_not_carry_is_an_error_without_the_key(
    ollama: FakeOllama, key: str
) -> None:
    with pytest.raises(OrchError) as caught:
        await answer(ollama.url, api_key=key)
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"


async def test_a_response_format_is_passed_on_and_ollamas_own_options_are_not(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].reply = ['{"a": ', "1}"]
    options = {"num_ctx": 4096, "keep_alive": "5m", "top_p": 0.5, "max_tokens": 9}
    async with served(ollama.url) as orchestrator:
        result = await orchestrator.execute(TASK, response_format=SCHEMA, options=options)
    body = ollama.chats()[-1].body
    assert (
        result.response.content,
        body["response_format"],
        body["top_p"],
        body["max_tokens"],
    ) == ('{"a": 1}', SCHEMA, 0.5, 9)
    assert not {"num_ctx", "keep_alive", "num_predict", "options"} & set(body)


# ---------------------------------------------------------------- what is read


async def test_an_answer_that_is_not_streamed_is_read(
    wire: respx.MockRouter,
) -> None:
    choice = {"message": {"content": "Hi"}, "finish_reason": "stop"}
    wire.post("/chat/completions").respond(
        json={"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    )
    response = (await answer(UNREACHABLE)).response
    assert (response.content, response.usage.prompt_tokens, response.usage.completion_tokens) == (
        "Hi",
        7,
        2,
    )


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_becomes_thinking(wire: respx.MockRouter, field: str) -> None:
    say(
        wire,
        piece(**{field: "Let me "}),
        piece(**{field: "see"}),
        piece(content="Yes"),
        piece("stop"),
    )
    response = (await answer(UNREACHABLE)).response
    assert (response.content, response.thinking) == ("Yes", "Let me see")


async def test_fragments_of_tool_calls_are_joined(wire: respx.MockRouter) -> None:
    first = {"index": 0, "id": "c1", "function": {"name": "add", "arguments": '{"a"'}}
    other = {"index": 1, "id": "c2", "function": {"name": "sub", "arguments": "{}"}}
    rest = {"index": 0, "function": {"arguments": ": 1}"}}
    say(
        wire,
        piece(tool_calls=[first]),
        piece(tool_calls=[other]),
        piece(tool_calls=[rest]),
        piece("tool_calls"),
    )
    calls = (await answer(UNREACHABLE)).response.tool_calls
    assert [(call["id"], call["function"]) for call in calls] == [
        ("c1", {"name": "add", "arguments": '{"a": 1}'}),
        ("c2", other["function"]),
    ]


async def test_a_prompt_that_the_server_truncated_is_a_warning(ollama: FakeOllama) -> None:
    async with served(ollama.url) as orchestrator:
        result = await orchestrator.execute("word " * 10_000)
    assert any("it may have been cut" in warning for warning in result.warnings)


async def test_a_lone_surrogate_is_replaced(wire: respx.MockRouter) -> None:
    # a server that escapes may cut an emoji between two tokens: half a surrogate pair, which no
    # UTF-8 can carry
    say(wire, piece(content="Hi \ud83d"), piece(content="\ude00"), piece("stop"))
    async with served(UNREACHABLE) as orchestrator:
        assert (await orchestrator.execute(TASK)).response.content.startswith("Hi ")
        assert orchestrator.runtime.journal.history.count() == 1


async def test_vectors_are_in_the_order_of_the_texts(wire: respx.MockRouter) -> None:
    wire.post("/embeddings").respond(
        json={"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]}
    )
    async with served(UNREACHABLE) as orchestrator:
        assert await orchestrator.runtime.providers["server"].embed(CODER, ["a", "b"]) == [[1], [2]]


@pytest.mark.parametrize("kind", ["ollama", "openai"])
@both_transports
async def test_each_text_gets_a_vector_of_its_own(ollama: FakeOllama, kind: str) -> None:
    async with served(ollama.url, kind=kind) as orchestrator:
        one, other = await orchestrator.runtime.providers["server"].embed(CODER, ["a", "b"])
    assert len(one) == len(other) == 8
    assert one != other


# ---------------------------------------------------------------- raw prompts


async def completed(wire: respx.MockRouter, path: str, raw: RawPrompt, *events: Any) -> Any:
    """The answer to a raw prompt that the server completes at that path, and what it was sent."""
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    headers = {"content-type": "text/event-stream"}
    route = wire.post(url=f"{UNREACHABLE}{path}").respond(headers=headers, text=body)
    async with served(UNREACHABLE) as orchestrator:
        task = Task(text="", messages=({"role": "user", "content": "x"},), raw=raw, model=CODER)
        run = Run(task, orchestrator.runtime, "restart", "test")
        *_, done = [event async for event in run.events()]
    assert isinstance(done, Done)
    return done.result.response.content, json.loads(route.calls[0].request.content)


async def test_a_raw_prompt_is_completed_without_a_chat(wire: respx.MockRouter) -> None:
    end = {"choices": [{"text": " world", "finish_reason": "stop"}]}
    raw = RawPrompt("hello", "", {"raw": True})
    text, sent = await completed(wire, "/v1/completions", raw, end)
    assert (text, sent["prompt"], sent["stream"]) == (" world", "hello", True)
    assert not {"messages", "raw", "suffix"} & sent.keys()


async def test_a_suffix_is_passed_on(wire: respx.MockRouter) -> None:
    end = {"choices": [{"text": "1", "finish_reason": "stop"}]}
    text, sent = await completed(wire, "/v1/completions", RawPrompt("a", "b"), end)
    assert (text, sent["prompt"], sent["suffix"]) == ("1", "a", "b")


async def test_llama_cpp_fills_gaps_by_its_own_endpoint(wire: respx.MockRouter) -> None:
    wire.get("/models").respond(json={"data": [{"id": CODER, "owned_by": "llamacpp"}]})
    props = {"chat_template_caps": {"supports_tools": False}, "modalities": {"vision": False}}
    wire.get(f"{UNREACHABLE}/props").respond(json=props)
    events = (
        {"content": " 1", "stop": False},
        {"content": "", "stop": True, "tokens_predicted": 1},
    )
    text, sent = await completed(wire, "/infill", RawPrompt("a", "b"), *events)
    assert (text, sent["input_prefix"], sent["input_suffix"]) == (" 1", "a", "b")
    assert not {"prompt", "suffix", "messages"} & sent.keys()


async def test_a_template_is_refused_by_name(wire: respx.MockRouter) -> None:
    with pytest.raises(OrchError, match=r"template: .* does not take it") as refused:
        await completed(wire, "/v1/completions", RawPrompt("a", "", {"template": "x"}))
    assert refused.value.code == "bad_input"


async def test_a_list_that_does_not_say_what_is_loaded_makes_nothing_loaded(
    wire: respx.MockRouter,
) -> None:
    say(wire, piece(content="yes"), piece("stop"))
    chosen = (await answer(UNREACHABLE)).decision.candidates[0]
    assert chosen.resident is None
    assert "loaded" not in chosen.reason.replace("not known whether it is loaded", "")
