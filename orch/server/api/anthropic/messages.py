"""Anthropic's messages: a request as a task, and the answer as a message or as a stream of
events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from time import monotonic
from typing import Any, NamedTuple

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.execution.events import Done, Fallback, Thinking
from orch.execution.run import OnPartial
from orch.server.api.anthropic.blocks import to_conversation
from orch.server.api.anthropic.dialect import anthropic_endpoint, anthropic_error
from orch.server.api.anthropic.output import (
    ContentBlocks,
    content_blocks,
    delta_usage,
    end_of,
    is_refusal,
    refusal_end,
    usage_of,
)
from orch.server.api.anthropic.schemas import MessagesRequest
from orch.server.api.anthropic.tools import CalledTools, field_error, parse_tools
from orch.server.api.handler import (
    ActiveRequest,
    PendingResponse,
    StreamedResponse,
    json_response,
    parse_body,
    response_headers,
    run_and_respond,
)
from orch.server.api.openai.chat import EVENT_STREAM, fallback_comment
from orch.server.api.request_task import ChatParams, build_request_task
from orch.types import RunResult, Usage

PING_S = 5.0
"""Seconds between two pings while a model thinks and its thoughts are not shown."""
LOW_BUDGET, HIGH_BUDGET = 2_048, 16_384
"""Tokens of thought up to which a budget is a low effort, and above which it is a high one. Between
them no effort is named: many models know none, and their server would have to be asked twice."""
_SAMPLING = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop_sequences": "stop",
}
"""Anthropic's sampling fields as options of a task."""


class AnswerForm(NamedTuple):
    """How a client wants its answer, and the sequences that may end it."""

    shows_thinking: bool
    single_call: bool
    stop_sequences: tuple[str, ...] = ()

    @property
    def blocks(self) -> dict[str, bool]:
        """What is left out of its blocks."""
        return {"shows_thinking": self.shows_thinking, "single_call": self.single_call}


@anthropic_endpoint
async def create_message(request: Request) -> Response:
    """`POST /v1/messages`: as in Anthropic's API."""
    body = await parse_body(request, MessagesRequest)
    tools = parse_tools(body.tools or (), body.tool_choice)
    task = build_request_task(request, message_params(body, tools))
    stops = tuple(body.stop_sequences or ())
    form = AnswerForm(shows_thinking(body), not tools.allows_several, stops)

    async def respond(pending: PendingResponse, active: ActiveRequest) -> Response:
        estimate = active.run.estimated_prompt_tokens
        if body.stream:
            events = _events(pending, form, estimate)
            return StreamedResponse(events, pending.headers, EVENT_STREAM, active.hand_over())
        result = await pending.result()
        return json_response(_message(pending, result, form, estimate), pending.headers)

    on_partial: OnPartial = "continue" if body.stream else "restart"
    try:
        return await run_and_respond(request, task, on_partial, "anthropic", respond)
    except OrchError as error:
        if not is_refusal(error):
            raise
        return _refused(error, body)


# ---------------------------------------------------------------- the request


def message_params(body: MessagesRequest, tools: CalledTools) -> ChatParams:
    """The request's parameters. Raises OrchError for what no other model can be asked."""
    conversation = to_conversation(body.system, body.messages)
    choice = {} if tools.choice.value is None else {"tool_choice": tools.choice.value}
    return ChatParams(
        model=body.model,
        messages=conversation.messages,
        options=_options(body),
        extra=thinking_fields(body.thinking) | choice,
        tools=tools.functions.functions or None,
        response_format=_response_format(body.output_config),
        warnings=(*tools.warnings, *conversation.warnings),
    )


def _options(body: MessagesRequest) -> dict[str, Any]:
    fields = {name: getattr(body, field) for field, name in _SAMPLING.items()}
    if (fields["max_tokens"] or 0) < 1:
        fields["max_tokens"] = None
    return {name: value for name, value in fields.items() if value not in (None, [])}


def thinking_fields(thinking: dict[str, Any] | None) -> dict[str, Any]:
    """`thinking` as Ollama's `think`: a budget of tokens is an effort; what is adaptive, or left
    out, is up to the model. Raises OrchError for an unknown type."""
    kind = (thinking or {}).get("type", "adaptive")
    if kind == "disabled":
        return {"think": False}
    if kind == "adaptive":
        return {}
    if kind != "enabled":
        raise field_error("thinking.type", f"{kind!r} is none of enabled, adaptive, disabled")
    budget = (thinking or {}).get("budget_tokens")
    if not isinstance(budget, int) or LOW_BUDGET < budget <= HIGH_BUDGET:
        return {"think": True}
    return {"think": "low" if budget <= LOW_BUDGET else "high"}


