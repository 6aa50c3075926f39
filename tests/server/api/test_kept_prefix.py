"""What reaches a model's server at a turn begins with what reached it at the turn before, byte for
byte, whichever API the client speaks: else the server reads it all anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.http_server import served

Json = dict[str, Any]
MODEL = "worker:7b"
SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "depth": {"type": "integer"}, "all": {}},
    "required": ["path"],
}
CALL = {"function": {"name": "list_files", "arguments": {"path": "src", "depth": 2, "all": True}}}
SYSTEM = "You work in a repository. Today is Monday."
QUESTIONS = ("What is in src?", "Which of them is the largest?", "And the newest?")
RESULT = "a.py\nb.py"
OPENAI_TOOLS: list[Json] = [
    {"type": "function", "function": {"name": name, "description": name, "parameters": SCHEMA}}
    for name in ("read_file", "list_files", "apply")
]


class Session:
    """A client in a conversation: `messages` as it repeats them at each turn. It says a question,
    then answers each call of a tool with a result."""

    path = ""

    def __init__(self, url: str) -> None:
        self.url, self.turn = url, 0
        self.messages: list[Json] = []

    def body(self) -> Json:
        raise NotImplementedError

    def add_question(self, text: str) -> None:
        raise NotImplementedError

    def add_answer(self, answer: Json) -> bool:
        """Repeats an answer; returns whether it called tools, whose results are added."""
        raise NotImplementedError

    def ask(self, question: str) -> None:
        self.add_question(question)
        for _ in range(3):
            self.turn += 1
            answer = httpx.post(f"{self.url}{self.path}", json=self.body(), timeout=30)
            assert answer.status_code == 200, answer.text
            if not self.add_answer(answer.json()):
                return


class OpenAIChat(Session):
    """As the SDK of OpenAI has it, thoughts included."""

    path = "/v1/chat/completions"

    def body(self) -> Json:
        system = {"role": "system", "content": SYSTEM}
        return {"model": MODEL, "messages": [system, *self.messages], "tools": OPENAI_TOOLS}

    def add_question(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def add_answer(self, answer: Json) -> bool:
        message = answer["choices"][0]["message"]
        self.messages.append(message)
        calls = message.get("tool_calls") or ()
        self.messages += (
            {"role": "tool", "tool_call_id": call["id"], "content": RESULT} for call in calls
        )
        return bool(calls)


class Responses(Session):
    """As Codex has it: items, and the whole conversation at each turn."""

    path = "/v1/responses"

    def body(self) -> Json:
        tools = [{"type": "function", **each["function"]} for each in OPENAI_TOOLS]
        return {
            "model": MODEL,
            "instructions": SYSTEM,
            "input": self.messages,
            "tools": tools,
            "store": False,
            "prompt_cache_key": "session",
        }

    def add_question(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        self.messages.append({"type": "message", "role": "user", "content": content})

    def add_answer(self, answer: Json) -> bool:
        self.messages += answer["output"]
        calls = [each for each in answer["output"] if each["type"] == "function_call"]
        self.messages += (
            {"type": "function_call_output", "call_id": call["call_id"], "output": RESULT}
            for call in calls
        )
        return bool(calls)


class Anthropic(Session):
    """As Claude Code has it: a billing line that differs at each turn, and a mark for the cache
    that moves on with the conversation."""

    path = "/v1/messages"

    def body(self) -> Json:
        billing = f"x-anthropic-billing-header: cc_version=2.1; cch={self.turn:05x};"
        marked = [*self.messages[:-1], self._marked(self.messages[-1])]
        tools = [
            {"name": tool["name"], "description": tool["name"], "input_schema": SCHEMA}
            for tool in (each["function"] for each in OPENAI_TOOLS)
        ]
        return {
            "model": MODEL,
            "max_tokens": 500,
            "system": [{"type": "text", "text": billing}, {"type": "text", "text": SYSTEM}],
            "messages": marked,
            "tools": tools,
            "metadata": {"user_id": f"turn-{self.turn}"},
        }

    def _marked(self, message: Json) -> Json:
        *before, last = message["content"]
        return {**message, "content": [*before, {**last, "cache_control": {"type": "ephemeral"}}]}

    def add_question(self, text: str) -> None:
        self.messages.append({"role": "user", "content": [{"type": "text", "text": text}]})

    def add_answer(self, answer: Json) -> bool:
        self.messages.append({"role": "assistant", "content": answer["content"]})
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": RESULT}
            for block in answer["content"]
            if block["type"] == "tool_use"
        ]
        if results:
            self.messages.append({"role": "user", "content": results})
        return bool(results)


class Ollama(Session):
    """As Ollama's own client has it: calls without ids, results by the tool's name."""

    path = "/api/chat"

    def body(self) -> Json:
        system = {"role": "system", "content": SYSTEM}
        messages = [system, *self.messages]
        return {"model": MODEL, "messages": messages, "tools": OPENAI_TOOLS, "stream": False}

    def add_question(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def add_answer(self, answer: Json) -> bool:
        message = answer["message"]
        self.messages.append(message)
        calls = message.get("tool_calls") or ()
        self.messages += (
            {"role": "tool", "tool_name": call["function"]["name"], "content": RESULT}
            for call in calls
        )
        return bool(calls)


FRONTS: tuple[type[Session], ...] = (OpenAIChat, Responses, Anthropic, Ollama)


@pytest.fixture(params=["ollama", "openai"])
def orch_before(request: pytest.FixtureRequest, home: Path) -> Iterator[tuple[str, FakeOllama]]:
    """A server before a model that thinks, calls a tool and answers; over Ollama's own API, or
    over OpenAI's, as llama-server is asked."""
    model = FakeModel(
        MODEL,
        reply=["There are ", "two files."],
        thinking=["First ", "I look."],
        tool_calls=[CALL],
        capabilities=["completion", "tools", "thinking"],
    )
    home.mkdir(exist_ok=True)
    with FakeOllama([model]) as fake:
        providers = {"own": {"kind": request.param, "base_url": fake.url}}
        own = [{"id": MODEL, "provider": "own", "context_window": 32_768}]
        (home / "models.yaml").write_text(json.dumps({"providers": providers, "models": own}))
        (home / "routing.yaml").write_text("version: 1\nmemory_budget_gb: 100\n")
        with served() as url:
            yield url, fake


