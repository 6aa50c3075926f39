"""The response headers of orch's own: all of them may be read by a page of an allowed origin."""

from __future__ import annotations

import httpx

from orch.server.http.response_headers import EXPOSED_HEADERS, RESPONSE_HEADERS
from orch.server.http.rules import Rules
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.guarded_app import PAGE
from tests.support.http_server import served


def test_a_page_may_read_every_header_that_an_answer_has(ollama: FakeOllama) -> None:
    body = {
        "model": CODER,
        "messages": [{"role": "user", "content": "hi"}],
        "reasoning_effort": "high",
        "temperature": 0,
    }
    with served(Rules(allowed_origins=frozenset((PAGE,)))) as url:
        answers = [
            httpx.post(f"{url}/v1/chat/completions", json=body, headers={"origin": PAGE})
            for _ in range(2)
        ]
    exposed = answers[1].headers["access-control-expose-headers"].split(", ")
    sent = {name for answer in answers for name in answer.headers if name.startswith("x-orch-")}
    assert sent == set(exposed) == set(RESPONSE_HEADERS)
    assert answers[1].headers["x-orch-cache"] == "hit"
    assert EXPOSED_HEADERS.decode().split(", ") == exposed
