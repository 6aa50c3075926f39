"""Every operation of /openapi.json, called with valid and invalid requests: nothing fails, and each
API reports errors in its own form."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis import Case, HookContext
from schemathesis.config import SchemathesisConfig

from orch.memory.operations import OPERATIONS
from orch.server.api.documentation import openapi_document
from orch.server.api.routes import ROUTES
from orch.server.http.errors import http_error
from orch.types import TaskType
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama

EMBEDS = "embed:1"
MODELS = ["auto", "auto:coding", "auto:quality", CODER, LLAMA, EMBEDS]
CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {"deterministic": True, "max-examples": 30, "database": "none"},
        # nine operations in one
        "operations": [
            {"include-path": "/orch/memory/{name}", "generation": {"max-examples": 150}}
        ],
        "phases": {"stateful": {"enabled": False}},
        "request-timeout": 60,
        "checks": {
            # a form says less than its endpoint wants (no task in a valid body, one prompt and not
            # several), which no JSON schema says
            "positive_data_acceptance": {"enabled": False},
            # and takes more: what clients of Ollama leave out, numbers as texts, false for 0
            "negative_data_rejection": {"enabled": False},
        },
    }
)
API = schemathesis.openapi.from_dict(openapi_document(FastAPI()), config=CONFIG)
"""No operation is left out: home, memory and models are the test's own."""

