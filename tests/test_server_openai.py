"""OpenAI's API, by OpenAI's own client over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.conftest import CODER, LLAMA
from tests.fakes.ollama import FakeModel, FakeOllama, Fault
from tests.serving import served
from tests.test_faults import FAULTS, NAMES

TASK = "Write a Python function that sorts a list"
SAID: list[Any] = [{"role": "user", "content": TASK}]
SOON = {"x-orch-timeout": "0.5"}
CALL = {"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]


@pytest.fixture
def url(ollama: FakeOllama) -> Iterator[str]:
    with served() as there:
        yield there


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=30) as made:
        yield made


def test_every_model_and_every_way_to_choose_is_listed(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list().data]
    assert {"auto", "auto:coding", "auto:speed", "auto:quality", CODER, LLAMA} <= set(names)


def test_auto_takes_the_model_for_the_task_and_says_so(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=SAID)
    answer = raw.parse()
    assert (answer.model, answer.choices[0].message.content, answer.choices[0].finish_reason) == (CODER, "def f(): pass", "stop")
    assert [raw.headers[f"x-orch-{name}"] for name in ("model", "task-type", "fallback")] == [CODER, "coding", "0"]
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_a_type_can_be_given_with_the_name(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto:research", messages=SAID)
    assert raw.headers["x-orch-task-type"] == "research"


def test_a_stream_tells_its_usage_where_asked(client: openai.OpenAI) -> None:
    events = list(client.chat.completions.create(model="auto", messages=SAID, stream=True, stream_options={"include_usage": True}))
    assert "".join(event.choices[0].delta.content or "" for event in events if event.choices) == "def f(): pass"
    assert events[-2].choices[0].finish_reason == "stop"
    assert events[-1].usage is not None
    assert events[-1].usage.completion_tokens == 3


def test_tools_go_there_and_back(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("caller", capabilities=["completion", "tools"], tool_calls=[CALL, CALL]))
    answer = client.chat.completions.create(model="auto", messages=SAID, tools=TOOLS, tool_choice="auto")
    choice = answer.choices[0]
    calls = choice.message.tool_calls or []
    assert (answer.model, choice.finish_reason, len(calls), json.loads(calls[0].function.arguments)) == (  # type: ignore[union-attr]
        "caller:latest",
        "tool_calls",
        2,
        {"a": 1, "b": 2},
    )
    told: list[Any] = [*SAID, choice.message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": calls[0].id, "content": "3"}]
    client.chat.completions.create(model="auto", messages=told, tools=TOOLS)
    sent = ollama.chats()[-1].body
    assert sent["messages"][-2]["tool_calls"][0]["function"]["arguments"] == {"a": 1, "b": 2}
    assert (sent["messages"][-1]["tool_name"], sent["tool_choice"]) == ("add", "auto") if "tool_choice" in sent else ("add", None)


def test_several_calls_of_a_stream_have_their_own_places(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("caller", capabilities=["completion", "tools"], tool_calls=[CALL, CALL]))
    events = list(client.chat.completions.create(model="caller", messages=SAID, tools=TOOLS, stream=True))
    calls = [call for event in events if event.choices for call in event.choices[0].delta.tool_calls or []]
    assert [call.index for call in calls] == [0, 1]
    assert len({call.id for call in calls}) == 2


def test_what_orch_does_not_know_reaches_the_model(client: openai.OpenAI, ollama: FakeOllama) -> None:
    client.chat.completions.create(model=CODER, messages=SAID, seed=7, stop="END", extra_body={"weird": {"a": 1}})
    sent = ollama.chats()[-1].body
    assert (sent["weird"], sent["options"]["seed"], sent["options"]["stop"]) == ({"a": 1}, 7, ["END"])


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ({"model": "llama3.1:8b-instruct-q4_K_X"}, openai.NotFoundError, "did you mean"),
        ({"model": "auto:nonsense"}, openai.NotFoundError, "auto:coding"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"temperature": "hot"}, openai.BadRequestError, "temperature"),
        ({"n": 2}, openai.BadRequestError, "n:"),
        ({"max_tokens": 0}, openai.BadRequestError, "max_tokens"),
        ({"messages": [{"role": "user", "content": "word " * 40_000}]}, openai.BadRequestError, "tokens of context, it holds"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}]},
            openai.BadRequestError,
            "vision",
        ),
    ],
)
def test_bad_input_is_told_and_reaches_no_model(client: openai.OpenAI, ollama: FakeOllama, body: Any, error: type[openai.APIStatusError], said: str) -> None:
    with pytest.raises(error) as caught:
        client.chat.completions.create(**{"model": CODER, "messages": SAID} | body)
    assert said in caught.value.message
    assert not ollama.chats()


def test_malformed_json_is_told(url: str, ollama: FakeOllama) -> None:
    answer = httpx.post(f"{url}/v1/chat/completions", content=b"{nope")
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert not ollama.chats()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
def test_a_fault_falls_back_unseen_until_something_was_shown(client: openai.OpenAI, ollama: FakeOllama, fault: Fault, code: str, stream: bool) -> None:
    ollama.models[CODER].faults.append(fault)
    raw: Any = client.chat.completions.with_raw_response.create(model="auto", messages=SAID, stream=stream, extra_headers=SOON)
    if not stream:
        assert (raw.headers["x-orch-model"], raw.headers["x-orch-fallback"]) == (LLAMA, "1")
        assert raw.parse().choices[0].message.content == "Hello world"
        return
    text = "".join(event.choices[0].delta.content or "" for event in raw.parse())
    assert text == ("def " if fault.after else "") + "Hello world"


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
def test_a_cut_answer_never_ends_as_if_complete(client: openai.OpenAI, ollama: FakeOllama, fault: Fault, code: str) -> None:
    ollama.models[CODER].faults += [fault, fault]
    finishes: list[str | None] = []

    def ask() -> None:
        events = client.chat.completions.create(model=CODER, messages=SAID, stream=True, extra_headers=SOON)
        finishes.extend(event.choices[0].finish_reason for event in events)

    with pytest.raises(openai.APIError):
        ask()
    assert "stop" not in finishes


def test_a_client_that_leaves_ends_generation(url: str, ollama: FakeOllama) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 500, 0.02
    with httpx.stream("POST", f"{url}/v1/chat/completions", json={"model": CODER, "messages": SAID, "stream": True}) as answer:
        next(answer.iter_lines())
    ollama.wait_for(lambda: ollama.chats()[-1].aborted, timeout_s=1.0)


def test_asking_again_asks_the_model_again(client: openai.OpenAI, ollama: FakeOllama) -> None:
    for _ in range(2):
        client.chat.completions.create(model="auto", messages=SAID)
    assert len(ollama.chats()) == 2
    for _ in range(2):
        client.chat.completions.create(model="auto", messages=SAID, temperature=0)
    assert len(ollama.chats()) == 3


def test_a_conversation_stays_with_its_model(client: openai.OpenAI, ollama: FakeOllama) -> None:
    first = client.chat.completions.create(model="auto", messages=SAID)
    next_turn = {"role": "user", "content": "now explain how it works"}
    after: list[Any] = [*SAID, {"role": "assistant", "content": first.choices[0].message.content}, next_turn]
    assert client.chat.completions.create(model="auto", messages=after).model == first.model == CODER


def test_the_run_stands_in_the_journal(client: openai.OpenAI, url: str) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=SAID)
    run = httpx.get(f"{url}/orch/runs/{raw.headers['x-orch-run-id']}").json()["run"]
    assert (run["task"], run["answer"], run["face"], run["model"]) == (TASK, "def f(): pass", "openai", CODER)


def test_without_a_provider_the_status_says_so(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.stop()
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=CODER, messages=SAID)
    assert caught.value.status_code == 503


@pytest.mark.real
def test_the_embedded_model_answers_through_the_endpoint(home: object) -> None:
    with served() as there, openai.OpenAI(base_url=f"{there}/v1", api_key="none", max_retries=0) as asked:
        events = asked.chat.completions.create(model="auto", messages=[{"role": "user", "content": "What is a mutex?"}], stream=True, max_tokens=24)
        text = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    assert len(text.split()) > 4


def test_a_prompt_is_completed(client: openai.OpenAI) -> None:
    whole = client.completions.create(model=LLAMA, prompt="hello")
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("Hello world", "stop")
    assert "".join(event.choices[0].text for event in client.completions.create(model=LLAMA, prompt=["hello"], stream=True)) == "Hello world"


def test_texts_are_embedded(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    packed, plain = (client.embeddings.create(model="nomic", input=["a", "b"], encoding_format=form) for form in ("base64", "float"))
    assert len(packed.data) == len(plain.data) == 2
    assert len(packed.data[0].embedding) * 4 // 3 >= len(plain.data[0].embedding)


def test_orchs_own_embedder_puts_out_no_model(client: openai.OpenAI, ollama: FakeOllama) -> None:
    assert len(client.embeddings.create(model="auto", input="hola").data[0].embedding) == 384
    assert not ollama.resident