def shows_thinking(body: MessagesRequest) -> bool:
    """Whether the client expects thoughts: many read the first block as the answer."""
    return (body.thinking or {}).get("type") in ("enabled", "adaptive")


def _response_format(config: dict[str, Any] | None) -> dict[str, Any] | None:
    """The schema of `output_config.format`, if there is one; the other settings are Anthropic's."""
    form = (config or {}).get("format")
    if not isinstance(form, dict):
        return None
    if form.get("type") != "json_schema" or not isinstance(form.get("schema"), dict):
        raise field_error("output_config.format", "must be json_schema with a schema")
    schema = {"name": "answer", "schema": form["schema"]}
    return {"type": "json_schema", "json_schema": schema}


# ---------------------------------------------------------------- the answer


def _head(pending: PendingResponse) -> dict[str, Any]:
    return {
        "id": f"msg_{pending.run_id}",
        "type": "message",
        "role": "assistant",
        "model": pending.model_name,
    }


def _message(
    pending: PendingResponse, result: RunResult, form: AnswerForm, estimate: int
) -> dict[str, Any]:
    """A finished run as a message."""
    content = content_blocks(result, **form.blocks)
    return {
        **_head(pending),
        "content": content,
        **end_of(result, form.stop_sequences),
        "usage": usage_of(result.response.usage, estimate),
    }


def _refused(error: OrchError, body: MessagesRequest) -> Response:
    """The message of a model that refused before it gave any text."""
    attempt = error.attempts[-1]
    message = {
        "id": f"msg_{error.run_id}",
        "type": "message",
        "role": "assistant",
        "model": attempt.model,
        "content": [],
        **refusal_end(error),
        "usage": usage_of(Usage(attempt.prompt_tokens), attempt.estimated_tokens),
    }
    headers = response_headers(error.run_id, attempt.model, "", len(error.attempts) - 1)
    if not body.stream:
        return json_response(message, headers)
    start = {"type": "message_start", "message": {**message, "stop_reason": None}}
    events = (sse_event(start), _PING, _last_events(refusal_end(error), message["usage"]))
    return Response(b"".join(events), 200, headers, EVENT_STREAM)


def sse_event(event: dict[str, Any]) -> bytes:
    """One server-sent event, named as its type."""
    return f"event: {event['type']}\ndata: ".encode() + to_json(event) + b"\n\n"


_PING = sse_event({"type": "ping"})


async def _events(
    pending: PendingResponse, form: AnswerForm, estimate: int
) -> AsyncGenerator[bytes]:
    """The run as Anthropic's stream. A failed run ends with an error and without
    `message_stop`."""
    blocks, pinged_at = ContentBlocks(pending.run_id, **form.blocks), monotonic()
    yield _start(pending, estimate) + _PING
    try:
        async for event in pending.events():
            if isinstance(event, Done):
                delta = end_of(event.result, form.stop_sequences)
                usage = delta_usage(event.result.response.usage, estimate)
                yield b"".join(map(sse_event, blocks.close())) + _last_events(delta, usage)
                continue
            if isinstance(event, Fallback):
                yield fallback_comment(event)
            if sent := b"".join(map(sse_event, blocks.add(event))):
                yield sent
            elif isinstance(event, Thinking) and monotonic() - pinged_at > PING_S:
                pinged_at = monotonic()
                yield _PING
    except OrchError as error:
        if not is_refusal(error):
            yield sse_event(anthropic_error(error))
            return
        attempt = error.attempts[-1]
        usage = delta_usage(Usage(attempt.prompt_tokens, attempt.completion_tokens), estimate)
        yield b"".join(map(sse_event, blocks.close())) + _last_events(refusal_end(error), usage)


def _start(pending: PendingResponse, estimate: int) -> bytes:
    message = {
        **_head(pending),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_of(Usage(0, 1), estimate),
    }
    return sse_event({"type": "message_start", "message": message})


def _last_events(delta: dict[str, Any], usage: dict[str, Any]) -> bytes:
    last = {"type": "message_delta", "delta": delta, "usage": usage}
    return sse_event(last) + sse_event({"type": "message_stop"})
