"""Ollama's API, by Ollama's own client over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import ollama as theirs
import pytest

from tests.conftest import CODER, LLAMA
from tests.fakes.ollama import FakeModel, FakeOllama, Fault
from tests.serving import served
from tests.test_faults import FAULTS, NAMES

TASK = "Write a Python function that sorts a list"
SAID = [{"role": "user", "content": TASK}]
CALL = {"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}


@pytest.fixture
def url(ollama: FakeOllama) -> Iterator[str]:
    with served() as there:
        yield there


@pytest.fixture
def client(url: str) -> Iterator[theirs.Client]:
    made = theirs.Client(host=url, headers={"x-orch-timeout": "0.5"})
    yield made
    made._client.close()  # it has no word for it


def test_auto_chats(client: theirs.Client) -> None:
    answer = client.chat(model="auto", messages=SAID)
    assert (answer.model, answer.message.content, answer.done, answer.done_reason) == (CODER, "def f(): pass", True, "stop")
    assert answer.eval_count == 3


def test_a_stream_ends_with_done(client: theirs.Client) -> None:
    parts = list(client.chat(model="auto:coding", messages=SAID, stream=True))
    assert "".join(part.message.content or "" for part in parts) == "def f(): pass"
    assert [part.done for part in parts][-2:] == [False, True]


def test_generate_answers_a_prompt(client: theirs.Client) -> None:
    assert client.generate(model=LLAMA, prompt="hello").response == "Hello world"
    assert "".join(part.response or "" for part in client.generate(model=LLAMA, prompt="hello", stream=True)) == "Hello world"


def test_options_and_what_orch_does_not_know_reach_the_model(client: theirs.Client, ollama: FakeOllama) -> None:
    client.chat(model=CODER, messages=SAID, options={"temperature": 0.5, "mirostat": 1}, keep_alive="7m", think=False)
    sent = ollama.chats()[-1].body
    assert (sent["options"]["mirostat"], sent["keep_alive"], sent["think"]) == (1, "7m", False)


def test_tools_go_through(client: theirs.Client, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("caller", capabilities=["completion", "tools"], tool_calls=[CALL]))
    tools = [{"type": "function", "function": {"name": "add", "description": "adds", "parameters": {"type": "object", "properties": {}}}}]
    calls = client.chat(model="auto", messages=SAID, tools=tools).message.tool_calls or []
    assert [(call.function.name, dict(call.function.arguments)) for call in calls] == [("add", {"a": 1, "b": 2})]


def test_models_are_listed_shown_and_told_when_loaded(client: theirs.Client, url: str) -> None:
    assert {"auto", "auto:speed", CODER, LLAMA} <= {model.model for model in client.list().models}
    assert "completion" in (client.show(LLAMA).capabilities or [])
    assert "completion" in (client.show("auto").capabilities or [])
    client.chat(model=LLAMA, messages=SAID)
    assert httpx.get(f"{url}/api/version").json()["version"].count(".") == 2


def test_a_request_without_a_prompt_loads_the_model(client: theirs.Client, ollama: FakeOllama) -> None:
    assert client.generate(model=LLAMA).done_reason == "load"
    assert LLAMA in ollama.resident
    assert client.generate(model=LLAMA, keep_alive=0).done_reason == "unload"
    assert LLAMA not in ollama.resident


def test_texts_are_embedded_by_a_model_that_embeds(client: theirs.Client, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    assert len(client.embed(model="nomic", input=["a", "b"]).embeddings) == 2
    with pytest.raises(theirs.ResponseError, match="does not embed"):
        client.embed(model=LLAMA, input="a")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "nope", "messages": SAID}, 404),
        ({"model": CODER, "messages": [{"role": "king", "content": "x"}]}, 400),
        ({"model": CODER, "messages": SAID, "stream": "perhaps"}, 400),
        ({"model": CODER, "messages": SAID, "format": "xml"}, 400),
    ],
)
def test_bad_input_is_told_in_ollamas_words_and_reaches_no_model(url: str, ollama: FakeOllama, body: Any, status: int) -> None:
    answer = httpx.post(f"{url}/api/chat", json=body)
    assert (answer.status_code, type(answer.json()["error"])) == (status, str)
    assert not ollama.chats()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
def test_a_fault_falls_back_unseen_until_something_was_shown(client: theirs.Client, ollama: FakeOllama, fault: Fault, code: str, stream: bool) -> None:
    ollama.models[CODER].faults.append(fault)
    if stream:
        text = "".join(part.message.content or "" for part in client.chat(model="auto", messages=SAID, stream=True))
        assert text == ("def " if fault.after else "") + "Hello world"
    else:
        assert client.chat(model="auto", messages=SAID).message.content == "Hello world"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
def test_a_cut_answer_never_ends_as_if_complete(client: theirs.Client, ollama: FakeOllama, fault: Fault, code: str, stream: bool) -> None:
    ollama.models[CODER].faults += [fault, fault]
    done: list[bool | None] = []

    def ask() -> None:
        answer = client.chat(model=CODER, messages=SAID, stream=stream)  # type: ignore[call-overload]  # by a variable
        done.extend(part.done for part in (answer if stream else (answer,)))

    with pytest.raises(theirs.ResponseError):
        ask()
    assert True not in done
