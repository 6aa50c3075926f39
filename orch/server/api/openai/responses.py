"""OpenAI's Responses, stateless: each request carries its whole conversation, and responses are not
stored."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.execution.events import Done, Fallback
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
    fallback_comment,
    openai_error,
    sampling_options,
)
from orch.server.api.openai.responses_input import (
    NO_LOGPROBS,
    field_error,
    input_messages,
    response_format_of,
)
from orch.server.api.openai.responses_output import OutputItems, output_items
from orch.server.api.openai.schemas import ResponsesRequest
from orch.server.api.openai.tools import FunctionTools, parse_tool_choice, tools_from_responses
from orch.server.api.request_task import ChatParams, build_request_task
from orch.types import RunResult, Usage

STATEFUL_FIELDS = ("previous_response_id", "conversation", "background", "prompt")
"""Fields that refer to what OpenAI stores between requests."""
HANDLED_FIELDS = (
    *(
        "model",
        "input",
        "instructions",
        "stream",
        "stream_options",
        "max_output_tokens",
        "temperature",
        "top_p",
        "tools",
        "tool_choice",
    ),
    *(
        "reasoning",
        "text",
        "metadata",
        "store",
        "include",
        "truncation",
        "max_tool_calls",
        *STATEFUL_FIELDS,
    ),
)
"""Fields that are not passed to the model's server, or are translated to those of chat
completions."""
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
FAILURE_CODES = {"busy": "rate_limit_exceeded", "context_overflow": "invalid_prompt"}
"""orch's codes to those of a failed response; server_error for the others."""


@with_error_envelope(openai_error)
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
                **initial_response(body, pending),
                **final_fields(result, pending.model_name),
                "output": output_items(result, tools.members),
            },
            pending.headers,
        )

    return await run_and_respond(
        request, task, "continue" if body.stream else "restart", "openai", respond
    )


def responses_params(body: ResponsesRequest, tools: FunctionTools) -> ChatParams:
    """The request's parameters. Raises OrchError for what a stateless server can't do."""
    fields, text, reasoning = (
        body.model_dump(exclude_unset=True, exclude_none=True),
        body.text or {},
        body.reasoning or {},
    )
    for name in STATEFUL_FIELDS:
        if fields.get(name):
            raise field_error(
                name,
                "orch is stateless and keeps no responses: send the whole conversation as input",
            )
    if fields.get("top_logprobs") or LOGPROBS_INCLUDE in str(fields.get("include")):
        raise field_error("logprobs", NO_LOGPROBS)
    choice = parse_tool_choice(body.tool_choice, tools.names)
    return ChatParams(
        model=body.model,
        messages=input_messages(body.input, body.instructions),
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
        warnings=(*tools.warnings, *choice.warnings),
    )


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


# ---------------------------------------------------------------- the response


def initial_response(body: ResponsesRequest, pending: PendingResponse) -> dict[str, Any]:
    """The response before its first item, with the request's parameters, or OpenAI's defaults."""
    fields = body.model_extra or {}
    return {
        "id": f"resp_{pending.run_id}",
        "object": "response",
        "created_at": int(time.time()),
        "completed_at": None,
        "status": "in_progress",
        "model": pending.model_name,
        "output": [],
        "error": None,
        "incomplete_details": None,
        "usage": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "reasoning": {"effort": None, "summary": None, **(body.reasoning or {})},
        "temperature": _or(body.temperature, 1),
        "text": {"format": {"type": "text"}, **(body.text or {})},
        "tool_choice": body.tool_choice or "auto",
        "tools": body.tools or [],
        "top_p": _or(body.top_p, 1),
        **{name: _or(fields.get(name), default) for name, default in DEFAULTS.items()},
        "truncation": "disabled",
        "service_tier": "default",
        "background": False,
        "previous_response_id": None,
        "store": False,
    }


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
        initial_response(body, pending),
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
            "message": openai_error(error)["error"]["message"],
        },
    }
