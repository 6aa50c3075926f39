"""What all endpoints of Ollama's API share: the form of errors, and the type of JSON."""

from __future__ import annotations

from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.errors import ModelNotFoundError, OrchError
from orch.server.api.handler import Endpoint, with_error_envelope
from orch.server.http.errors import OLLAMA_JSON


def ollama_error(error: OrchError) -> dict[str, Any]:
    """An error in the format of Ollama's API; of an unknown model in its words, which clients look
    for."""
    message = error.message
    if isinstance(error, ModelNotFoundError):
        message = f"model '{error.name}' not found"
    return {"error": f"{message}; {error.hint}" if error.hint else message}


def ollama_endpoint(endpoint: Endpoint) -> Endpoint:
    """Decorates an endpoint: renders its errors in Ollama's format, and gives its JSON the charset
    that Ollama gives."""
    guarded = with_error_envelope(ollama_error)(endpoint)

    @wraps(endpoint)
    async def call(request: Request) -> Response:
        response = await guarded(request)
        if response.media_type == "application/json":
            response.headers["content-type"] = OLLAMA_JSON
        return response

    return call
