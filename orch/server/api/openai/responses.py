"""OpenAI's Responses: a request as a task, and the answer whole or as a stream of typed events."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import replace
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
)
from orch.server.api.openai.chat import (
    EVENT_STREAM,
    fallback_comment,
    openai_error,
    sampling_options,
)
from orch.server.api.openai.codex_compaction import AskedWindows, unended_turn, window_to_compact
from orch.server.api.openai.item_references import resolve_references
from orch.server.api.openai.response_fields import final_fields, initial_response
from orch.server.api.openai.responses_input import (
    NO_LOGPROBS,
    input_messages,
    response_format_of,
)
from orch.server.api.openai.responses_output import OutputItems, output_items
from orch.server.api.openai.schemas import ResponsesRequest
from orch.server.api.openai.stored_conversation import NOTHING_BEFORE, StoredConversation
from orch.server.api.openai.stored_responses import fields_to_store, previous_conversation
from orch.server.api.openai.tools import FunctionTools, parse_tool_choice, tools_from_responses
from orch.server.api.request_task import ChatParams, build_request_task
from orch.server.api.warning_headers import with_warning_headers

UNSUPPORTED_FIELDS = {
    "conversation": "orch keeps no conversations of OpenAI's: send the whole conversation as input",
    "background": "orch answers while the client waits: leave it out, or ask with stream: true",
    "prompt": "orch keeps no prompt templates: send the text as input",
}
"""Fields that refer to what OpenAI stores or runs between requests, and what to do instead."""
HANDLED_FIELDS = frozenset(
    (
        *("model", "input", "instructions", "stream", "stream_options", "max_output_tokens"),
        *("temperature", "top_p", "tools", "tool_choice", "reasoning", "text", "truncation"),
        "previous_response_id",
        *("metadata", "store", "include", "max_tool_calls", "options", "context_management"),
        *("parallel_tool_calls", "prompt_cache_key", "prompt_cache_retention", "client_metadata"),
        *("prompt_cache_options", "safety_identifier", "user", "service_tier", "moderation"),
        "top_logprobs",
        *UNSUPPORTED_FIELDS,
    )
)
"""Fields that are not passed to the model's server, or are translated to those of chat
completions: some mean something to OpenAI alone, and a strict server refuses them."""
LOGPROBS_INCLUDE = "message.output_text.logprobs"
"""Its name in `include`."""
FAILURE_CODES = {"busy": "rate_limit_exceeded", "context_overflow": "context_length_exceeded"}
"""orch's codes to those of a failed response; server_error for the others."""
responses_error = partial(openai_error, prompt_field="input")


@with_error_envelope(responses_error)
async def responses(request: Request) -> Response:
    """`POST /v1/responses`."""
    body = await parse_body(request, ResponsesRequest)
    tools = tools_from_responses(body.tools or ())
    before = await previous_conversation(request, body.previous_response_id)
    body.input, missing = await resolve_references(request, body.input)
    before = before._replace(warnings=(*before.warnings, *missing))
    task = build_request_task(request, responses_params(body, tools, before))
    task = replace(task, stored_response=fields_to_store(request, body, tools.members))

    is_stored = task.stored_response is not None

    async def respond(pending: PendingResponse, active: ActiveRequest) -> Response:
        if body.stream:
            return StreamedResponse(
                _events(pending, body, tools, is_stored),
                pending.headers,
                EVENT_STREAM,
                active.hand_over(),
            )
        result = await pending.result()
        return json_response(
            {
                **initial_response(body, pending.run_id, pending.model_name, is_stored=is_stored),
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
        return _overflow_stream(body, error, request.app.state.codex_windows)


def responses_params(
    body: ResponsesRequest, tools: FunctionTools, before: StoredConversation = NOTHING_BEFORE
) -> ChatParams:
    """The request's parameters. Raises OrchError for what orch can't do."""
    fields, text, reasoning = (
        body.model_dump(exclude_unset=True, exclude_none=True),
        body.text or {},
        body.reasoning or {},
    )
    _check_supported(fields)
    choice = parse_tool_choice(body.tool_choice, tools.names)
    conversation = input_messages(body.input, body.instructions, before.messages)
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
        warnings=(*tools.warnings, *choice.warnings, *before.warnings, *conversation.warnings),
        cache_key=fields.get("prompt_cache_key"),
        session=before.session,
    )


def _check_supported(fields: dict[str, Any]) -> None:
    for name, instead in UNSUPPORTED_FIELDS.items():
        if fields.get(name):
            raise field_error(name, instead)
    if fields.get("top_logprobs"):
        raise field_error("top_logprobs", NO_LOGPROBS)
    if LOGPROBS_INCLUDE in str(fields.get("include")):
        raise field_error("include", NO_LOGPROBS)


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


# ---------------------------------------------------------------- streamed


async def _events(
    pending: PendingResponse, body: ResponsesRequest, tools: FunctionTools, is_stored: bool
) -> AsyncGenerator[bytes]:
    """The run as typed events. A failed run ends with `response.failed`."""
    output, numbers, response = (
        OutputItems(pending.run_id, tools.members),
        count(),
        initial_response(body, pending.run_id, pending.model_name, is_stored=is_stored),
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
        "store": False,
        "error": {
            "code": FAILURE_CODES.get(error.code, "server_error"),
            "message": responses_error(error)["error"]["message"],
        },
    }


def _overflow_stream(body: ResponsesRequest, error: OrchError, asked: AskedWindows) -> Response:
    """Too long a prompt as a stream that fails, as OpenAI answers it: of an error with status 400
    Codex shows the text and ends. A turn of Codex that its compaction helps does not fail."""
    response = initial_response(body, error.run_id, body.model, is_stored=False)
    window = window_to_compact(body)
    unended = unended_turn(error, int(time.time())) if window else None
    if unended is not None and asked.add(window):
        end, fields = "completed", unended
    else:
        end, fields = "failed", _failed(error)
    events = (
        {"type": "response.created", "response": response},
        {"type": "response.in_progress", "response": response},
        {"type": f"response.{end}", "response": {**response, **fields}},
    )
    content = b"".join(_event(number, event) for number, event in enumerate(events))
    headers = {"cache-control": "no-store", "content-type": EVENT_STREAM, **error_headers(error)}
    return with_warning_headers(Response(content, 200, headers), error.warnings)
