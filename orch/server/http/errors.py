"""HTTP errors: one table of codes with status and OpenAI error type, and the bodies that carry
them."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

INVALID, FAILED, SERVER = "invalid_request_error", "api_error", "server_error"
SLOW, LIMITED = "timeout_error", "rate_limit_error"
"""Values of `error.type` in OpenAI's API."""
ANTHROPIC_PATH = "/v1/messages"
"""Where the paths begin whose errors have the form of Anthropic's API."""
_ANTHROPIC_TYPES = {
    **dict.fromkeys(("model_not_found", "not_found"), "not_found_error"),
    **dict.fromkeys(("config", "not_kept", "remote", "unable"), INVALID),
    **dict.fromkeys(("too_large", "body_too_large"), "request_too_large"),
    **dict.fromkeys(("stopping", "too_many_connections", "turn_in_progress"), "overloaded_error"),
    "timeout": SLOW,
    "internal_error": FAILED,
}
"""Values of `error.type` in Anthropic's API by orch's code, where they differ from OpenAI's."""
OLLAMA_JSON = "application/json; charset=utf-8"
"""The type of JSON in Ollama's API; everywhere else it goes without a charset."""
_Headers = tuple[tuple[bytes, bytes], ...]


class HttpError(NamedTuple):
    """What an error code becomes over HTTP; `message` and `headers` where the server itself
    refuses."""

    status: int
    type: str
    message: str = ""
    headers: _Headers = ()


UNKNOWN = HttpError(500, FAILED)
"""For a code that is not in the table."""
_OWNER_ONLY = (
    "only the account that runs this server may request this: `orch page` opens its page, its"
    " commands and `curl --unix-socket` use its Unix socket, and with API keys set (orch serve"
    " --api-key) a client with a key may request it, too"
)
_BEARER: _Headers = ((b"www-authenticate", b"Bearer"),)
_RETRY_SOON: _Headers = ((b"retry-after", b"1"),)
_NO_RETRY: _Headers = ((b"x-should-retry", b"false"),)
"""For what does not go away by itself: OpenAI's and Anthropic's clients would ask again in silence
at any 409 and 5xx."""
_LASTING = frozenset({"empty", "denied", "content_filter", "remote_answer"})
"""Codes of attempts that the same request would meet again: an answer without text, a key that is
refused, a filter, a machine beyond this one."""

