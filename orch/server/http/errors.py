"""Codes, statuses and messages of refused requests, and the error format of each API (pure)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

RenderRefusal = Callable[[str, int, str, str], tuple[bytes, str]]
"""Path, status, code and message of a refusal to its body and content type."""

REFUSALS = {
    "log_in": (303, "this page is shown to who has logged in"),
    "ambiguous_header": (400, "a header that may be there once is there twice"),
    "missing_api_key": (
        401,
        "this server wants an API key, as Authorization: Bearer KEY or as x-api-key: KEY",
    ),
    "invalid_api_key": (401, "the API key is not one of this server's"),
    "too_many_wrong_keys": (
        429,
        "too many wrong API keys came from there; the right one is let in at any time",
    ),
    # not 421, which invites a browser to try again over another connection
    "host_not_allowed": (403, "this server does not answer under that host name"),
    "owner_only": (
        403,
        (
            "only the account that runs this server may ask for that: `orch page` opens its page,"
            " its commands and `curl --unix-socket` ask over its Unix socket, and with API keys set"
            " (orch serve --api-key) so may whoever shows one"
        ),
    ),
    "origin_not_allowed": (403, "this server does not answer pages of that origin"),
    "body_too_slow": (408, "the request's body did not arrive in time"),
    "body_too_large": (413, "the request's body is too large"),
    "internal_error": (500, "something broke in the server"),
    "stopping": (503, "the server is stopping"),
    "answer_too_long": (504, "the answer took too long"),
    "reader_too_slow": (408, "the answer was not read"),
}
"""Why a request is refused or an answer ended: code to status and message."""

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    408: "timeout_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
    504: "timeout_error",
}


def error_body(path: str, status: int, code: str, message: str) -> tuple[bytes, str]:
    """An error as the API of that path writes it: OpenAI's, Ollama's or orch's own."""
    error: dict[str, Any] = {
        "v": 1,
        "ok": False,
        "error": {"code": code, "message": message, "hint": ""},
    }
    if path.startswith("/v1/"):
        error = {
            "error": {
                "message": message,
                "type": _TYPES.get(status, "invalid_request_error"),
                "code": code,
            }
        }
    elif path.startswith("/api/"):
        error = {"error": message}
    return json.dumps(error).encode(), "application/json"
