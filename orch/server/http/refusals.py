"""The responses to requests that are refused below the app, as bytes (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from http import HTTPStatus

from orch.server.http.errors import http_error, openai_body


def refusal_response(code: str, default_headers: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """The response to a refused request, after which its connection is closed; the server's default
    headers come first."""
    status_line, rest = _parts(code)
    return b"".join((status_line, *(b"%b: %b\r\n" % pair for pair in default_headers), rest))


@cache
def _parts(code: str) -> tuple[bytes, bytes]:
    """What precedes the default headers, and the rest."""
    status, _, message, headers = http_error(code)
    body = json.dumps(openai_body(code, message)).encode()
    fields = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        *headers,
    ]
    head = b"".join(b"%b: %b\r\n" % field for field in fields)
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode(), head + b"\r\n" + body
