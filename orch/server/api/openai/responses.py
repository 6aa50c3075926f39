"""OpenAI's Responses, stateless: each request carries its whole conversation, and responses are not
stored."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from functools import partial
from itertools import count
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.execution.events import Done, Fallback
from orch.server.api.field_path import field_error
from orch.server.api.handler import (
    ActiveRequest,
    PendingResponse,
    StreamedResponse,
    error_headers,
    json_response,
    parse_body,
    run_and_respond,
    with_error_envelope,
    with_warning_headers,
)
from orch.server.api.openai.chat import (
    EVENT_STREAM,
    fallback_comment,
    openai_error,
    sampling_options,
)
from orch.server.api.openai.responses_input import (
    NO_LOGPROBS,
    input_messages,
    response_format_of,
)
from orch.server.api.openai.responses_output import OutputItems, output_items
from orch.server.api.openai.schemas import ResponsesRequest
from orch.server.api.openai.tools import FunctionTools, parse_tool_choice, tools_from_responses
from orch.server.api.request_task import ChatParams, build_request_task
from orch.types import RunResult, Usage

UNSUPPORTED_FIELDS = {
    "previous_response_id": "orch is stateless and keeps no responses: send the whole"
    " conversation as input",
    "conversation": "orch keeps no conversations of OpenAI's: send the whole conversation as input",
    "background": "orch answers while the client waits: leave it out, or ask with stream: true",
    "prompt": "orch keeps no prompt templates: send the text as input",
}
"""Fields that refer to what OpenAI stores or runs between requests, and what to do instead."""
HANDLED_FIELDS = frozenset(
    (
        *("model", "input", "instructions", "stream", "stream_options", "max_output_tokens"),
        *("temperature", "top_p", "tools", "tool_choice", "reasoning", "text", "truncation"),
        *("metadata", "store", "include", "max_tool_calls", "options", "context_management"),
        *("parallel_tool_calls", "prompt_cache_key", "prompt_cache_retention", "client_metadata"),
        *("prompt_cache_options", "safety_identifier", "user", "service_tier", "moderation"),
        *UNSUPPORTED_FIELDS,
    )
)
"""Fields that are not passed to the model's server, or are translated to those of chat
completions: some mean something to OpenAI alone, and a strict server refuses them."""
MAX_ECHO_BYTES = 4_096
"""Of a field's JSON that a response repeats from its request. A stream has it three times, and an
agent sends tools of a hundred kilobytes. OpenAI's library requires `tools` to be a list, and takes
what it parses from the request."""
DEFAULTS: dict[str, Any] = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "max_tool_calls": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "top_logprobs": 0,
}
"""Fields that a response repeats from the request, with what OpenAI and Ollama say if it has
none."""
LOGPROBS_INCLUDE = "message.output_text.logprobs"
"""Its name in `include`."""
FAILURE_CODES = {"busy": "rate_limit_exceeded", "context_overflow": "context_length_exceeded"}
"""orch's codes to those of a failed response; server_error for the others. Codex starts to compact
its conversation at `context_length_exceeded` of a `response.failed`."""
responses_error = partial(openai_error, prompt_field="input")


@with_error_envelope(responses_error)
async def responses(request: Request) -> Response:
    """`POST /v1/responses`."""
    body = await parse_body(request, ResponsesRequest)
    tools = tools_from_responses(body.tools or ())
    task = build_request_task(request, responses_params(body, tools))

    async def respond(pending: PendingResponse, active: ActiveRequest) -> Response:
        if body.stream:
            return StreamedResponse(
                _events(pending, body, tools),
                pending.headers,
                EVENT_STREAM,
                active.hand_over(),
            )
        result = await pending.result()
        return json_response(
            {
                **initial_response(body, pending.run_id, pending.model_name),
                **final_fields(result, pending.model_name),
                "output": output_items(result, tools.members),
            },
            pending.headers,
        )

    try:
        return await run_and_respond(
            request, task, "continue" if body.stream else "restart", "openai", respond
        )
    except OrchError as error:
        if not body.stream or error.code != "context_overflow":
            raise
        return _overflow_stream(body, error)


def responses_params(body: ResponsesRequest, tools: FunctionTools) -> ChatParams:
    """The request's parameters. Raises OrchError for what orch can't do."""
    fields, text, reasoning = (
        body.model_dump(exclude_unset=True, exclude_none=True),
        body.text or {},
        body.reasoning or {},
    )
    _check_supported(fields)
    choice = parse_tool_choice(body.tool_choice, tools.names)
    conversation = input_messages(body.input, body.instructions)
    return ChatParams(
        model=body.model,
        messages=conversation.messages,
        options=sampling_options(
            body.options,
            _without_none(
                max_tokens=body.max_output_tokens,
                temperature=body.temperature,
                top_p=body.top_p,
                reasoning_effort=reasoning.get("effort"),
            ),
        ),
        extra={name: value for name, value in fields.items() if name not in HANDLED_FIELDS}
        | _without_none(tool_choice=choice.value, verbosity=text.get("verbosity")),
        tools=tools.functions or None,
        response_format=response_format_of(text.get("format")),
        warnings=(*tools.warnings, *choice.warnings, *conversation.warnings),
    )


def _check_supported(fields: dict[str, Any]) -> None:
    for name, instead in UNSUPPORTED_FIELDS.items():
        if fields.get(name):
            raise field_error(name, instead)
    if fields.get("top_logprobs") or LOGPROBS_INCLUDE in str(fields.get("include")):
        raise field_error("include" if fields.get("include") else "top_logprobs", NO_LOGPROBS)


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


# ---------------------------------------------------------------- the response


def initial_response(
    body: ResponsesRequest, run_id: str, model: str, *, created_at: int | None = None
) -> dict[str, Any]:
    """The response before its first item, with the request's parameters, or OpenAI's defaults."""
    fields = body.model_extra or {}
    return {
        "id": f"resp_{run_id}",
        "object": "response",
        "created_at": created_at or int(time.time()),
        "completed_at": None,
        "status": "in_progress",
        "model": model,
        "output": [],
        "error": None,
        "incomplete_details": None,
        "usage": None,
        "instructions": _echo(body.instructions, None),
        "max_output_tokens": body.max_output_tokens,
        "metadata": _echo(body.metadata, {}),
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "reasoning": {"effort": None, "summary": None, **_echo(body.reasoning, {})},
        "temperature": _or(body.temperature, 1),
        "text": {"format": {"type": "text"}, **_echo(body.text, {})},
        "tool_choice": _echo(body.tool_choice or None, "auto"),
        "tools": _echo(body.tools, []),
        "top_p": _or(body.top_p, 1),
        **{name: _echo(fields.get(name), default) for name, default in DEFAULTS.items()},
        "truncation": "disabled",
        "service_tier": "default",
        "background": False,
        "previous_response_id": None,
        "store": False,
    }


def _echo(value: Any, default: Any) -> Any:
    """A value of the request; the default for none, and for one that is too long to repeat."""
    is_long = value is not None and len(to_json(value)) > MAX_ECHO_BYTES
    return default if value is None or is_long else value


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def final_fields(result: RunResult, model: str) -> dict[str, Any]:
    """The fields of the response that the end of a run sets."""
    cut = result.response.finish_reason == "length"
    return {
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "model": model,
        "completed_at": None if cut else int(time.time()),
        "usage": responses_usage(result.response.usage),
    }


def responses_usage(counted: Usage) -> dict[str, Any]:
    """Token counts as Responses names them; the details must be numbers, and no server reports
    them."""
    return {
        "input_tokens": counted.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": counted.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counted.prompt_tokens + counted.completion_tokens,
    }


# ---------------------------------------------------------------- streamed


async def _events(
    pending: PendingResponse, body: ResponsesRequest, tools: FunctionTools
) -> AsyncGenerator[bytes]:
    """The run as typed events. A failed run ends with `response.failed`."""
    output, numbers, response = (
        OutputItems(pending.run_id, tools.members),
        count(),
        initial_response(body, pending.run_id, pending.model_name),
    )
    for kind in ("response.created", "response.in_progress"):
        yield _event(next(numbers), {"type": kind, "response": response})
    try:
        async for event in pending.events():
            if isinstance(event, Fallback):
                yield fallback_comment(event)
            end = (
                final_fields(event.result, pending.model_name) if isinstance(event, Done) else None
            )
            for item in output.close(end["status"]) if end else output.add(event):
                yield _event(next(numbers), item)
            if end:
                yield _event(
                    next(numbers),
                    {
                        "type": f"response.{end['status']}",
                        "response": {**response, **end, "output": output.items},
                    },
                )
    except OrchError as error:
        yield _event(
            next(numbers),
            {
                "type": "response.failed",
                "response": {**response, **_failed(error), "output": output.partial_items()},
            },
        )


def _event(number: int, event: dict[str, Any]) -> bytes:
    return (
        f"event: {event['type']}\ndata: ".encode()
        + to_json({"sequence_number": number, **event})
        + b"\n\n"
    )


def _failed(error: OrchError) -> dict[str, Any]:
    return {
        "status": "failed",
        "error": {
            "code": FAILURE_CODES.get(error.code, "server_error"),
            "message": responses_error(error)["error"]["message"],
        },
    }


def _overflow_stream(body: ResponsesRequest, error: OrchError) -> Response:
    """Too long a prompt as a stream that fails, as OpenAI answers it: of an error with status 400
    Codex shows the text and ends."""
    model = body.model
    response = initial_response(body, error.run_id, model)
    events = (
        {"type": "response.created", "response": response},
        {"type": "response.in_progress", "response": response},
        {"type": "response.failed", "response": {**response, **_failed(error)}},
    )
    content = b"".join(_event(number, event) for number, event in enumerate(events))
    headers = {"cache-control": "no-store", "content-type": EVENT_STREAM, **error_headers(error)}
    return with_warning_headers(Response(content, 200, headers), error.warnings)
