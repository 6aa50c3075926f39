"""OpenAI's chat completions."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.execution.events import Content, Done, Fallback, Metadata, RunEvent, Thinking, ToolCall
from orch.providers.message_formats import to_openai_calls
from orch.server.api.announcement import is_told, status_field
from orch.server.api.handler import (
    ActiveRequest,
    PendingResponse,
    StreamedResponse,
    json_response,
    parse_body,
    run_and_respond,
    with_error_envelope,
)
from orch.server.api.openai.schemas import ChatCompletionRequest
from orch.server.api.openai.tools import parse_tool_choice, tools_from_chat
from orch.server.api.request_task import ChatParams, build_request_task
from orch.server.http.errors import http_error
from orch.types import RunResult, Usage

SAMPLING_FIELDS = (
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
)
"""Fields that are sampling options; other fields that orch does not know are passed to the
model."""
HANDLED_FIELDS = ("model", "messages", "stream", "stream_options", "tools", "response_format", "n")
EVENT_STREAM = "text/event-stream"
"""Server-sent events are UTF-8 by definition; Ollama, too, names no charset."""
SYSTEM_FINGERPRINT = "fp_orch"
"""Both OpenAI and Ollama have this field; orch can't tell one build of a model's server from
another."""
ERROR_CODES = {"context_overflow": "context_length_exceeded", "busy": "rate_limit_exceeded"}


def openai_error(error: OrchError, prompt_field: str = "messages") -> dict[str, Any]:
    """An error in the format of OpenAI's API; `prompt_field` is where the endpoint has the
    prompt."""
    fields = {"context_overflow": prompt_field, "model_not_found": "model"}
    message = f"{error.message}; {error.hint}" if error.hint else error.message
    return {
        "error": {
            "message": message,
            "type": http_error(error.code).type,
            "param": error.param or fields.get(error.code),
            "code": ERROR_CODES.get(error.code, error.code),
        }
    }


@with_error_envelope(openai_error)
async def chat_completions(request: Request) -> Response:
    """`POST /v1/chat/completions`."""
    body = await parse_body(request, ChatCompletionRequest)
    task = build_request_task(request, chat_params(body))
    include_usage = body.stream_options is not None and body.stream_options.include_usage

    async def respond(pending: PendingResponse, active: ActiveRequest) -> Response:
        if body.stream:
            return StreamedResponse(
                _events(pending, include_usage, tells_model=is_told(task)),
                pending.headers,
                EVENT_STREAM,
                active.hand_over(),
            )
        result = await pending.result()
        return json_response(completion_body(result, pending.model_name), pending.headers)

    return await run_and_respond(
        request, task, "continue" if body.stream else "restart", "openai", respond
    )


def chat_params(body: ChatCompletionRequest) -> ChatParams:
    """The request's parameters."""
    # nothing is taken from the messages: some servers want even `content: null` beside tool calls
    fields = {
        name: value
        for name, value in body.model_dump(exclude_unset=True).items()
        if value is not None
    }
    tools = tools_from_chat(body.tools or ())
    choice = parse_tool_choice(fields.pop("tool_choice", None), tools.names)
    return ChatParams(
        model=body.model,
        messages=fields["messages"],
        options=sampling_options(body.options, fields),
        extra={
            name: value
            for name, value in fields.items()
            if name not in SAMPLING_FIELDS and name not in HANDLED_FIELDS
        }
        | ({"tool_choice": choice.value} if choice.value is not None else {}),
        tools=tools.functions or None,
        warnings=(*tools.warnings, *choice.warnings),
        response_format=body.response_format
        if body.response_format and body.response_format.get("type") != "text"
        else None,
    )


def sampling_options(options: dict[str, Any] | None, fields: dict[str, Any]) -> dict[str, Any]:
    """The sampling options of a body: its own fields override those of Ollama's `options`, which
    other servers get unchanged, too."""
    return {**(options or {}), **{name: fields[name] for name in SAMPLING_FIELDS if name in fields}}


# ---------------------------------------------------------------- whole


