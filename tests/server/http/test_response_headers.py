"""The response headers of orch's own: all of them may be read by a page of an allowed origin."""

from __future__ import annotations

import httpx

from orch.server.http.response_headers import EXPOSED_HEADERS, RESPONSE_HEADERS
from orch.server.http.rules import Rules
from tests.conftest import CODER
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.guarded_app import PAGE
from tests.support.http_server import served

LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def test_a_page_may_read_every_header_that_an_answer_has(ollama: FakeOllama) -> None:
    calls = [{"function": {"name": "Look", "arguments": {}}}]  # repaired: the tool is `look`
    ollama.add(FakeModel("caller:1", tool_calls=calls, capabilities=["completion", "tools"]))
    body = {
        "model": CODER,
        "messages": [{"role": "user", "content": "hi"}],
        "reasoning_effort": "high",
        "temperature": 0,
    }
    asked: list[tuple[dict[str, object], dict[str, str]]] = [
        (body, {}),
        (body, {}),
        (body, {"x-orch-chore": "title"}),
        (body | {"model": "caller:1", "tools": [LOOK]}, {}),
    ]
    with served(Rules(allowed_origins=frozenset((PAGE,)))) as url:
        answers = [
            httpx.post(f"{url}/v1/chat/completions", json=json, headers={"origin": PAGE, **more})
            for json, more in asked
        ]
    exposed = answers[1].headers["access-control-expose-headers"].split(", ")
    sent = {name for answer in answers for name in answer.headers if name.startswith("x-orch-")}
    assert sent == set(RESPONSE_HEADERS)
    assert set(exposed) == sent | {"mcp-session-id"}
    assert answers[1].headers["x-orch-cache"] == "hit"
    assert EXPOSED_HEADERS.decode().split(", ") == exposed
