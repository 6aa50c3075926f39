"""Sessions over HTTP: the model of a conversation, the journal's sessions, and what memory keeps of
an agent's turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from tests.conftest import CODER, LLAMA, ROOM
from tests.support.fake_ollama import FakeOllama
from tests.support.http_server import served

Messages = list[dict[str, Any]]
post, get = partial(httpx.post, timeout=60), partial(httpx.get, timeout=60)
CODE, STORY = "Write a Python function that sorts a list", "Tell me a story about the sea"
KEYS = {"laptop": "k" * 20, "phone": "p" * 20}
TOOL = {
    "type": "function",
    "function": {"name": "read", "description": "Reads", "parameters": {"type": "object"}},
}
UUID = "9b2c7f10-3d4e-4f5a-8b6c-7d8e9f0a1b2c"


@pytest.fixture
def url(ollama: FakeOllama, home: Path) -> Iterator[str]:
    """A server with two loaded models, neither ever so much better that a conversation leaves its
    own."""
    for model in ollama.models.values():
        model.capabilities = ["completion", "tools"]
        ollama.resident[model.full_name] = 8_192
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text(f"{ROOM}session_margin: 1\n")
    with served() as there:
        yield there


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def turn(question: str, answer: str, next_question: str) -> Messages:
    return [user(question), {"role": "assistant", "content": answer}, user(next_question)]


def chat(url: str, messages: Messages, **headers: str) -> httpx.Response:
    reply = post(f"{url}/v1/chat/completions", json={"messages": messages}, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply


def runs(url: str) -> list[dict[str, Any]]:
    """The recorded runs, oldest first."""
    listed: list[dict[str, Any]] = get(f"{url}/orch/runs").json()["runs"]
    return listed[::-1]


def sessions(url: str) -> list[str]:
    return [row["session"] for row in runs(url)]


def test_a_conversation_stays_with_its_model_while_its_instructions_change(url: str) -> None:
    alone = chat(url, [user(STORY)]).headers["x-orch-model"]
    answer = chat(url, [{"role": "system", "content": "It is Monday."}, user(CODE)])
    text = answer.json()["choices"][0]["message"]["content"]
    later = chat(url, [{"role": "system", "content": "It is Tuesday."}, *turn(CODE, text, STORY)])
    assert (alone, answer.headers["x-orch-model"], later.headers["x-orch-model"]) == (
        LLAMA,
        CODER,
        CODER,
    )
    first, second, third = sessions(url)
    assert first != second == third


def test_strangers_with_the_same_preamble_share_neither_session_nor_model(url: str) -> None:
    preamble = turn("These are my files.", "Ok.", "")[:2]
    one = chat(url, [*preamble, user(CODE)])
    other = chat(url, [*preamble, user(STORY)])
    assert [each.headers["x-orch-model"] for each in (one, other)] == [CODER, LLAMA]
    assert len(set(sessions(url))) == 2


@pytest.mark.parametrize(
    "header",
    [
        "x-orch-session",
        "x-session-affinity",
        "x-session-id",
        "session-id",
        "X-Claude-Code-Session-Id",
        "X-OpenWebUI-Chat-Id",
    ],
)
def test_a_clients_own_id_keeps_the_model_whatever_it_sends(url: str, header: str) -> None:
    models = [
        chat(url, [user(text)], **{header: name}).headers["x-orch-model"]
        for name, text in (("s1", CODE), ("s1", STORY), ("s2", STORY))
    ]
    assert models == [CODER, CODER, LLAMA]
    assert sessions(url) == ["s1", "s1", "s2"]


def openai_chat(url: str, text: str) -> httpx.Response:
    return post(
        f"{url}/v1/chat/completions", json={"messages": [user(text)], "prompt_cache_key": UUID}
    )


def responses(url: str, text: str) -> httpx.Response:
    body = {"input": text, "prompt_cache_key": UUID}
    return post(f"{url}/v1/responses", json=body)


def completions(url: str, text: str) -> httpx.Response:
    body = {"prompt": text, "prompt_cache_key": UUID}
    return post(f"{url}/v1/completions", json=body)


def with_header(path: str, **body: Any) -> Callable[[str, str], httpx.Response]:
    def send(url: str, text: str) -> httpx.Response:
        filled = {name: text if value == "TEXT" else value for name, value in body.items()}
        if "messages" in filled:
            filled["messages"] = [user(text)]
        return post(f"{url}{path}", json=filled, headers={"x-session-id": "s1"})

    return send


@pytest.mark.parametrize(
    "send",
    [
        openai_chat,
        responses,
        completions,
        with_header("/v1/messages", model="auto", max_tokens=100, messages=[]),
        with_header("/api/chat", stream=False, messages=[]),
        with_header("/api/generate", stream=False, prompt="TEXT"),
    ],
    ids=["chat", "responses", "completions", "anthropic", "ollama chat", "ollama generate"],
)
def test_every_api_has_sessions(url: str, send: Callable[[str, str], httpx.Response]) -> None:
    models = []
    for text in (CODE, STORY):
        reply = send(url, text)
        assert reply.status_code == 200, reply.text
        models.append(reply.headers["x-orch-model"])
    assert models == [CODER, CODER]
    assert len(set(sessions(url))) == 1


def test_a_chain_of_responses_is_one_session(url: str) -> None:
    first = post(f"{url}/v1/responses", json={"input": CODE}).json()
    chained = {"input": STORY, "previous_response_id": first["id"]}
    second = post(f"{url}/v1/responses", json=chained)
    third = {"input": "And then?", "previous_response_id": second.json()["id"]}
    post(f"{url}/v1/responses", json=third).raise_for_status()
    post(f"{url}/v1/responses", json={"input": CODE}).raise_for_status()
    assert second.headers["x-orch-model"] == CODER
    names = sessions(url)
    assert names[0] == names[1] == names[2] != names[3]


def test_two_keys_never_share_a_session(ollama: FakeOllama, home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text(f"{ROOM}session_margin: 1\n")
    with served(Rules(keys=ApiKeys([*KEYS.items()]))) as url:
        for header in ({}, {"x-orch-session": "s1"}):
            for key in KEYS.values():
                secret = {"authorization": f"Bearer {key}"}
                for messages in ([user("hi")], turn("hi", "Hello world", "Why?")):
                    chat(url, messages, **header, **secret)
        listed = get(f"{url}/orch/runs", headers=secret).json()["runs"]
    by_session: dict[str, set[str]] = {}
    for row in listed:
        by_session.setdefault(row["session"], set()).add(row["client"])
    clients = sorted(next(iter(each)) for each in by_session.values() if len(each) == 1)
    assert clients == ["laptop", "laptop", "phone", "phone"]


def test_conversations_of_clients_are_not_the_persons_own(url: str, ollama: FakeOllama) -> None:
    own = {"text": "hi", "session": "talk"}
    post(f"{url}/orch/run", json=own).raise_for_status()
    chat(url, [user(CODE)], **{"x-orch-session": "talk"})
    again = post(f"{url}/orch/run", json={"text": "go on", "carry_on": True})
    again.raise_for_status()
    assert sessions(url) == ["talk"] * 3
    texts = [message["content"] for message in ollama.chats()[-1].body["messages"]]
    assert ("hi" in texts, CODE in texts, texts[-1]) == (True, False, "go on")


def test_a_request_with_messages_gets_no_turns_of_the_journal(url: str, ollama: FakeOllama) -> None:
    for _ in range(2):
        chat(url, [user(CODE)], **{"x-orch-session": "s1"})
    assert [len(asked.body["messages"]) for asked in ollama.chats()] == [1, 1]


# ---------------------------------------------------------------- an agent's turn


def test_the_steps_of_a_turn_are_one_entry_of_memory(url: str, ollama: FakeOllama) -> None:
    """With reminders in the user's name behind the results, as agents send them."""
    for model in ollama.models.values():
        model.tool_calls = [{"function": {"name": "read", "arguments": {}}}]
        model.calls_once_offered = True
    reminder = "<system-reminder>The list of tasks is empty.</system-reminder>"
    messages: Messages = [user(reminder + CODE)]
    for step in range(3):
        body = {"messages": messages, "tools": [TOOL]}
        if step == 2:  # the fake calls no tool once it has a result
            ollama.models[CODER].tool_calls = []
        answer = post(f"{url}/v1/chat/completions", json=body).json()
        said = answer["choices"][0]["message"]
        messages.append(said)
        for call in said.get("tool_calls", ()):
            messages += [
                {"role": "tool", "tool_call_id": call["id"], "content": f"# result {step}"},
                user(reminder),
            ]
        if step == 0:
            ollama.models[CODER].calls_once_offered = False
    rows = runs(url)
    assert [row["task"] for row in rows] == [CODE] * 3
    assert [row["remember"] for row in rows] == [0, 0, 1]
    assert len({(row["session"], row["task_type"], row["model"]) for row in rows}) == 1
    found = post(f"{url}/orch/memory/list", json={"k": 10}).json()["result"]["memories"]
    assert [row["id"] for row in found] == [rows[2]["run_id"]]
    assert rows[2]["answer"] == "def f(): pass"
