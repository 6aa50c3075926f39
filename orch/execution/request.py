"""What one model is asked for a task: its messages, its context, the room for its answer (pure)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orch.errors import ProviderError
from orch.providers.thinking import CANNOT_THINK, NO_THINKING_VALUES
from orch.routing.model_state import (
    ModelState,
    answer_room,
    choose_num_ctx,
    required_context,
    with_token_count,
)
from orch.text.prompt import Task, estimate_text_tokens
from orch.types import ChatRequest, Message, Need

FIRST_TOKEN_TIMEOUT_S, TOKEN_TIMEOUT_S = 300.0, 60.0
PROMPT_MARGIN = 1.2
"""Room kept for a prompt that is longer than estimated, so that Ollama never drops context while
generating."""
MIN_ANSWER_TOKENS = 16
"""Tokens of an answer that are always allowed."""
THINKING_FIELDS = ("think", "reasoning_effort")
"""How clients wish for thinking: Ollama's word, true, false or a degree, and OpenAI's. A wish: no
model fails for it."""
_SIZES = ("num_ctx", "max_tokens", "max_completion_tokens", "num_predict")


def build_chat_request(
    task: Task, messages: list[Message], need: Need, state: ModelState, shown: str = ""
) -> ChatRequest:
    """The request for one model; `shown` is text of a model that failed, from which this one goes
    on."""
    need = replace(need, prompt_tokens=estimated_prompt_tokens(need, shown))
    num_ctx = choose_num_ctx(state, need)
    room, asked = max_answer_tokens(state, need, num_ctx), task.max_tokens or state.spec.max_tokens
    return ChatRequest(
        model=state.spec.id,
        messages=_for_model(messages, state.spec.system, shown),
        options=_thinkable(
            {
                **state.spec.options,
                **{name: value for name, value in task.options.items() if name not in _SIZES},
            },
            state,
        ),
        num_ctx=None if state.fixed_ctx else num_ctx,
        max_tokens=min(asked, room) if asked else (None if state.fixed_ctx else room),
        tools=task.tools,
        response_format=task.response_format,
        extra=_thinkable(task.extra, state),
        affinity=task.affinity or task.session or "",
        first_token_timeout_s=task.timeout_s or FIRST_TOKEN_TIMEOUT_S,
        token_timeout_s=min(task.timeout_s or TOKEN_TIMEOUT_S, TOKEN_TIMEOUT_S),
    )


def cannot_think(state: ModelState) -> bool:
    """Whether the model is known not to think; where its server does not tell, the wish is sent,
    and a refusal shows it."""
    return state.capabilities is not None and "thinking" not in state.capabilities


def ignored_thinking_warning(task: Task, state: ModelState) -> str:
    """What is to be said where a model is asked to think and can't; empty where nothing is."""
    given = {**task.options, **task.extra}
    return f"{state.spec.id} {CANNOT_THINK}" if _thinkable(given, state) != given else ""


def _thinkable(given: dict[str, Any], state: ModelState) -> dict[str, Any]:
    """The fields without a wish that the model can't fulfil; not to think is a wish that every
    model can."""
    if not cannot_think(state):
        return given
    return {
        name: value
        for name, value in given.items()
        if name not in THINKING_FIELDS or value in NO_THINKING_VALUES
    }


def estimated_prompt_tokens(need: Need, shown: str) -> int:
    """Tokens of the prompt with the text to go on from, before a model's own ratio corrects it."""
    return need.prompt_tokens + estimate_text_tokens(shown)


def max_answer_tokens(state: ModelState, need: Need, num_ctx: int) -> int:
    """The tokens that an answer may have in that context: what the prompt leaves, also where it is
    longer than estimated.

    Half of the promised room is there in any case: a prompt that nearly fills the context would
    leave an answer of a few words.
    """
    estimate, counted = need.prompt_tokens, state.recount(need.prompt_tokens)
    promised, left = (
        answer_room(need, num_ctx) // 2,
        num_ctx - state.corrected_tokens(estimate) - MIN_ANSWER_TOKENS,
    )
    # a ratio below 1 was learned from other texts: it saves context, but does not make room for
    # more answer
    longest = (
        counted
        if counted is not None
        else int(max(state.corrected_tokens(estimate), estimate) * PROMPT_MARGIN)
    )
    return max(num_ctx - longest - MIN_ANSWER_TOKENS, min(left, promised), MIN_ANSWER_TOKENS)


def state_for_retry(
    state: ModelState, need: Need, request: ChatRequest, refusal: ProviderError
) -> ModelState | None:
    """The model as its refusal for context tells it, to be asked once more; None where no request
    to it could fit.

    Where the refusal does not tell how long the prompt is, twice the context is tried. A server
    whose context is its own affair is
    asked for a shorter answer, where that was too long: OpenAI's and vLLM's take max_tokens for a
    reservation.
    """
    if state.fixed_ctx:
        limit = min(refusal.context_tokens or state.default_ctx, state.default_ctx)
        told = (
            refusal.prompt_tokens is not None
            and request.max_tokens is not None
            and refusal.prompt_tokens + request.max_tokens > limit
        )
        state, counted = (
            replace(state, context_window=limit),
            refusal.prompt_tokens if told else None,
        )
    else:
        limit, sent = state.context_window, request.num_ctx or 0
        ignored = (
            refusal.context_tokens is not None and refusal.context_tokens < sent
        )  # the server loads what it likes
        twice = min(sent * 2, limit)
        counted = (
            None
            if ignored
            else refusal.prompt_tokens
            or (twice - answer_room(need, twice) if sent < limit else None)
        )
    if counted is None or need.prompt_tokens <= 0:
        return None
    again = with_token_count(state, need.prompt_tokens, counted)
    return again if required_context(again, need, limit) <= limit else None


def _for_model(messages: list[Message], system: str | None, shown: str) -> list[Message]:
    """The messages with the model's own system prompt where the task has none, and with the text to
    go on from."""
    before: list[Message] = []
    if system and all(message.get("role") != "system" for message in messages):
        before = [{"role": "system", "content": system}]
    return [*before, *messages, *([{"role": "assistant", "content": shown}] if shown else [])]
