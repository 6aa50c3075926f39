"""OpenAI's API, by OpenAI's own client over a real socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.faults import FAULTS, NAMES
from tests.support.http_server import served

TASK = "Write a Python function that sorts a list"
MESSAGES: list[Any] = [{"role": "user", "content": TASK}]
SOON = {"x-orch-timeout": "1.5"}
CALL = {"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
]
SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {"name": "sum", "schema": {"type": "object"}, "strict": True},
}
STATUS = {
    "model_not_found": 404,
    "context_overflow": 400,
    "timeout": 504,
    "stalled": 504,
    "rate_limited": 429,
}
"""Of a pinned model that failed before anything was shown; 502 for the other faults."""


def test_auto_chooses_a_model_and_names_it(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=MESSAGES)
    answer = raw.parse()
    assert (answer.model, answer.choices[0].message.content, answer.choices[0].finish_reason) == (
        CODER,
        "def f(): pass",
        "stop",
    )
    assert [raw.headers[f"x-orch-{name}"] for name in ("model", "task-type", "fallback")] == [
        CODER,
        "coding",
        "0",
    ]
    assert answer.usage is not None
    assert (
        answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    )


def test_a_type_can_be_given_with_the_name(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto:research", messages=MESSAGES)
    assert raw.headers["x-orch-task-type"] == "research"


def test_a_stream_reports_usage_on_request(client: openai.OpenAI) -> None:
    events = list(
        client.chat.completions.create(
            model="auto", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
    )
    assert (
        "".join(event.choices[0].delta.content or "" for event in events if event.choices)
        == "def f(): pass"
    )
    assert events[-2].choices[0].finish_reason == "stop"
    assert events[-1].usage is not None
    assert events[-1].usage.completion_tokens == 3


def test_a_tool_call_makes_the_round_trip(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("caller", capabilities=["completion", "tools"], tool_calls=[CALL, CALL]))
    answer = client.chat.completions.create(
        model="auto", messages=MESSAGES, tools=TOOLS, tool_choice="auto"
    )
    choice = answer.choices[0]
    calls = choice.message.tool_calls or []
    assert (
        answer.model,
        choice.finish_reason,
        len(calls),
        json.loads(calls[0].function.arguments),  # type: ignore[union-attr]
    ) == (
        "caller:latest",
        "tool_calls",
        2,
        {"a": 1, "b": 2},
    )
    messages: list[Any] = [
        *MESSAGES,
        choice.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": calls[0].id, "content": "3"},
    ]
    client.chat.completions.create(model="auto", messages=messages, tools=TOOLS)
    called, result, missing = ollama.chats()[-1].body["messages"][-3:]
    assert called["tool_calls"][0]["function"]["arguments"] == {"a": 1, "b": 2}
    assert (result["tool_name"], result["content"]) == ("add", "3")
    assert (missing["role"], missing["content"] == "3") == ("tool", False)  # the second call's


def test_tool_choice_none_offers_no_tools(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("caller", capabilities=["completion", "tools"]))
    client.chat.completions.create(
        model="caller", messages=MESSAGES, tools=TOOLS, tool_choice="none"
    )
    assert "tools" not in ollama.chats()[-1].body


def test_several_calls_of_a_stream_have_their_own_places(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    ollama.add(FakeModel("caller", capabilities=["completion", "tools"], tool_calls=[CALL, CALL]))
    events = list(
        client.chat.completions.create(model="caller", messages=MESSAGES, tools=TOOLS, stream=True)
    )
    calls = [
        call
        for event in events
        if event.choices
        for call in event.choices[0].delta.tool_calls or []
    ]
    assert [call.index for call in calls] == [0, 1]
    assert len({call.id for call in calls}) == 2
    assert events[-1].choices[0].finish_reason == "tool_calls"


def test_calls_of_two_turns_have_ids_of_their_own(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    ollama.add(FakeModel("caller", capabilities=["completion", "tools"], tool_calls=[CALL]))
    turns = [
        client.chat.completions.create(model="caller", messages=MESSAGES, tools=TOOLS)
        .choices[0]
        .message.tool_calls
        or []
        for _ in range(2)
    ]
    assert len({call.id for calls in turns for call in calls}) == 2


def test_unknown_fields_reach_the_model(client: openai.OpenAI, ollama: FakeOllama) -> None:
    client.chat.completions.create(
        model=CODER, messages=MESSAGES, seed=7, stop="END", extra_body={"weird": {"a": 1}}
    )
    sent = ollama.chats()[-1].body
    assert (sent["weird"], sent["options"]["seed"], sent["options"]["stop"]) == (
        {"a": 1},
        7,
        ["END"],
    )


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("chat/completions", {"messages": MESSAGES}),
        ("completions", {"prompt": TASK}),
        ("responses", {"input": TASK}),
    ],
)
def test_the_options_of_ollama_reach_an_ollama(
    url: str, ollama: FakeOllama, path: str, content: dict[str, Any]
) -> None:
    options = {"num_ctx": 16_384, "top_k": 3, "temperature": 0.1, "num_predict": 2}
    answer = httpx.post(
        f"{url}/v1/{path}", json={"model": CODER, "temperature": 0.5, "options": options, **content}
    )
    assert answer.status_code == 200
    assert ollama.chats()[-1].body["options"] == {**options, "temperature": 0.5}
    assert (
        httpx.post(
            f"{url}/v1/{path}", json={"model": CODER, "options": "many", **content}
        ).status_code
        == 400
    )


def test_an_openai_provider_gets_the_request_unchanged(home: Path, ollama: FakeOllama) -> None:
    home.mkdir()
    ollama.add(FakeModel("far", reply=['{"a": 1}']))
    models = "models: [{id: far, provider: far}]"
    (home / "models.yaml").write_text(
        f"version: 1\nproviders: {{far: {{kind: openai, base_url: {ollama.url}}}}}\n{models}\n"
    )
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    asked: dict[str, Any] = {
        "messages": [
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "look"}, IMAGE], "name": "me"},
            {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None},
            {"role": "tool", "tool_call_id": "c1", "content": "3"},
        ],
        "tools": TOOLS,
        "tool_choice": {"type": "function", "function": {"name": "add"}},
        "response_format": SCHEMA,
        **{
            "parallel_tool_calls": False,
            "reasoning_effort": "low",
            "seed": 3,
            "stop": ["a"],
            "temperature": 0.5,
            "logit_bias": {"1": 2},
        },
        **{"user": "me", "weird": {"a": None}, "options": {"seed": 9}},
    }
    with served() as there:
        answer = httpx.post(f"{there}/v1/chat/completions", json={"model": "far", **asked})
    sent = ollama.chats()[0].body  # without a call, it is asked for once more
    assert answer.status_code == 200
    assert (
        sent["messages"][0].pop("role") == "system"
    )  # templates of local models know no developer
    del asked["messages"][0]["role"]
    assert {name: sent[name] for name in asked} == asked
    assert sent.keys() - asked.keys() == {"model", "stream", "stream_options"}


def test_a_truncated_tool_call_is_reported_as_truncated(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    ollama.models[CODER].faults.append(Fault("length", after=1))
    answer = client.chat.completions.create(model=CODER, messages=MESSAGES)
    assert (answer.choices[0].finish_reason, answer.choices[0].message.content) == (
        "length",
        "def ",
    )


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ({"model": "llama3.1:8b-instruct-q4_K_X"}, openai.NotFoundError, "did you mean"),
        ({"model": "auto:nonsense"}, openai.NotFoundError, "auto:coding"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"temperature": "hot"}, openai.BadRequestError, "temperature"),
        ({"n": 2}, openai.BadRequestError, "n:"),
        ({"max_tokens": 10**30}, openai.BadRequestError, "max_tokens"),
        ({"seed": 10**30}, openai.BadRequestError, "seed"),
        ({"response_format": {"type": "nonsense"}}, openai.BadRequestError, "response_format"),
        ({"response_format": {"type": "json_schema"}}, openai.BadRequestError, "response_format"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": "add"}]}]},
            openai.BadRequestError,
            "tool_calls.0.function",
        ),
        (
            {"messages": [{"role": "user", "content": "word " * 40_000}]},
            openai.BadRequestError,
            "tokens of context, it holds",
        ),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, openai.BadRequestError, "vision"),
    ],
)
def test_bad_input_is_rejected_and_reaches_no_model(
    client: openai.OpenAI,
    ollama: FakeOllama,
    body: Any,
    error: type[openai.APIStatusError],
    message: str,
) -> None:
    with pytest.raises(error) as caught:
        client.chat.completions.create(**{"model": CODER, "messages": MESSAGES} | body)
    assert message in caught.value.message
    assert not ollama.chats()


def test_malformed_json_is_rejected(url: str, ollama: FakeOllama) -> None:
    answer = httpx.post(f"{url}/v1/chat/completions", content=b"{nope")
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert not ollama.chats()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
def test_a_failure_falls_back_silently_until_something_was_sent(
    client: openai.OpenAI, ollama: FakeOllama, fault: Fault, code: str, stream: bool
) -> None:
    ollama.models[CODER].faults.append(fault)
    raw: Any = client.chat.completions.with_raw_response.create(
        model="auto", messages=MESSAGES, stream=stream, extra_headers=SOON
    )
    if not stream:
        assert (raw.headers["x-orch-model"], raw.headers["x-orch-fallback"]) == (LLAMA, "1")
        assert raw.parse().choices[0].message.content == "Hello world"
        return
    text = "".join(event.choices[0].delta.content or "" for event in raw.parse())
    assert text == ("def " if fault.after else "") + "Hello world"


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
def test_an_interrupted_answer_never_ends_as_if_complete(
    client: openai.OpenAI, ollama: FakeOllama, fault: Fault, code: str
) -> None:
    ollama.models[CODER].faults += [fault, fault]
    finishes: list[str | None] = []

    def ask() -> None:
        events = client.chat.completions.create(
            model=CODER, messages=MESSAGES, stream=True, extra_headers=SOON
        )
        finishes.extend(event.choices[0].finish_reason for event in events)

    with pytest.raises(openai.APIError):
        ask()
    assert "stop" not in finishes


@pytest.mark.parametrize(
    "fault",
    [fault for fault, _ in FAULTS if fault.after],
    ids=[fault.kind for fault, _ in FAULTS if fault.after],
)
def test_a_failure_in_mid_stream_is_its_last_event(
    url: str, ollama: FakeOllama, fault: Fault
) -> None:
    ollama.models[CODER].faults += [fault, fault]
    body = httpx.post(
        f"{url}/v1/chat/completions",
        json={"model": CODER, "messages": MESSAGES, "stream": True},
        headers=SOON,
    ).text
    last = json.loads(body.strip().rpartition("data: ")[2])
    assert (last["choices"][0]["finish_reason"], last["error"]["type"]) == ("error", "api_error")
    assert CODER in last["error"]["message"]
    assert "[DONE]" not in body


UNSEEN = [
    (fault, code, stream)
    for fault, code in FAULTS
    for stream in (False, True)
    if not stream or not (fault.after or fault.kind == "thinking_only")
]
"""Faults that come before anything was shown: a stream shows thoughts too."""


@pytest.mark.parametrize(("fault", "code", "stream"), UNSEEN)
def test_a_pinned_model_that_fails_early_gives_an_error_status(
    client: openai.OpenAI, ollama: FakeOllama, fault: Fault, code: str, stream: bool
) -> None:
    ollama.models[CODER].faults += [fault, fault]
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(
            model=CODER, messages=MESSAGES, stream=stream, extra_headers=SOON
        )
    assert caught.value.status_code == STATUS.get(code, 502)
    assert ("retry-after" in caught.value.response.headers) == (code == "rate_limited")
    assert caught.value.response.headers["x-orch-run-id"]


def test_a_repeated_request_calls_the_model_again(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    for _ in range(2):
        client.chat.completions.create(model="auto", messages=MESSAGES)
    assert len(ollama.chats()) == 2
    for _ in range(2):
        client.chat.completions.create(model="auto", messages=MESSAGES, temperature=0)
    assert len(ollama.chats()) == 3


def test_identical_concurrent_requests_both_call_the_model(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 500, 0.02
    streams = [
        client.chat.completions.create(model=CODER, messages=MESSAGES, stream=True)
        for _ in range(2)
    ]
    for stream in streams:
        next(stream)
    assert len(ollama.chats()) == 2
    for stream in streams:
        stream.close()
    ollama.wait_for(lambda: all(chat.aborted for chat in ollama.chats()), timeout_s=1.0)


def test_a_conversation_stays_with_its_model(client: openai.OpenAI, ollama: FakeOllama) -> None:
    first = client.chat.completions.create(model="auto", messages=MESSAGES)
    next_turn = {"role": "user", "content": "now explain how it works"}
    after: list[Any] = [
        *MESSAGES,
        {"role": "assistant", "content": first.choices[0].message.content},
        next_turn,
    ]
    assert (
        client.chat.completions.create(model="auto", messages=after).model == first.model == CODER
    )


def test_the_run_is_recorded(client: openai.OpenAI, url: str) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=MESSAGES)
    run = httpx.get(f"{url}/orch/runs/{raw.headers['x-orch-run-id']}").json()["run"]
    assert (run["task"], run["answer"], run["face"], run["model"]) == (
        TASK,
        "def f(): pass",
        "openai",
        CODER,
    )


@pytest.mark.real
def test_the_embedded_model_answers_through_the_endpoint(home: object) -> None:
    with (
        served() as there,
        openai.OpenAI(base_url=f"{there}/v1", api_key="none", max_retries=0) as asked,
    ):
        events = asked.chat.completions.create(
            model="auto",
            messages=[{"role": "user", "content": "What is a mutex?"}],
            stream=True,
            max_tokens=24,
        )
        text = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    assert len(text.split()) > 4
