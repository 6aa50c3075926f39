"""Counts a prompt exactly before it is sent, where its estimate is so close to a model's context
that the estimate can't tell whether it fits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress

from orch.errors import OrchError, ProviderError
from orch.execution.request import Prompt, build_chat_request
from orch.execution.runtime import Runtime
from orch.providers import CountsTokens, ProviderClient
from orch.routing.model_state import UNKNOWN_CTX, ModelState, required_context
from orch.routing.router import Plan
from orch.text.prompt import PreparedTask

CLOSE = (0.8, 1.6)
"""The shares of the context between which what a prompt needs by its estimate may be on either
side of the limit: code has up to 1.5 times the tokens that are estimated, prose four fifths."""
MOST_COUNTED = 3
COUNT_TIMEOUT_S = 5.0


async def plan_exactly(runtime: Runtime, prepared: PreparedTask) -> Plan:
    """Decides; once more where a count decides whether the prompt fits. Raises OrchError as
    `Router.plan` does."""
    router, task, plan = runtime.router, prepared.task, None
    try:
        plan = await router.plan(task, prepared)
        states: Iterable[ModelState] = plan.states.values()
    except OrchError as error:
        if error.code != "context_overflow":
            raise
        refusal = error
        with_unlisted = True if task.model else None
        states = (await runtime.registry.snapshot(with_unlisted=with_unlisted)).states
    counted = await with_exact_counts(prepared, states, runtime.providers)
    if counted is not prepared:
        return await router.plan(task, counted)
    if plan is None:
        raise refusal
    return plan


async def with_exact_counts(
    prepared: PreparedTask, states: Iterable[ModelState], providers: Mapping[str, ProviderClient]
) -> PreparedTask:
    """The task with the tokens that the servers of loaded models count for it; the same object
    where it is close to no limit, or nobody counts. Sends no prompt to a server that would answer
    it, and loads nothing."""
    close = [state for state in states if _is_close(prepared, state)]
    able = [each for each in close if isinstance(providers[each.spec.provider], CountsTokens)]
    if not able:
        return prepared
    counted = await asyncio.gather(
        *(_count(prepared, each, providers[each.spec.provider]) for each in able[:MOST_COUNTED])
    )
    counts = {
        state.key: tokens
        for state, tokens in zip(able, counted, strict=False)
        if tokens is not None
    }
    return prepared._replace(counts=counts) if counts else prepared


def _is_close(prepared: PreparedTask, state: ModelState) -> bool:
    if not (state.fixed_ctx and state.resident) or state.unavailable or prepared.task.raw:
        return False
    limit = state.default_ctx
    if limit >= UNKNOWN_CTX or state.recount(prepared.need.prompt_tokens) is not None:
        return False
    least, most = CLOSE
    return least * limit <= required_context(state, prepared.need, limit) <= most * limit


async def _count(prepared: PreparedTask, state: ModelState, provider: ProviderClient) -> int | None:
    assert isinstance(provider, CountsTokens)
    prompt = Prompt(prepared.messages, prefills=provider.prefills)
    request = build_chat_request(prepared.task, prompt, prepared.need, state)
    with suppress(ProviderError, TimeoutError):
        async with asyncio.timeout(COUNT_TIMEOUT_S):
            return await provider.count_tokens(request)
    return None
