"""Ollama's API, by Ollama's own client over a real socket."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import ollama as theirs
import pytest

from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.faults import FAULTS, NAMES
from tests.support.guarded_app import becomes_true

TASK = "Write a Python function that sorts a list"
MESSAGES = [{"role": "user", "content": TASK}]
CALL = {"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}


@pytest.fixture
def client(url: str) -> Iterator[theirs.Client]:
    client = theirs.Client(host=url, headers={"x-orch-timeout": "1.5"})
    yield client
    client._client.close()  # it has no method for it


def test_auto_chats(client: theirs.Client) -> None:
    answer = client.chat(model="auto", messages=MESSAGES)
    assert (answer.model, answer.message.content, answer.done, answer.done_reason) == (
        CODER,
        "def f(): pass",
        True,
        "stop",
    )
    assert answer.eval_count == 3


def test_a_stream_ends_with_done(client: theirs.Client) -> None:
    parts = list(client.chat(model="auto:coding", messages=MESSAGES, stream=True))
    assert "".join(part.message.content or "" for part in parts) == "def f(): pass"
    assert [part.done for part in parts][-2:] == [False, True]


def test_generate_answers_a_prompt(client: theirs.Client) -> None:
    assert client.generate(model=LLAMA, prompt="hello").response == "Hello world"
    assert (
        "".join(
            part.response or ""
            for part in client.generate(model=LLAMA, prompt="hello", stream=True)
        )
        == "Hello world"
    )


def test_options_and_what_orch_does_not_know_reach_the_model(
    client: theirs.Client, ollama: FakeOllama
) -> None:
    client.chat(
        model=CODER,
        messages=MESSAGES,
        options={"temperature": 0.5, "mirostat": 1},
        keep_alive="7m",
        think=False,
    )
    sent = ollama.chats()[-1].body
    assert (sent["options"]["mirostat"], sent["keep_alive"], sent["think"]) == (1, "7m", False)


def test_tools_are_passed_on(client: theirs.Client, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("caller", capabilities=["completion", "tools"], tool_calls=[CALL]))
    tools = [
        {
            "type": "function",
            "function": {
                "name": "add",
                "description": "adds",
                "parameters": {"type": "object", "properties": {}},
            },
        }
    ]
    calls = client.chat(model="auto", messages=MESSAGES, tools=tools).message.tool_calls or []
    assert [(call.function.name, dict(call.function.arguments)) for call in calls] == [
        ("add", {"a": 1, "b": 2})
    ]


def test_a_model_is_loaded_for_as_long_as_is_asked(
    client: theirs.Client, ollama: FakeOllama
) -> None:
    client.generate(model=LLAMA, keep_alive=-1)
    assert [
        each.body["keep_alive"] for each in ollama.requests if each.path == "/api/generate"
    ] == [-1]


def test_a_request_without_a_prompt_loads_the_model(
    client: theirs.Client, ollama: FakeOllama
) -> None:
    assert client.generate(model=LLAMA).done_reason == "load"
    assert LLAMA in ollama.resident
    assert client.generate(model=LLAMA, keep_alive=0).done_reason == "unload"
    assert LLAMA not in ollama.resident


def unloads(ollama: FakeOllama) -> list[Any]:
    """The models that the provider was told to unload."""
    return [
        each.body["model"]
        for each in ollama.requests
        if each.path == "/api/generate" and each.body.get("keep_alive") == 0
    ]


@pytest.mark.parametrize(
    "path",
    [
        "api/chat",
        "api/generate",
        "v1/chat/completions",
        "v1/completions",
        "api/embed",
        "v1/embeddings",
    ],
)
@pytest.mark.parametrize(
    ("field", "keep_alive"), [("keep_alive", 0), ("keep_alive", "0s"), ("Keep_Alive", 0)]
)
def test_a_model_is_unloaded_after_its_answer_if_not_needed(
    url: str, ollama: FakeOllama, path: str, field: str, keep_alive: Any
) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    model = "nomic:latest" if "embed" in path else CODER
    body = {
        "model": model,
        "messages": MESSAGES,
        "prompt": TASK,
        "input": TASK,
        field: keep_alive,
    }
    assert httpx.post(f"{url}/{path}", json=body).status_code == 200
    ollama.wait_for(lambda: unloads(ollama) == [model] and model not in ollama.resident)
    assert all(
        field not in each.body
        for each in ollama.requests
        if each.path in ("/api/chat", "/api/embed")
    )


def test_a_model_used_by_others_stays_loaded(client: theirs.Client, ollama: FakeOllama) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 10_000, 0.02
    stream: Any = client.chat(model=CODER, messages=MESSAGES, stream=True)
    with closing(stream) as others:
        next(others)
        answer = client.chat(
            model=CODER, messages=MESSAGES, options={"num_predict": 1}, keep_alive=0
        )
        assert (answer.done, client.generate(model=CODER, keep_alive=0).done_reason) == (
            True,
            "load",
        )
        assert (unloads(ollama), CODER in ollama.resident) == ([], True)
    assert becomes_true(lambda: client.generate(model=CODER, keep_alive=0).done_reason == "unload")
    assert CODER not in ollama.resident


FIM = "<|fim_prefix|>def f(<|fim_suffix|>return 1<|fim_middle|>"


def raw_answer(url: str, **fields: Any) -> httpx.Response:
    return httpx.post(f"{url}/api/generate", json={"stream": False, **fields})


def generated(ollama: FakeOllama) -> list[dict[str, Any]]:
    """The bodies by which the fake was asked to complete a prompt."""
    asked = (each.body for each in ollama.requests if each.path == "/api/generate")
    return [body for body in asked if body.get("prompt")]


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"prompt": " x", "raw": True}, {"prompt": " x", "raw": True}),
        ({"prompt": "a", "suffix": "b"}, {"prompt": "a", "suffix": "b"}),
        ({"prompt": "a", "context": [1, 2]}, {"prompt": "a", "context": [1, 2]}),
        ({"prompt": FIM}, {"prompt": FIM, "raw": True}),
        (
            {"prompt": "a", "template": "T {{ .Prompt }}", "system": "S"},
            {"prompt": "a", "template": "T {{ .Prompt }}", "system": "S"},
        ),
        (
            {"prompt": "a", "raw": True, "images": ["iVB="]},
            {"prompt": "a", "raw": True, "images": ["iVB="]},
        ),
    ],
    ids=str,
)
def test_a_raw_prompt_reaches_a_named_model_untouched(
    url: str, ollama: FakeOllama, fields: dict[str, Any], sent: dict[str, Any]
) -> None:
    capabilities = ["completion", "insert", "vision"]
    ollama.add(FakeModel("filler:1b", reply=[" ", "<think>", "\n"], capabilities=capabilities))
    options = {"num_predict": 9, "temperature": 0.5}
    answer = raw_answer(url, model="filler:1b", options=options, **fields)
    assert (answer.status_code, answer.json()["response"]) == (200, " <think>\n")
    (body,) = generated(ollama)
    names = ("prompt", "suffix", "raw", "template", "context", "system", "images", "messages")
    assert {name: body[name] for name in names if name in body} == sent
    assert (body["options"]["num_predict"], body["options"]["temperature"]) == (9, 0.5)
    assert not ollama.chats()


def test_a_raw_prompt_is_journaled_and_not_remembered(url: str, ollama: FakeOllama) -> None:
    answer = raw_answer(url, model=CODER, prompt="def f(", raw=True)
    run = httpx.get(f"{url}/orch/runs/{answer.headers['x-orch-run-id']}").json()["run"]
    assert (run["status"], run["model"], run["task"]) == ("ok", CODER, "def f(")
    assert (run["answer"], run["face"]) == ("def f(): pass", "ollama")
    hits = httpx.post(f"{url}/orch/memory/list", json={}).json()
    assert "def f(" not in str(hits)


def test_a_raw_prompt_may_have_an_empty_answer(url: str, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("silent:1b", reply=[]))
    for stream in (False, True):
        answer = raw_answer(url, model="silent:1b", prompt="x", raw=True, stream=stream)
        last = json.loads(answer.text.splitlines()[-1])
        assert (answer.status_code, last["response"], last["done"]) == (200, "", True)


def test_no_other_model_fills_gaps(url: str, ollama: FakeOllama) -> None:
    refused = raw_answer(url, model="auto", prompt="def f(", suffix="return 1")
    assert (refused.status_code, "insert" in refused.json()["error"]) == (400, True)
    assert generated(ollama) == []


def test_a_model_that_fills_gaps_is_chosen(url: str, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("filler:1b", capabilities=["completion", "insert"]))
    for fields in ({"prompt": "def f(", "suffix": "return 1"}, {"prompt": FIM}):
        assert raw_answer(url, model="auto", **fields).json()["model"] == "filler:1b"
        sent = generated(ollama)[-1]
        assert (sent["prompt"], sent["suffix"], "raw" in sent) == ("def f(", "return 1", False)
    assert raw_answer(url, model="auto:coding", prompt="x", raw=True).json()["model"] == "filler:1b"
    assert not ollama.chats()
    assert raw_answer(url, model="auto", prompt="x").status_code == 200
    assert len(ollama.chats()) == 1


def test_the_servers_own_refusal_arrives(url: str, ollama: FakeOllama) -> None:
    answer = raw_answer(url, model=CODER, prompt="def f(", suffix="return 1")
    assert (answer.status_code, "does not support insert" in answer.json()["error"]) == (400, True)
    assert "name auto" in answer.json()["error"]


@pytest.mark.parametrize(
    "field", [{"raw": "yes"}, {"suffix": 1}, {"template": []}, {"context": ["a"]}], ids=str
)
def test_a_raw_field_of_a_wrong_type_is_named(
    url: str, ollama: FakeOllama, field: dict[str, Any]
) -> None:
    answer = raw_answer(url, model=CODER, prompt=TASK, **field)
    assert (answer.status_code, next(iter(field)) in answer.json()["error"]) == (400, True)
    assert generated(ollama) == []


def test_empty_fields_are_ignored(url: str, ollama: FakeOllama) -> None:
    empty = {"raw": False, "suffix": "", "template": "", "system": "", "context": []}
    answer = httpx.post(
        f"{url}/api/generate", json={"model": CODER, "prompt": TASK, "stream": False, **empty}
    )
    assert answer.json()["response"] == "def f(): pass"
    assert not empty.keys() & ollama.chats()[-1].body.keys()


def test_names_of_fields_are_read_in_any_case(url: str, ollama: FakeOllama) -> None:
    """As Go reads JSON."""
    asked = {"MODEL": CODER, "Prompt": TASK, "Stream": False, "Options": {"num_predict": 9}}
    answer = httpx.post(f"{url}/api/generate", json=asked).json()
    assert answer["response"] == "def f(): pass"
    assert ollama.chats()[-1].body["options"]["num_predict"] == 9
    unload = {"model": CODER, "Keep_Alive": 0}
    assert becomes_true(
        lambda: httpx.post(f"{url}/api/generate", json=unload).json()["done_reason"] == "unload"
    )
    assert CODER not in ollama.resident


def test_names_of_the_fields_of_messages_are_read_in_any_case(url: str, ollama: FakeOllama) -> None:
    asked = {"model": CODER, "messages": [{"Role": "user", "Content": TASK}], "stream": False}
    assert httpx.post(f"{url}/api/chat", json=asked).status_code == 200
    assert ollama.chats()[-1].body["messages"] == [{"role": "user", "content": TASK}]
    asked["messages"] = [{"role": "user", "content": TASK, "Images": ["aGk="]}]
    refused = httpx.post(f"{url}/api/chat", json=asked)
    assert "vision" in refused.json()["error"]


def test_texts_are_embedded_by_a_model_that_embeds(
    client: theirs.Client, ollama: FakeOllama
) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    assert len(client.embed(model="nomic", input=["a", "b"]).embeddings) == 2
    with pytest.raises(theirs.ResponseError, match="does not embed"):
        client.embed(model=LLAMA, input="a")
    with pytest.raises(theirs.ResponseError, match="model 'nope' not found"):
        client.embed(model="nope", input="a")


def test_no_text_to_embed_loads_the_model(client: theirs.Client, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    assert (
        client.embed(model="nomic", input=[]).embeddings,
        "nomic:latest" in ollama.resident,
    ) == ([], True)


def test_the_legacy_endpoint_embeds_one_text(client: theirs.Client, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    assert len(client.embeddings(model="nomic", prompt="a").embedding) == 8


def test_the_legacy_endpoint_gives_the_digits_of_64_bits(url: str, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    short = httpx.post(f"{url}/api/embed", json={"model": "nomic", "input": "a"}).json()
    long = httpx.post(f"{url}/api/embeddings", json={"model": "nomic", "prompt": "a"}).json()
    assert short["model"] == "nomic"
    vectors = short["embeddings"][0], long["embedding"]
    assert all(struct.pack("f", a) == struct.pack("f", b) for a, b in zip(*vectors, strict=True))
    assert all(b == struct.unpack("f", struct.pack("f", b))[0] for b in vectors[1])


def test_a_message_of_an_unknown_role_reaches_the_model(
    client: theirs.Client, ollama: FakeOllama
) -> None:
    messages = [{"role": "narrator", "content": "It rains"}, *MESSAGES]
    assert client.chat(model=CODER, messages=messages).message.content
    assert "It rains" in str(ollama.chats()[0].body["messages"])


def test_an_unreachable_provider_is_reported(client: theirs.Client, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    assert client.embed(model="nomic", input="a").embeddings
    ollama.stop()
    with pytest.raises(theirs.ResponseError) as refused:
        client.embed(model="nomic", input="a")
    assert refused.value.status_code == 503


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "nope", "messages": MESSAGES}, 404),
        ({"model": CODER, "messages": [{"role": "", "content": "x"}]}, 400),
        ({"model": CODER, "messages": MESSAGES, "stream": "perhaps"}, 400),
        ({"model": CODER, "messages": MESSAGES, "format": "xml"}, 400),
        ({"model": "auto", "messages": [{**MESSAGES[0], "images": ["aGk="]}]}, 400),
        ({"model": CODER, "messages": [{**MESSAGES[0], "images": ["aGk="]}]}, 400),
        ([MESSAGES], 400),
    ],
)
def test_bad_input_gives_ollamas_error_and_reaches_no_model(
    url: str, ollama: FakeOllama, body: Any, status: int
) -> None:
    answer = httpx.post(f"{url}/api/chat", json=body)
    assert (answer.status_code, type(answer.json()["error"])) == (status, str)
    assert not ollama.chats()


def test_malformed_json_is_rejected(url: str) -> None:
    answer = httpx.post(f"{url}/api/chat", content=b'{"model":')
    assert (answer.status_code, "JSON" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize("path", ["chat", "generate"])
def test_null_fields_are_ignored(url: str, path: str) -> None:
    content = {"messages": MESSAGES} if path == "chat" else {"prompt": TASK}
    nothing = dict.fromkeys(
        ("stream", "options", "format", "keep_alive", "tools", "images", "system")
    )
    answer = httpx.post(f"{url}/api/{path}", json={**nothing, "model": CODER, **content})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert json.loads(answer.text.splitlines()[-1])["done"]


def test_thinking_is_separate_from_the_answer(client: theirs.Client, ollama: FakeOllama) -> None:
    ollama.models[CODER].thinking = ["Let me ", "see"]
    assert client.chat(model=CODER, messages=MESSAGES).message.thinking == "Let me see"
    assert (
        "".join(
            part.thinking or "" for part in client.generate(model=CODER, prompt=TASK, stream=True)
        )
        == "Let me see"
    )


@pytest.mark.parametrize(
    "form", ["json", {"type": "object", "properties": {"a": {"type": "integer"}}}]
)
def test_a_format_reaches_the_model_as_it_was(
    client: theirs.Client, ollama: FakeOllama, form: Any
) -> None:
    ollama.models[CODER].reply = ['{"a":', "1}"]
    assert client.chat(model=CODER, messages=MESSAGES, format=form).message.content == '{"a":1}'
    assert ollama.chats()[-1].body["format"] == form


def test_truncation_at_the_limit_is_reported(client: theirs.Client) -> None:
    assert (
        client.generate(model=CODER, prompt=TASK, options={"num_predict": 1}).done_reason
        == "length"
    )


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
def test_a_failure_falls_back_silently_until_something_was_sent(
    client: theirs.Client, ollama: FakeOllama, fault: Fault, code: str, stream: bool
) -> None:
    ollama.models[CODER].faults.append(fault)
    if stream:
        text = "".join(
            part.message.content or ""
            for part in client.chat(model="auto", messages=MESSAGES, stream=True)
        )
        assert text == ("def " if fault.after else "") + "Hello world"
    else:
        assert client.chat(model="auto", messages=MESSAGES).message.content == "Hello world"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
def test_an_interrupted_answer_never_ends_as_if_complete(
    client: theirs.Client, ollama: FakeOllama, fault: Fault, code: str, stream: bool
) -> None:
    ollama.models[CODER].faults += [fault, fault]
    done: list[bool | None] = []

    def ask() -> None:
        answer = client.chat(model=CODER, messages=MESSAGES, stream=stream)  # type: ignore[call-overload]  # by a variable
        done.extend(part.done for part in (answer if stream else (answer,)))

    with pytest.raises(theirs.ResponseError):
        ask()
    assert True not in done
