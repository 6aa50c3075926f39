"""Responses to HTTP/1.0 clients over raw sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.conftest import CODER
from tests.support.guarded_app import RawClient

BODY = {"model": CODER, "messages": [{"role": "user", "content": "hi"}]}


def exchange(url: str, version: str, body: Mapping[str, object]) -> tuple[bytes, bytes]:
    """Head and body of the response, up to the end of the connection."""
    host, port = url.removeprefix("http://").split(":")
    data = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/{version}\r\nHost: localhost\r\n"
        f"Connection: close\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    with RawClient((host, int(port))) as client:
        first, _, rest = client.send(head.encode(), data).receive_rest().partition(b"\r\n\r\n")
    return first.lower(), rest


def test_a_stream_to_an_old_client_has_no_chunks_and_ends_with_the_connection(url: str) -> None:
    head, body = exchange(url, "1.0", {**BODY, "stream": True})
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


def test_a_stream_to_a_newer_client_has_chunks(url: str) -> None:
    head, body = exchange(url, "1.1", {**BODY, "stream": True})
    assert b"transfer-encoding: chunked" in head
    assert body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_whole_answer_has_its_length(url: str, version: str) -> None:
    head, body = exchange(url, version, BODY)
    assert b"transfer-encoding" not in head
    assert b"content-length: %d" % len(body) in head
    assert json.loads(body)["object"] == "chat.completion"
