"""The responses to requests that are refused below the app."""

from __future__ import annotations

import json

import pytest

from orch.server.http.refusals import refusal_response


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("invalid_http", b"HTTP/1.1 400 Bad Request"),
        ("headers_too_large", b"HTTP/1.1 431 Request Header Fields Too Large"),
        ("unknown_transfer_encoding", b"HTTP/1.1 501 Not Implemented"),
        ("too_many_connections", b"HTTP/1.1 503 Service Unavailable"),
    ],
)
def test_a_refusal_is_one_whole_response_that_closes_the_connection(code: str, line: bytes) -> None:
    head, _, body = refusal_response(code).partition(b"\r\n\r\n")
    fields = head.split(b"\r\n")
    assert fields[0] == line
    assert {b"connection: close", b"content-length: %d" % len(body)} <= set(fields)
    assert json.loads(body)["error"]["code"] == code


def test_a_client_without_a_connection_is_told_when_to_retry() -> None:
    assert b"\r\nretry-after: 1\r\n" in refusal_response("too_many_connections").lower()


def test_the_servers_default_headers_follow_the_status_line() -> None:
    lines = refusal_response("invalid_http", [(b"server", b"orch")]).split(b"\r\n")
    assert lines[1] == b"server: orch"
