"""What all endpoints of Anthropic's API share: the form of errors, and the id of a request."""

from __future__ import annotations

from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.server.api.handler import Endpoint, with_error_envelope
from orch.server.http.errors import anthropic_body


def anthropic_error(error: OrchError) -> dict[str, Any]:
    """An error in the format of Anthropic's API."""
    message = f"{error.message}; {error.hint}" if error.hint else error.message
    if error.code == "context_overflow":
        message = _too_long(error, message)
    return anthropic_body(error.code, message, request_id(error.run_id))


def _too_long(error: OrchError, message: str) -> str:
    """Too long a prompt in the words from which Claude Code compacts the conversation: it looks
    for the phrase and for two numbers, the first of which must be greater."""
    if not error.context_tokens:
        return f"prompt is too long: {message}"
    tokens = max(error.prompt_tokens or 0, error.context_tokens + 1)
    return f"prompt is too long: {tokens} tokens > {error.context_tokens} maximum; {message}"


def request_id(run_id: str) -> str | None:
    """The id of a request; None for one that became no run."""
    return f"req_{run_id}" if run_id else None


def anthropic_endpoint(endpoint: Endpoint) -> Endpoint:
    """Decorates an endpoint: renders its errors in Anthropic's format, and names the request as
    Anthropic's clients report it."""
    guarded = with_error_envelope(anthropic_error)(endpoint)

    @wraps(endpoint)
    async def call(request: Request) -> Response:
        response = await guarded(request)
        if name := request_id(response.headers.get("x-orch-run-id", "")):
            response.raw_headers.append((b"request-id", name.encode()))
        return response

    return call