def completion_body(result: RunResult, model: str) -> dict[str, Any]:
    """A finished run as `chat.completion`."""
    message: dict[str, Any] = {"role": "assistant", "content": result.response.content or None}
    if result.response.thinking:
        message["reasoning_content"] = result.response.thinking
    if result.response.tool_calls:
        message["tool_calls"] = to_openai_calls(result.response.tool_calls, result.run_id)
    choice = {
        "index": 0,
        "message": message,
        "logprobs": _logprobs(result.response.logprobs),
        "finish_reason": finish_reason_of(result),
    }
    head = _head(result.run_id, "chat.completion", model)
    return {**head, "choices": [choice], "usage": chat_usage(result.response.usage)}


def _logprobs(logprobs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Logprobs of tokens, with the empty fields that Ollama leaves out."""
    return (
        {
            "content": [{"bytes": None, "top_logprobs": [], **each} for each in logprobs],
            "refusal": None,
        }
        if logprobs
        else None
    )


def finish_reason_of(result: RunResult) -> str:
    """The finish reason of OpenAI's API."""
    if result.response.finish_reason == "length":
        return "length"  # also of tool calls: the last one may be cut
    return "tool_calls" if result.response.tool_calls else "stop"


def chat_usage(counted: Usage) -> dict[str, Any]:
    """Token counts as OpenAI's API names them; those of the cache where the server tells them."""
    usage: dict[str, Any] = {
        "prompt_tokens": counted.prompt_tokens,
        "completion_tokens": counted.completion_tokens,
        "total_tokens": counted.prompt_tokens + counted.completion_tokens,
    }
    if counted.cached_tokens is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": counted.cached_tokens}
    return usage


def _head(run_id: str, kind: str, model: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{run_id}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": SYSTEM_FINGERPRINT,
    }


# ---------------------------------------------------------------- streamed


def sse_event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + to_json(value) + b"\n\n"


def fallback_comment(event: Fallback) -> bytes:
    """A comment in the stream: clients ignore it, people debugging see it."""
    fields = {"from": event.failed.model, "to": event.successor.model, "offset": event.offset}
    return b": fallback " + to_json(fields) + b"\n\n"


async def _events(
    pending: PendingResponse, include_usage: bool, *, tells_model: bool
) -> AsyncGenerator[bytes]:
    """The run as OpenAI's stream. A failed run ends with an error and without `[DONE]`."""
    head = _head(pending.run_id, "chat.completion.chunk", pending.model_name)
    usual: dict[str, Any] = {"usage": None} if include_usage else {}
    calls, status = 0, status_field(pending.decision) if tells_model else {}
    first = _choice({"role": "assistant", "content": ""})
    yield sse_event({**head, "choices": [first], **usual, **status})
    status = {}
    try:
        async for event in pending.events():
            if isinstance(event, Done):
                result = event.result
                yield sse_event(
                    {
                        **head,
                        "model": pending.model_name,
                        "choices": [_choice({}, finish_reason_of(result))],
                        **usual,
                    }
                )
                if include_usage:
                    yield sse_event(
                        {**head, "choices": [], "usage": chat_usage(result.response.usage)}
                    )
                yield b"data: [DONE]\n\n"
            elif isinstance(event, Fallback):
                yield fallback_comment(event)
            elif isinstance(event, Metadata):
                status = status_field(event.decision) if tells_model else {}
            else:
                for choice in _choices(event, pending.run_id, calls):
                    calls += "tool_calls" in choice["delta"]
                    yield sse_event({**head, "choices": [choice], **usual, **status})
                    status = {}
    except OrchError as error:
        yield sse_event({**head, "choices": [_choice({}, "error")], **openai_error(error)})


def _choices(event: RunEvent, run_id: str, calls: int) -> Iterator[dict[str, Any]]:
    """The choice of an event, if it has one; `calls` tool calls precede it."""
    if isinstance(event, Content):
        yield _choice({"content": event.text}, logprobs=event.logprobs)
    elif isinstance(event, Thinking):
        yield _choice({"reasoning_content": event.text}, logprobs=event.logprobs)
    elif isinstance(event, ToolCall):
        call = to_openai_calls([event.call], run_id, calls)[0]
        yield _choice({"tool_calls": [{**call, "index": calls}]})


def _choice(
    delta: dict[str, Any], finish_reason: str | None = None, logprobs: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    return {
        "index": 0,
        "delta": delta,
        "logprobs": _logprobs(logprobs),
        "finish_reason": finish_reason,
    }
