"""`x-orch-warning`: the warnings about an answer, in every API, whole or streamed."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from orch.providers.thinking_effort import CANNOT_THINK
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.responses import warnings_of

MESSAGES = [{"role": "user", "content": "hi"}]
CAN_NOT = f"{CODER} {CANNOT_THINK}"
ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES, "reasoning_effort": "high"},
    "/v1/responses": {"input": "hi", "reasoning": {"effort": "high"}},
    "/v1/completions": {"prompt": "hi", "reasoning_effort": "high"},
    "/api/chat": {"messages": MESSAGES, "think": True},
    "/api/generate": {"prompt": "hi", "think": True},
    "/orch/run": {"text": "hi", "options": {"think": True}},
    "/orch/route": {"text": "hi", "options": {"think": True}},
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("path", ASKED)
def test_a_response_warns_about_ignored_options(url: str, path: str, stream: bool) -> None:
    wish = {} if path.startswith("/orch") else {"stream": stream}
    assert CAN_NOT in warnings_of(
        httpx.post(f"{url}{path}", json={"model": CODER, **ASKED[path], **wish})
    )


def test_rejected_options_are_reported_before_the_first_byte(url: str, ollama: FakeOllama) -> None:
    ollama.models[CODER].tells_capabilities = False
    body = {"model": CODER, "messages": MESSAGES, "think": True, "stream": True}
    with httpx.stream("POST", f"{url}/api/chat", json=body) as response:
        assert warnings_of(response) == [CAN_NOT]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
def test_auto_does_not_warn_about_ignored_options(url: str, path: str) -> None:
    assert (
        warnings_of(
            httpx.post(f"{url}{path}", json={"model": "auto", **ASKED[path], "stream": False})
        )
        == []
    )


def test_a_failed_response_has_warning_headers_too(url: str, ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = []
    response = httpx.post(
        f"{url}/api/chat",
        json={"model": CODER, "messages": MESSAGES, "think": True, "stream": False},
    )
    assert (
        response.status_code,
        [unquote(value) for value in response.headers.get_list("x-orch-warning")],
    ) == (502, [CAN_NOT])
