"""What reaches clients of the three APIs, streamed and whole, of the answers in the cases: a real
`orch serve` in front of a scripted server, both on real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import anthropic
import httpx
import openai

from tests.evals.tool_call_cases.scripted_server import MODEL, SECOND, ScriptedServer
from tests.evals.tool_call_cases.verdicts import (
    Case,
    Json,
    Verdict,
    is_same,
    read_arguments,
    read_calls,
)
from tests.support.http_server import served

MODELS = """version: 1
unlisted: use
providers:
  scripted: {{kind: openai, base_url: "{url}"}}
models: [{{id: scripted, provider: scripted, context_window: 32768}}]
"""
ROUTING = "version: 1\ncache: {{mode: 'off'}}\ntool_calls: {tool_calls}\n"


@dataclass(frozen=True, slots=True)
class Received:
    """Text and calls as a client has them, the arguments read."""

    text: str
    calls: list[tuple[str, Any]]


Ask = Callable[[str, str, list[Json], bool], Received]
"""URL, prompt, tools in OpenAI's form, and whether to stream."""


def is_sendable(case: Case) -> bool:
    """Whether the answer has a form on the wire that is this case: an answer must not be empty, and
    thinking is taken out of the text on other grounds."""
    return bool(case.text or case.calls) and "<think>" not in case.text


def through_all_clients(cases: Iterable[Case], tool_calls: str = "checked") -> dict[str, Any]:
    """The verdicts over all clients, streamed and whole, and the requests behind each kind."""
    sendable = [case for case in cases if is_sendable(case)]
    wrong: list[str] = []
    missed: list[str] = []
    right = 0
    with (
        ScriptedServer(sendable) as server,
        orch_home(MODELS.format(url=server.url), tool_calls),
        served() as url,
    ):
        for case in sendable:
            for label, ask, stream in WAYS:
                verdict = arrival(case, server, ask, url, label, stream)
                right += verdict == "right"
                if verdict != "right":
                    (wrong if verdict == "wrong" else missed).append(f"{case.id} {label}")
    n = len(sendable) * len(WAYS)
    return {"n": n, "right": right, "wrongly_touched": wrong, "missed": missed}


def arrival(
    case: Case, server: ScriptedServer, ask: Ask, url: str, label: str, stream: bool
) -> Verdict:
    """What reached one client, judged."""
    prompt = f"{case.id} {label}"
    received = ask(url, prompt, case.tools, stream)
    return judge(case, received, server.asked[prompt])


def judge(case: Case, received: Received, requests: int) -> Verdict:
    """What a client received, after so many requests to the model."""
    unchanged = received.text == case.text and is_same(received.calls, read_calls(case.calls))
    if case.outcome == "ask_again":
        if requests > 1 and received == Received(SECOND, []):
            return "right"
        return "missed" if unchanged and requests == 1 else "wrong"
    rest = case.text if case.rest is None else case.rest
    arrived = is_same(received.calls, case.expected) and received.text.strip() == rest.strip()
    if arrived and requests == 1:
        return "right"
    asked_again = case.outcome == "repaired" and requests > 1
    return "missed" if asked_again or (unchanged and case.outcome == "repaired") else "wrong"


@contextlib.contextmanager
def orch_home(models: str, tool_calls: str) -> Iterator[None]:
    """An ORCH_HOME with these models and that setting, which is the working folder, too."""
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "models.yaml").write_text(models)
        (Path(home) / "routing.yaml").write_text(ROUTING.format(tool_calls=tool_calls))
        here = {"ORCH_HOME": home, "OLLAMA_HOST": "127.0.0.1:1"}
        with mock.patch.dict(os.environ, here), contextlib.chdir(home):
            yield


# ---------------------------------------------------------------- the clients


def _openai(url: str, prompt: str, tools: list[Json], stream: bool) -> Received:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=30) as client:
        body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": prompt}]}
        if tools:
            body["tools"] = tools
        if stream:
            return _openai_stream(client.chat.completions.create(**body, stream=True))
        message = client.chat.completions.create(**body).choices[0].message
    calls = [(each.function.name, each.function.arguments) for each in message.tool_calls or []]
    return Received(message.content or "", [(name, read_arguments(text)) for name, text in calls])


def _openai_stream(chunks: Any) -> Received:
    text = ""
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or []:
                names[call.index] = names.get(call.index) or call.function.name
                given = arguments.get(call.index, "")
                arguments[call.index] = given + (call.function.arguments or "")
    return Received(
        text, [(names[at] or "", read_arguments(arguments[at])) for at in sorted(names)]
    )


def _anthropic(url: str, prompt: str, tools: list[Json], stream: bool) -> Received:
    body: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": prompt}],
    }
    if tools:
        body["tools"] = [_for_anthropic(each["function"]) for each in tools]
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=30) as client:
        if stream:
            with client.messages.stream(**body) as events:
                message: Any = events.get_final_message()
        else:
            message = client.messages.create(**body)
    text = "".join(each.text for each in message.content if each.type == "text")
    calls = [(each.name, each.input) for each in message.content if each.type == "tool_use"]
    return Received(text, calls)


def _for_anthropic(function: Json) -> Json:
    schema = function.get("parameters") or {"type": "object"}
    said = function.get("description", "")
    return {"name": function["name"], "description": said, "input_schema": schema}


def _ollama(url: str, prompt: str, tools: list[Json], stream: bool) -> Received:
    """Without Ollama's own package, which leaves out parts of a schema that it does not know."""
    body: Json = {"model": MODEL, "messages": [{"role": "user", "content": prompt}]}
    body |= {"stream": stream} | ({"tools": tools} if tools else {})
    answer = httpx.post(f"{url}/api/chat", json=body, timeout=30, trust_env=False)
    answer.raise_for_status()
    messages = [json.loads(line)["message"] for line in answer.text.splitlines()]
    calls = [call["function"] for each in messages for call in each.get("tool_calls") or []]
    text = "".join(each.get("content") or "" for each in messages)
    return Received(text, [(each["name"], each["arguments"]) for each in calls])


CLIENTS: dict[str, Ask] = {"openai": _openai, "anthropic": _anthropic, "ollama": _ollama}
WAYS = [
    (f"{name} {'streamed' if stream else 'whole'}", ask, stream)
    for name, ask in CLIENTS.items()
    for stream in (False, True)
]