def conversation(fake: FakeOllama) -> list[Json]:
    """The bodies of all chats, in order."""
    return [request.body for request in fake.chats()]


def encoded(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def assert_grows(bodies: Sequence[Json], what: Callable[[Json], list[Any]]) -> None:
    texts = [encoded(what(body)).removesuffix("]") for body in bodies]
    for before, after in pairwise(texts):
        assert after.startswith(before)
        assert len(after) > len(before)


@pytest.mark.parametrize("front", FRONTS, ids=[each.__name__ for each in FRONTS])
def test_each_turn_begins_with_the_bytes_of_the_turn_before(
    orch_before: tuple[str, FakeOllama], front: type[Session]
) -> None:
    url, fake = orch_before
    session = front(url)
    for question in QUESTIONS:
        session.ask(question)
    bodies = conversation(fake)
    assert len(bodies) == 2 * len(QUESTIONS)  # a call and an answer for each question
    assert_grows(bodies, lambda body: body["messages"])
    rest = [{key: body[key] for key in body if key != "messages"} for body in bodies]
    assert {encoded(each.get("tools")) for each in rest} == {encoded(OPENAI_TOOLS)}
    assert bodies[0]["messages"][0] == {"role": "system", "content": SYSTEM}
    sizes = {encoded((each.get("options") or {}).get("num_ctx")) for each in rest}
    assert len(sizes) == 1  # another context would load the model anew
