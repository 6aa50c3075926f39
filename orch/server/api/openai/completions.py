"""OpenAI's legacy completions: a prompt is sent as a chat of one message, unless it has a suffix or
tokens for a gap to fill, as editors send."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.execution.events import Content, Done
from orch.server.api.field_path import field_error
from orch.server.api.handler import (
    ActiveRequest,
    PendingResponse,
    StreamedResponse,
    json_response,
    parse_body,
    run_and_respond,
    with_error_envelope,
)
from orch.server.api.openai.chat import (
    EVENT_STREAM,
    SAMPLING_FIELDS,
    SYSTEM_FINGERPRINT,
    chat_usage,
    finish_reason_of,
    openai_error,
    sampling_options,
    sse_event,
)
from orch.server.api.openai.responses_input import NO_LOGPROBS
from orch.server.api.openai.schemas import CompletionRequest
from orch.server.api.request_task import ChatParams, build_request_task
from orch.text.raw_prompt import RawPrompt, has_fill_in_middle

HANDLED_FIELDS = ("model", "prompt", "suffix", "echo", "stream", "stream_options", "n")


@with_error_envelope(partial(openai_error, prompt_field="prompt"))
async def completions(request: Request) -> Response:
    """`POST /v1/completions`."""
    body = await parse_body(request, CompletionRequest)
    fields = body.model_dump(exclude_unset=True, exclude_none=True)
    if fields.get("logprobs", False) is not False:
        raise field_error("logprobs", NO_LOGPROBS)
    params = ChatParams(
        model=body.model,
        messages=[{"role": "user", "content": body.prompt[0]}],
        options=sampling_options(body.options, fields),
        extra={
            name: value
            for name, value in fields.items()
            if name not in SAMPLING_FIELDS and name not in HANDLED_FIELDS
        },
        raw=_raw_prompt(body.prompt[0], body.suffix or ""),
    )
    include_usage = body.stream_options is not None and body.stream_options.include_usage

    async def respond(pending: PendingResponse, active: ActiveRequest) -> Response:
        if body.stream:
            return StreamedResponse(
                _events(pending, include_usage),
                pending.headers,
                EVENT_STREAM,
                active.hand_over(),
            )
        result = await pending.result()
        whole = {
            **_head(pending),
            "choices": [_choice(result.response.content, finish_reason_of(result))],
        }
        return json_response({**whole, "usage": chat_usage(result.response.usage)}, pending.headers)

    return await run_and_respond(
        request,
        build_request_task(request, params),
        "continue" if body.stream else "restart",
        "openai",
        respond,
    )


def _raw_prompt(prompt: str, suffix: str) -> RawPrompt | None:
    if has_fill_in_middle(prompt):
        return RawPrompt(prompt, suffix, {"raw": True})
    return RawPrompt(prompt, suffix) if suffix else None


def _head(pending: PendingResponse) -> dict[str, Any]:
    return {
        "id": f"cmpl-{pending.run_id}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": pending.model_name,
        "system_fingerprint": SYSTEM_FINGERPRINT,
    }


def _choice(text: str, finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}


async def _events(pending: PendingResponse, include_usage: bool) -> AsyncGenerator[bytes]:
    """The run as a stream. A failed run ends with an error and without `[DONE]`."""
    head = _head(pending)
    try:
        async for event in pending.events():
            if isinstance(event, Content):
                yield sse_event({**head, "choices": [_choice(event.text)]})
            elif isinstance(event, Done):
                result = event.result
                yield sse_event({**head, "choices": [_choice("", finish_reason_of(result))]})
                if include_usage:
                    yield sse_event(
                        {**head, "choices": [], "usage": chat_usage(result.response.usage)}
                    )
                yield b"data: [DONE]\n\n"
    except OrchError as error:
        yield sse_event(
            {**head, "choices": [_choice("", "error")], **openai_error(error, "prompt")}
        )
