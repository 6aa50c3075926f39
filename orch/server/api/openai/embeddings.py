"""OpenAI's embeddings."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.server.api.embeddings import embed_texts
from orch.server.api.handler import json_response, parse_body, response_headers, with_error_envelope
from orch.server.api.openai.chat import openai_error
from orch.server.api.openai.schemas import EmbeddingsRequest


@with_error_envelope(openai_error)
async def create_embeddings(request: Request) -> Response:
    """`POST /v1/embeddings`."""
    body = await parse_body(request, EmbeddingsRequest)
    extra = dict(body.model_extra or {}) | (
        {"dimensions": body.dimensions} if body.dimensions else {}
    )
    result = await embed_texts(request, body.model, body.input, extra)
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector, body.encoding_format)}
        for index, vector in enumerate(result.vectors)
    ]
    usage = {"prompt_tokens": result.tokens, "total_tokens": result.tokens}
    return json_response(
        {"object": "list", "data": data, "model": result.name, "usage": usage},
        response_headers("", result.model, "", 0),
    )


def _packed(vector: Sequence[float], form: str | None) -> Any:
    """A vector as numbers, or in base64 as little-endian 32-bit floats."""
    return (
        vector
        if form != "base64"
        else base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    )
