"""Replays recorded conversations against a real server in front of a scripted Ollama, and groups
the requests by the session that the journal has of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.clients.conversations.recorded_posts import Json, filled
from tests.clients.scene import ANSWER
from tests.support.fake_ollama import FakeModel

RECORDED = Path(__file__).parent / "recorded"
NAMES = sorted(path.stem for path in RECORDED.glob("*.jsonl"))
TOOL = "run"


@dataclass(frozen=True)
class Request:
    """A recorded request: its conversation, whether it stands beside it, what is sent, and what
    the model answers: a text with that number, and calls with those ids."""

    conversation: int
    beside: bool
    path: str
    headers: dict[str, str]
    body: Json
    number: int
    calls: tuple[str, ...]


class Session(NamedTuple):
    """What the journal has of a replayed request."""

    request: Request
    session: str
    task: str
    remember: bool


class Verdict(NamedTuple):
    """Requests, conversations, sessions that hold requests of two conversations, and conversations
    whose requests lie in two sessions."""

    requests: int
    conversations: int
    joined: int
    cut: int


def read(name: str) -> list[Request]:
    """The requests of a client, in order."""
    lines = map(json.loads, (RECORDED / f"{name}.jsonl").read_text("utf-8").splitlines())
    return [
        Request(
            line["conversation"],
            line["beside"],
            line["path"],
            line["headers"],
            filled(line["body"]),
            int(line.get("answer") or 1_000 + number),
            tuple(line.get("calls", ())),
        )
        for number, line in enumerate(lines, 1)
    ]


def without_ids(requests: Iterable[Request]) -> list[Request]:
    """The same as sent by a client that gives no ids."""
    bare = []
    for each in requests:
        body = {name: value for name, value in each.body.items() if name != "prompt_cache_key"}
        bare.append(Request(**{**vars(each), "headers": {}, "body": body}))
    return bare


def interleaved(requests: Sequence[Request]) -> list[Request]:
    """The conversations at the same time: a request of each in turn."""
    rows = [list(each) for _, each in itertools.groupby(requests, lambda r: r.conversation)]
    turns = itertools.zip_longest(*rows)
    return [request for turn in turns for request in turn if request is not None]


def replay(url: str, model: FakeModel, requests: Sequence[Request]) -> list[Session]:
    """Sends the requests one after the other; what the journal has of each."""
    for request in requests:
        model.reply = [*ANSWER, f" ({request.number})"]
        model.tool_calls = [
            {"id": f"call_{each}", "function": {"name": TOOL, "arguments": {}}}
            for each in request.calls
        ]
        _post(url, request)
    rows = httpx.get(f"{url}/orch/runs?limit=500", timeout=60).json()["runs"][::-1]
    return [
        Session(request, row["session"] or row["run_id"], row["task"], bool(row["remember"]))
        for request, row in zip(requests, rows[-len(requests) :], strict=True)
    ]


def _post(url: str, request: Request) -> None:
    tools = {"tools": [_tool(request.path)]} if request.calls else {}
    body = {**request.body, "stream": False, **tools}
    reply = httpx.post(f"{url}{request.path}", json=body, headers=request.headers, timeout=60)
    assert reply.status_code == 200, reply.text


def _tool(path: str) -> dict[str, Any]:
    """A tool in the form of each API."""
    schema = {"type": "object"}
    if path == "/v1/messages":
        return {"name": TOOL, "input_schema": schema}
    function = {"name": TOOL, "parameters": schema}
    if path == "/v1/responses":
        return {"type": "function", **function}
    return {"type": "function", "function": function}


def verdict(sessions: Sequence[Session]) -> Verdict:
    """Whether two conversations were joined, or one was cut in two. A request beside its
    conversation may have a session of its own, and never another's."""
    by_session: dict[str, set[int]] = {}
    by_conversation: dict[int, set[str]] = {}
    for each in sessions:
        by_session.setdefault(each.session, set()).add(each.request.conversation)
        if not each.request.beside:
            by_conversation.setdefault(each.request.conversation, set()).add(each.session)
    return Verdict(
        len(sessions),
        len(by_conversation),
        sum(len(each) > 1 for each in by_session.values()),
        sum(len(each) > 1 for each in by_conversation.values()),
    )


def questions(requests: Iterable[Request], asked: Sequence[Sequence[str]]) -> Iterator[str]:
    """The person's question at each request of the conversations themselves."""
    for request in requests:
        text = json.dumps(request.body)
        put = [question for question in asked[request.conversation] if question in text]
        yield put[-1]
