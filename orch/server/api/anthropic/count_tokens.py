"""Counts the tokens of a prompt as Anthropic's API does: by the model's server where that can
count, else estimated."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError, ProviderError
from orch.execution.request import Prompt, build_chat_request
from orch.execution.runtime import Runtime
from orch.providers import CountsTokens
from orch.routing.lookup import resolve_model
from orch.routing.model_state import ModelState
from orch.server.api.anthropic.blocks import to_conversation
from orch.server.api.anthropic.dialect import anthropic_endpoint
from orch.server.api.anthropic.schemas import CountTokensRequest
from orch.server.api.anthropic.tools import parse_tools
from orch.server.api.handler import json_response, parse_body, service_of
from orch.server.api.request_task import ChatParams, build_request_task
from orch.server.http.disconnect import CancelOnDisconnect
from orch.server.service import Service
from orch.text.prompt import LONG_TASK_CHARS, PreparedTask, Task, prepare_task, text_size

REFUSALS = ("model_not_found", "remote", "bad_input")
"""Codes of a task that no prompt of any length changes. For all others there is still a count: a
client asks for it to find out whether its prompt is too long."""


@anthropic_endpoint
async def count_tokens(request: Request) -> Response:
    """`POST /v1/messages/count_tokens`: exact where the model's server can count, else estimated
    and corrected by what its earlier counts were."""
    body = await parse_body(request, CountTokensRequest)
    tools = parse_tools(body.tools or (), body.tool_choice)
    conversation = to_conversation(body.system, body.messages)
    params = ChatParams(
        model=body.model,
        messages=conversation.messages,
        tools=tools.functions.functions or None,
    )
    task = build_request_task(request, params)
    with CancelOnDisconnect(request):
        tokens = await _count(service_of(request), task)
    return json_response({"input_tokens": tokens})


async def _count(service: Service, task: Task) -> int:
    runtime = service.orchestrator.runtime
    is_long = text_size(task) > LONG_TASK_CHARS
    prepared = await runtime.offload(prepare_task, task) if is_long else prepare_task(task)
    state = await _asked_model(runtime, prepared)
    if state is None:
        return prepared.need.prompt_tokens
    provider = runtime.providers[state.spec.provider]
    if isinstance(provider, CountsTokens):
        prompt = Prompt(prepared.messages, prefills=provider.prefills)
        with suppress(ProviderError):
            chat = build_chat_request(task, prompt, prepared.need, state)
            return await provider.count_tokens(chat)
    learned = service.token_counts.estimate(state.key, prepared.need.token_parts)
    return learned or state.corrected_tokens(prepared.need.prompt_tokens)


async def _asked_model(runtime: Runtime, prepared: PreparedTask) -> ModelState | None:
    """The model that would answer, else the one with the largest context; None if there is none.
    Raises OrchError for a model that does not exist or may not be asked."""
    task = prepared.task
    try:
        plan = await runtime.router.plan(task, prepared)
        return plan.states[plan.order[0].key]
    except OrchError as error:
        if error.code in REFUSALS:
            raise
    inventory = await runtime.registry.snapshot(with_unlisted=True if task.model else None)
    if task.model:
        return resolve_model(inventory, task.model)
    return _largest(state for state in inventory.states if not state.unavailable)


def _largest(states: Iterable[ModelState]) -> ModelState | None:
    able = [state for state in states if state.can_chat and not state.spec.last_resort]
    return max(able, key=lambda state: state.context_window, default=None)
