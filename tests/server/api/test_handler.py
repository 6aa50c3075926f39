"""What every API shares: the body's validation, the start of a response, and errors."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import openai
import pydantic
import pytest
from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.execution.events import Content, Fallback, RunEvent, RunWarning
from orch.server.api.handler import (
    PendingResponse,
    error_response,
    response_headers,
    validate_body,
    with_error_envelope,
)
from orch.server.api.openai import schemas
from orch.server.http.disconnect import ClientDisconnected
from orch.types import Attempt, ModelKey
from tests.conftest import CODER, ROOM
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.http_server import served

ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Sort a list"}]},
    "/v1/completions": {"prompt": "Sort a list"},
    "/v1/responses": {"input": "Sort a list"},
    "/api/chat": {"messages": [{"role": "user", "content": "Sort a list"}]},
    "/api/generate": {"prompt": "Sort a list"},
}
"""The same question in every API."""


@pytest.mark.parametrize(
    ("path", "field"), [("/v1/nope", "message"), ("/api/nope", None), ("/orch/nope", "message")]
)
def test_an_unknown_path_gives_an_error_in_its_apis_format(
    url: str, path: str, field: str | None
) -> None:
    answer = httpx.get(url + path)
    error = answer.json()["error"]
    assert answer.status_code == 404
    assert "there is no" in (error[field] if field else error)
    assert httpx.delete(f"{url}/v1/models").status_code == 405


def test_a_full_queue_allows_a_retry(home: Path, ollama: FakeOllama) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text(f"{ROOM}serve: {{queue: 0}}\n")
    (home / "models.yaml").write_text(
        f"version: 1\nproviders: {{ollama: {{kind: ollama, base_url: {ollama.url}, parallel:"
        " 1}}\n"
    )
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 500, 0.02
    with (
        served() as there,
        openai.OpenAI(base_url=f"{there}/v1", api_key="none", max_retries=0) as asked,
    ):
        first = asked.chat.completions.create(model=CODER, messages=MESSAGES, stream=True)
        next(first)
        with pytest.raises(openai.RateLimitError) as caught:
            asked.chat.completions.create(model=CODER, messages=MESSAGES)
        first.close()
    assert (caught.value.code, int(caught.value.response.headers["retry-after"]) >= 1) == (
        "rate_limit_exceeded",
        True,
    )


def test_a_disconnect_ends_generation(url: str, ollama: FakeOllama) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 500, 0.02
    with httpx.stream(
        "POST",
        f"{url}/v1/chat/completions",
        json={"model": CODER, "messages": MESSAGES, "stream": True},
    ) as answer:
        next(answer.iter_lines())
    ollama.wait_for(lambda: ollama.chats()[-1].aborted, timeout_s=1.0)


def test_without_a_provider_the_status_says_so(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.stop()
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=CODER, messages=MESSAGES)
    assert caught.value.status_code == 503


TASK = "Write a Python function that sorts a list"


MESSAGES: list[Any] = [{"role": "user", "content": TASK}]


def test_a_body_of_very_many_values_is_refused_before_it_is_parsed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []
    monkeypatch.setattr(schemas.ChatCompletionRequest, "model_validate_json", parsed.append)
    body = (
        b'{"model":"auto","messages":[{"role":"user","content":"hello"}],"more":['
        + b"1," * 300_000
        + b"1]}"
    )
    answer = httpx.post(f"{url}/v1/chat/completions", content=body, timeout=60)
    assert (answer.status_code, parsed) == (400, [])
    assert "more than 200,000 values" in answer.json()["error"]["message"]


def test_a_long_text_full_of_commas_is_one_value(url: str) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "a, [b], {c} " * 100_000}]}
    assert (
        "fits no model"
        in httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60).json()["error"][
            "message"
        ]
    )


# ---------------------------------------------------------------- in process


class Body(pydantic.BaseModel):
    number: int
    names: list[str] = []


def test_every_fault_of_a_body_is_named_with_its_place() -> None:
    assert validate_body(Body, b'{"number": 1}') == Body(number=1)
    with pytest.raises(OrchError) as caught:
        validate_body(Body, b'{"number": "x", "names": ["a", 5]}')
    assert caught.value.code == "bad_input"
    assert [fault.partition(":")[0] for fault in caught.value.message.split("; ")] == [
        "number",
        "names.1",
    ]


def test_the_error_for_a_body_of_many_faults_is_short() -> None:
    with pytest.raises(OrchError) as caught:
        validate_body(Body, b'{"number": 1, "names": [' + b"5," * 99_999 + b"5]}")
    assert len(caught.value.message) < 2_000
    assert caught.value.message.endswith("; and 99,980 more")


def test_an_error_has_the_status_of_its_code_and_the_apis_format() -> None:
    response = error_response(OrchError("gone", code="model_not_found"), envelope)
    assert (response.status_code, response.body) == (404, b'{"message":"gone"}')


@pytest.mark.parametrize(
    ("codes", "status"),
    [(["busy", "rate_limited"], 429), (["busy", "cut"], 502), (["cut"], 502)],
)
def test_a_run_that_met_limits_alone_may_be_tried_again(codes: list[str], status: int) -> None:
    error = OrchError("failed", code="all_failed", retry_after_s=2.6)
    error.attempts = tuple(Attempt(code, "p", "failed", code=code) for code in codes)
    response = error_response(error, envelope)
    assert (response.status_code, response.headers.get("retry-after")) == (
        status,
        "3" if status == 429 else None,
    )
    assert response.headers["x-orch-fallback"] == str(len(codes) - 1)


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (OrchError("no", code="bad_input"), 400),
        (ClientDisconnected(), 499),
        (ValueError("secret"), 500),
    ],
)
async def test_whatever_an_endpoint_raises_becomes_a_response(
    raised: Exception, status: int
) -> None:
    @with_error_envelope(envelope)
    async def endpoint(request: Request) -> Response:
        raise raised

    response = await endpoint(Request({"type": "http"}))
    assert (response.status_code, b"secret" in bytes(response.body)) == (status, False)


def test_a_model_name_that_is_not_valid_in_a_header_is_percent_encoded() -> None:
    assert response_headers("r", "señal:1b", "coding", 0)["x-orch-model"] == "se%C3%B1al%3A1b"
    assert response_headers("r", "llama3.1:8b", "coding", 0)["x-orch-model"] == "llama3.1:8b"


async def events_of(*events: RunEvent) -> AsyncGenerator[RunEvent]:
    for event in events:
        yield event


async def test_a_response_begins_with_the_first_visible_event_and_notes_those_before() -> None:
    switch = Fallback(ModelKey("p", "a"), ModelKey("p", "b"), "cut", "cut", 0)
    pending = PendingResponse(
        "r", events_of(RunWarning("slow"), switch, Content("a"), Content("b"))
    )
    await pending.wait_until_visible()
    assert (pending.fallbacks, pending.warnings) == (1, ["slow"])
    assert [event async for event in pending.events()] == [Content("a"), Content("b")]


async def test_a_run_without_an_answer_has_no_result() -> None:
    pending = PendingResponse("r", events_of(Content("a")))
    with pytest.raises(OrchError, match="without an answer"):
        await pending.result()


def envelope(error: OrchError) -> dict[str, str]:
    return {"message": error.message}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["small", "Small:latest", "ollama/small"])
def test_every_api_calls_the_model_as_it_was_asked_for(
    url: str, ollama: FakeOllama, name: str, stream: bool
) -> None:
    ollama.add(FakeModel("small"))
    for path in ASKED:
        answer = httpx.post(url + path, json={"model": name, "stream": stream, **ASKED[path]})
        names = set(re.findall(r'"model":"([^"]*)"', answer.text))
        assert (names, answer.headers["x-orch-model"]) == ({name}, "small:latest"), path


def test_auto_is_answered_with_the_name_of_the_chosen_model(url: str, ollama: FakeOllama) -> None:
    for path, body in ASKED.items():
        answer = httpx.post(url + path, json={"model": "auto:coding", "stream": False, **body})
        assert answer.json()["model"] == answer.headers["x-orch-model"] == CODER, path


@pytest.mark.parametrize("stream", [False, True])
def test_a_cached_answer_says_so(url: str, stream: bool) -> None:
    for path, fields in ASKED.items():
        body, headers = {"model": CODER, "stream": stream, **fields}, {"x-orch-cache": "use"}
        answers = [httpx.post(url + path, json=body, headers=headers) for _ in range(3)]
        anew = httpx.post(url + path, json=body)
        # all of these APIs ask the same question, so only the first answer of all is the model's
        assert [each.headers.get("x-orch-cache") for each in answers[1:]] == ["hit", "hit"], path
        assert "x-orch-cache" not in anew.headers