MEANT: dict[str, list[Any]] = {
    "model": MODELS,
    "name": [CODER],
    "text": ["What is a mutex?"],
    "messages": [
        [{"role": "user", "content": "hi"}],
        [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    ],
    "system": ["be brief", [{"type": "text", "text": "be brief"}]],
    "thinking": [{"type": "enabled", "budget_tokens": 1024}, {"type": "disabled"}],
    "stop_sequences": [["END"]],
    "max_tokens": [-1, 0, 9],
    "prompt": ["hi"],
    "input": ["hi", ["one", "two"], [{"role": "user", "content": "hi"}]],
    "stream": [True, False],
    "options": [{}, {"temperature": 0, "num_predict": 5}],
    "tools": [[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]],
    "task_type": [*TaskType],
    "profile": ["balanced", "speed", "quality"],
    "dial": [0, 5.5, 10],
    "session": ["s", ""],
    "run_id": ["last"],
    "word": ["good", "bad"],
    "better": [LLAMA],
    "query": ["mutex"],
    "k": [0, 3, 2**62],
    "id": ["0", ""],
    "ids": [[], ["0"]],
    "texts": [[{"text": "the staging server is called nemo"}], []],
    "kind": ["coding"],
    "since": ["7d"],
    "before": ["1h"],
    "all": [True],
    "first": [1],
    "after": [0, 2**62],
}
"""Values that make sense, by field: random ones are refused too soon to get anywhere."""


@API.hook
def flatmap_case(context: HookContext, case: Case[Any]) -> st.SearchStrategy[Case[Any]]:
    """Two of three generated requests with some values that make sense."""
    sensible = st.just(case).flatmap(_named)
    return st.one_of(st.just(case), sensible, sensible)


def _named(case: Case[Any]) -> st.SearchStrategy[Case[Any]]:
    known: dict[str, list[str]] = {"model": MODELS, "name": [*OPERATIONS], "run_id": ["last"]}
    names = {name: st.sampled_from(known[name]) for name in case.path_parameters if name in known}
    return st.fixed_dictionaries(names).flatmap(lambda drawn: _filled(case, drawn))


def _filled(case: Case[Any], names: dict[str, str]) -> st.SearchStrategy[Case[Any]]:
    case.path_parameters |= names
    needed, possible = (
        {
            name: st.sampled_from(MEANT[name])
            for name, is_needed in _fields(case)
            if name in MEANT and is_needed is wish
        }
        for wish in (True, False)
    )

    def fill(drawn: dict[str, Any]) -> Case[Any]:
        if isinstance(case.body, dict):
            # memory takes the arguments of one operation and no others
            case.body = {**(case.body if "name" not in names else {}), **drawn}
        return case

    return st.fixed_dictionaries(needed, optional=possible).map(fill)


def _fields(case: Case[Any]) -> list[tuple[str, bool]]:
    """The fields of a body, each with whether it is required."""
    if "name" in case.path_parameters:
        operation = OPERATIONS.get(case.path_parameters["name"])
        arguments = (
            []
            if operation is None
            else [*inspect.signature(operation.function).parameters.values()][1:]
        )
        return [(each.name, each.default is each.empty) for each in arguments]
    form = {entry.path.replace(":path}", "}"): entry.body for entry in ROUTES}[case.path]
    return (
        []
        if form is None
        else [(name, field.is_required()) for name, field in form.model_fields.items()]
    )


# ---------------------------------------------------------------- the server


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    """A fake Ollama that always answers: with tools, images, JSON and vectors."""
    reply, able = ['{"a', '": 1}'], ["completion", "tools", "vision"]
    models = [
        FakeModel(CODER, reply, capabilities=[*able, "thinking"]),
        FakeModel(LLAMA, reply, capabilities=able),
        FakeModel(EMBEDS, capabilities=["embedding"]),
    ]
    with FakeOllama(models) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


@pytest.fixture
def asked(url: str) -> str:
    """The URL of a server that has answered once: there is a last run."""
    assert httpx.post(f"{url}/orch/run", json={"text": "What is a mutex?"}, timeout=60).is_success
    return url


@pytest.fixture
def sent() -> set[str]:
    """The requests that were sent to the server of a test: of 4,100, 360 would be sent again, such
    as five more `reindex`, each of which takes seconds."""
    return set()


@API.parametrize()
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_every_request_gets_a_response_of_the_documented_form(
    case: Case[Any], asked: str, sent: set[str]
) -> None:
    _allow_time(case.headers, "x-orch-timeout", "60")
    _allow_time(case.body, "timeout_s", 60)
    request = repr((case.method, case.path_parameters, case.query, case.headers, case.body))
    if request in sent:
        return
    sent.add(request)
    response = case.call(base_url=asked)
    case.validate_response(response)
    if case.method != "HEAD":
        check(
            case.path,
            response.status_code,
            response.headers.get("content-type", [""])[0],
            response.content,
        )


def _allow_time(given: Any, name: str, seconds: object) -> None:
    """Raises tiny timeouts: no model answers within 5e-324 s, and a 504 would be right."""
    try:
        if 0 < float(given[name]) < 60:
            given[name] = seconds
    except (KeyError, TypeError, ValueError):
        pass  # it names no time, or none that is a time


JSON_KINDS = ("application/json", "application/json; charset=utf-8")
"""Content types of JSON: OpenAI's and orch's own, and Ollama's."""


def check(path: str, status: int, kind: str, body: bytes) -> None:
    """Checks that errors have their API's own form, and that successful responses are complete."""
    if status != 200:
        error = json.loads(body)
        assert (kind in JSON_KINDS, in_own_form(path, error)) == (True, True), (kind, error)
    elif kind in JSON_KINDS:
        assert isinstance(json.loads(body), dict)
    elif kind.startswith(("text/event-stream", "application/x-ndjson")):
        assert is_whole(path, body) or b'"unable"' in body, body[-1000:]
    else:
        is_empty = path in ("/api/copy", "/api/delete") and body == b""
        is_text = path in ("/", "/metrics") and kind.startswith("text/plain")
        assert is_empty or is_text


def in_own_form(path: str, body: dict[str, Any]) -> bool:
    """Whether an error has the form of OpenAI, Anthropic, Ollama or orch."""
    error = body["error"]
    if path.startswith("/v1/messages"):
        texts = {type(error[name]) for name in ("message", "type")}
        return (body["type"], texts) == ("error", {str}) and error["message"] != ""
    if path.startswith("/api/"):
        # where to sign in, which Ollama tells of an account
        return body.keys() - {"signin_url"} == {"error"} and isinstance(error, str) and error != ""
    message = error["message"] != "" and {type(error[name]) for name in ("message", "code")} == {
        str
    }
    if path.startswith("/v1/"):
        return message and body.keys() == {"error"} and isinstance(error["type"], str)
    return message and (body["v"], body["ok"]) == (1, False) and isinstance(error["hint"], str)


def is_whole(path: str, body: bytes) -> bool:
    """Whether a stream is complete, or ended with an error that is not the server's."""
    lines = [line for line in body.split(b"\n") if line]
    if path in ("/v1/chat/completions", "/v1/completions"):
        return lines[-1] == b"data: [DONE]"
    last = json.loads(lines[-1].removeprefix(b"data: "))
    if path == "/v1/responses":
        return last["type"] in ("response.completed", "response.incomplete")
    if path == "/v1/messages":
        return bool(last["type"] == "message_stop")
    if path in ("/api/pull", "/api/push", "/api/create"):
        return bool(last.keys() & {"status", "error"})
    if path.startswith("/api/"):
        return last["done"] is True
    return last["type"] == "done" or (
        last["type"] == "error" and http_error(last["error"]["code"]).status < 500
    )


RUBBISH = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[]",
    "null": b"null",
    "a number": b"1e999",
    "no UTF-8": b'{"model": "\xff"}',
    "half a character": (
        rb'{"model": "\ud800", "text": "\ud800", "prompt": "\ud800", "input": "\ud800", "messages":'
        rb' [{"role": "user", "content": "\ud800"}]}'
    ),
    "NUL": (
        rb'{"model": "\u0000", "text": "\u0000", "prompt": "\u0000", "input": "\u0000", "session":'
        rb' "\u0000", "run_id": "\u0000"}'
    ),
    "no numbers": (
        b'{"text": "x", "prompt": "x", "input": "x", "messages": [{"role": "user"}], "temperature":'
        b' NaN, "dial": Infinity, "options": {"seed": NaN}}'
    ),
    "large numbers": (
        b'{"text": "x", "prompt": "x", "input": "x", "messages": [{"role": "user"}], "seed": 1%b,'
        b' "max_tokens": 1%b, "keep_alive": 1%b}' % ((b"0" * 400,) * 3)
    ),
    "deep": b'{"text": ' + b"[" * 50_000,
    "deep where all is taken": (
        b'{"text": "x", "prompt": "x", "input": "x", "messages": [{"role": "user"}], "options":'
        b' {"a": %b1%b}}' % (b"[" * 150, b"]" * 150)
    ),
    "a field twice": (
        b'{"text": "x", "text": "y", "prompt": "x", "prompt": 5, "messages": 5, "messages": [],'
        b' "model": "auto", "model": 7}'
    ),
    "parts that are none": b'{"messages": [{"role": "user", "content": [5]}], "input": [5]}',
    "images that are none": (
        b'{"messages": [{"role": "user", "content": "x", "images": 5}], "images": 5, "attachments":'
        b' [{"image": 5}]}'
    ),
    "an image that is none": (
        b'{"messages": [{"role": "user", "content": "x", "images": [5]}], "images": [5]}'
    ),
    "calls that are none": b'{"messages": [{"role": "assistant", "tool_calls": [5]}]}',
    "a call of no function": (
        b'{"messages": [{"role": "assistant", "tool_calls": [{"function": 5}]}]}'
    ),
    "a call's name that is none": (
        b'{"messages": [{"role": "assistant", "tool_calls": [{"id": [1], "function": {}}]},'
        b' {"role": "tool", "tool_call_id": [1]}]}'
    ),
    "an answer to no call": b'{"messages": [{"role": "tool", "content": "x", "tool_call_id": {}}]}',
}
POSTS = [
    entry.path.format(name="search", run_id="last", digest=f"sha256:{'0' * 64}")
    for entry in ROUTES
    if entry.method == "POST"
]


@pytest.mark.parametrize("body", RUBBISH.values(), ids=RUBBISH)
def test_random_bodies_are_rejected_or_handled(body: bytes, url: str) -> None:
    with httpx.Client(base_url=url, timeout=60) as client:
        for path in POSTS:
            reply = client.post(path, content=body)
            assert reply.status_code < 499, (path, reply.text)
            check(path, reply.status_code, reply.headers["content-type"], reply.content)
