"""What follows a failed attempt: the same model again, another candidate, or none (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orch.errors import ProviderError
from orch.providers.chat import ChatRequest
from orch.routing.context_size import answer_room, required_context
from orch.routing.model_state import ModelState, with_token_count
from orch.types import Attempt, Candidate, ModelKey, Need

RATE_LIMIT_BACKOFF_S, MAX_BACKOFF_S = 0.25, 2.0
"""Seconds before a provider that limits its rate is called again: unless it says how long, and at
most."""
MAX_OVERFLOW_RETRIES = 1
"""How often one model is called again with more context. A retry uses up no attempt."""


def next_candidates(
    queue: Sequence[Candidate],
    failed: Candidate,
    failure: ProviderError,
    attempts: Sequence[Attempt],
    fits_now: Callable[[Candidate], bool],
) -> list[Candidate]:
    """The candidates that are still worth a call, in order.

    Where a provider can't be reached, has no free slot or has no form for a message, its other
    models are skipped: a call would only take time. A rate-limited model that was called once
    comes again if it is the last.
    """
    if failure.code == "turn_in_progress":
        return []  # the others were busier; a chore that comes late is worth nothing
    if failure.code in ("connect", "busy", "bad_input"):
        return [
            other
            for other in queue
            if other.provider != failed.provider or (failure.has_free_slot and fits_now(other))
        ]
    calls = sum(attempt.key == failed.key for attempt in attempts)
    if failure.code == "rate_limited" and not queue and calls == 1:
        return [failed]
    return list(queue)


def backoff_s(failure: ProviderError, failed: Candidate, following: Candidate) -> float:
    """Seconds to wait before the following call; 0 unless the same provider limits its rate."""
    if failure.code != "rate_limited" or following.provider != failed.provider:
        return 0.0
    return min(failure.retry_after_s or RATE_LIMIT_BACKOFF_S, MAX_BACKOFF_S)


def may_refuse_prefill(request: ChatRequest, failure: ProviderError) -> bool:
    """Whether the model may answer where a user's turn asks it to go on: it was to continue the
    last message, which templates of models that think refuse with 400 or 500."""
    return is_prefilled(request) and failure.code in ("rejected", "server_error")


def is_prefilled(request: ChatRequest) -> bool:
    """Whether the answer begins with the last message."""
    return bool(request.continues) and request.messages[-1].get("role") == "assistant"


def can_retry_with_more_context(
    failure: ProviderError, key: ModelKey, attempts: Sequence[Attempt]
) -> bool:
    """Whether a model whose context was exceeded may be called again. `attempts` hold this one."""
    overflows = sum(each.key == key and each.code == "context_overflow" for each in attempts)
    return failure.code == "context_overflow" and overflows <= MAX_OVERFLOW_RETRIES


def state_for_retry(
    state: ModelState, need: Need, request: ChatRequest, failure: ProviderError
) -> ModelState | None:
    """The model's state corrected by its refusal, for one more call; None where no call can fit.

    Where the refusal holds no token count, twice the context is tried. A server that fixes the
    context itself is asked for a shorter answer: OpenAI and vLLM count max_tokens as reserved.
    """
    state, counted = (
        _with_fixed_limit(state, request, failure)
        if state.fixed_ctx
        else (state, _count_for_larger_context(state, need, request, failure))
    )
    if counted is None or need.prompt_tokens <= 0:
        return None
    limit = state.context_window
    corrected = with_token_count(state, need.prompt_tokens, counted)
    return corrected if required_context(corrected, need, limit) <= limit else None


def _with_fixed_limit(
    state: ModelState, request: ChatRequest, failure: ProviderError
) -> tuple[ModelState, int | None]:
    """The state with the limit of the refusal, and the prompt's tokens where the answer's limit
    was what exceeded it."""
    limit = min(failure.context_tokens or state.default_ctx, state.default_ctx)
    counted, max_tokens = failure.prompt_tokens, request.max_tokens
    answer_too_long = (
        counted is not None and max_tokens is not None and counted + max_tokens > limit
    )
    return state._replace(context_window=limit), counted if answer_too_long else None


def _count_for_larger_context(
    state: ModelState, need: Need, request: ChatRequest, failure: ProviderError
) -> int | None:
    """The prompt's tokens by the refusal, else as many as twice the context holds."""
    limit, sent = state.context_window, request.num_ctx or 0
    if failure.context_tokens is not None and failure.context_tokens < sent:
        return None  # the server ignores num_ctx
    if failure.prompt_tokens:
        return failure.prompt_tokens
    doubled = min(sent * 2, limit)
    return doubled - answer_room(need, doubled) if sent < limit else None