ERRORS = {
    # a run or a request that failed: `error.code` of an OrchError
    "usage": HttpError(400, INVALID),
    "bad_input": HttpError(400, INVALID),
    "context_overflow": HttpError(400, INVALID),
    "config": HttpError(400, FAILED),
    "not_kept": HttpError(400, FAILED),
    "remote": HttpError(400, FAILED),
    "unable": HttpError(400, FAILED),
    "previous_response_not_found": HttpError(400, INVALID),
    "model_not_found": HttpError(404, INVALID),
    "not_found": HttpError(404, INVALID),
    "another": HttpError(409, FAILED, headers=_NO_RETRY),
    "too_large": HttpError(413, FAILED),
    "busy": HttpError(429, LIMITED),
    "interrupted": HttpError(499, FAILED),
    "reader_gone": HttpError(499, FAILED),
    "all_failed": HttpError(502, FAILED),
    "turn_in_progress": HttpError(503, FAILED),
    "no_provider": HttpError(503, FAILED, headers=_NO_RETRY),
    "terminated": HttpError(503, FAILED),
    "locked": HttpError(503, FAILED),
    "unreachable": HttpError(503, FAILED, headers=_NO_RETRY),
    "timeout": HttpError(504, FAILED),
    # a request that the guard refuses, or a response that it ends
    "log_in": HttpError(303, INVALID, "log in to see this page"),
    "ambiguous_header": HttpError(400, INVALID, "a header that may occur once occurs twice"),
    "missing_api_key": HttpError(
        401,
        "authentication_error",
        "an API key is required: send Authorization: Bearer KEY or x-api-key: KEY",
        _BEARER,
    ),
    "invalid_api_key": HttpError(
        401, "authentication_error", "the API key is not valid for this server", _BEARER
    ),
    "too_many_wrong_keys": HttpError(
        429,
        LIMITED,
        "too many wrong API keys from this client; a valid key is accepted at any time",
        ((b"retry-after", b"60"),),
    ),
    # not 421, which makes a browser try again over another connection
    "host_not_allowed": HttpError(
        403,
        "permission_error",
        "this server is not served under this host name; --allow-host adds one",
    ),
    "origin_not_allowed": HttpError(
        403,
        "permission_error",
        "pages of this origin may not use this server; --allow-origin adds one",
    ),
    "owner_only": HttpError(403, "permission_error", _OWNER_ONLY),
    "body_too_slow": HttpError(408, SLOW, "the request body did not arrive in time"),
    "reader_too_slow": HttpError(408, SLOW, "the client did not read the response in time"),
    "body_too_large": HttpError(413, INVALID, "the request body is too large"),
    "internal_error": HttpError(500, SERVER, "internal error; the server's log says where"),
    "stopping": HttpError(503, SERVER, "the server is shutting down", _RETRY_SOON),
    "answer_too_long": HttpError(504, SLOW, "the response took too long"),
    # a connection or a request that the protocol refuses
    "invalid_http": HttpError(400, INVALID, "the request is not valid HTTP"),
    "headers_too_large": HttpError(431, INVALID, "the request headers are too large"),
    "unknown_transfer_encoding": HttpError(
        501, INVALID, "the only transfer encoding that this server supports is chunked"
    ),
    "too_many_connections": HttpError(503, SERVER, "too many connections", _RETRY_SOON),
}
"""Every error code that a response can carry."""


def http_error(code: str) -> HttpError:
    """The row of a code."""
    return ERRORS.get(code, UNKNOWN)


def failure_headers(code: str, attempts: Collection[str]) -> dict[str, str]:
    """The headers of a run's error by its code and the codes of its attempts."""
    headers = http_error(code).headers
    if code == "all_failed" and attempts and _LASTING.issuperset(attempts):
        headers = (*headers, *_NO_RETRY)
    return {name.decode(): value.decode() for name, value in headers}


def openai_body(code: str, message: str) -> dict[str, Any]:
    """An error as OpenAI's API has it."""
    kind = http_error(code).type
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic_body(code: str, message: str, request_id: str | None = None) -> dict[str, Any]:
    """An error as Anthropic's API has it."""
    kind = _ANTHROPIC_TYPES.get(code, http_error(code).type)
    error = {"type": kind, "message": message}
    return {"type": "error", "error": error, "request_id": request_id}


def error_body(path: str, code: str, message: str = "") -> bytes:
    """An error as JSON in the format of the path's API: OpenAI's, Anthropic's, Ollama's or orch's
    own."""
    message = message or http_error(code).message
    body: dict[str, Any] = {
        "v": 1,
        "ok": False,
        "error": {"code": code, "message": message, "hint": ""},
    }
    if path.startswith(ANTHROPIC_PATH):
        body = anthropic_body(code, message)
    elif path.startswith("/v1/"):
        body = openai_body(code, message)
    elif path.startswith("/api/"):
        body = {"error": message}
    return json.dumps(body).encode()


def error_content_type(path: str) -> str:
    """The type of an error body in the API of the path."""
    return OLLAMA_JSON if path.startswith("/api/") else "application/json"


def error_location(error: BaseException) -> str:
    """The class of an exception and the last places it passed, without its message, which may
    quote a prompt."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    places, step = [], error.__traceback__
    while step is not None:
        file = "/".join(Path(step.tb_frame.f_code.co_filename).parts[-3:])
        places.append(f"{file}:{step.tb_lineno}")
        step = step.tb_next
    return f"{type(error).__name__} at {' < '.join(reversed(places[-4:]))}"
