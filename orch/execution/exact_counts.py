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
from orch.routing.context_size import is_close_to_limit
from orch.routing.model_state import ModelState
from orch.routing.router import Plan
from orch.text.prompt import PreparedTask

MOST_COUNTED = 3
COUNT_TIMEOUT_S = 5.0


async def plan_with_counts(
    runtime: Runtime, prepared: PreparedTask, decided: Plan | OrchError
) -> Plan:
    """Decides once more with the counts of the models' servers, after a plan or its refusal by the
    estimate; where nobody counts, that stands. Raises OrchError."""
    if isinstance(decided, OrchError):
        with_unlisted = True if prepared.task.model else None
        inventory = await runtime.registry.snapshot(with_unlisted=with_unlisted)
        states: Iterable[ModelState] = inventory.states
    else:
        states = decided.states.values()
    counted = await with_exact_counts(prepared, states, runtime.providers)
    if counted is not prepared:
        return await runtime.router.plan(prepared.task, counted)
    if isinstance(decided, OrchError):
        raise decided
    return decided


async def with_exact_counts(
    prepared: PreparedTask, states: Iterable[ModelState], providers: Mapping[str, ProviderClient]
) -> PreparedTask:
    """The task with the tokens that the servers of loaded models count for it; the same object
    where it is close to no limit, or nobody counts. Sends no prompt to a server that would answer
    it, and loads nothing."""
    close = [state for state in states if is_close_to_limit(state, prepared.need)]
    able = [each for each in close if isinstance(providers[each.spec.provider], CountsTokens)]
    if not able or prepared.task.raw:
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


async def _count(prepared: PreparedTask, state: ModelState, provider: ProviderClient) -> int | None:
    assert isinstance(provider, CountsTokens)
    prompt = Prompt(prepared.messages, prefills=provider.prefills)
    request = build_chat_request(prepared.task, prompt, prepared.need, state)
    with suppress(ProviderError, TimeoutError):
        async with asyncio.timeout(COUNT_TIMEOUT_S):
            return await provider.count_tokens(request)
    return None
