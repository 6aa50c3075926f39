"""What one model is asked for a task: its messages, its context, the room for its answer (pure)."""

from __future__ import annotations

from orch.router import ModelState, answer_room, num_ctx_for
from orch.task import Task
from orch.types import ChatRequest, Message, Need

FIRST_TOKEN_S, TOKEN_S = 300.0, 60.0
PROMPT_MARGIN = 1.15
"""Room kept for a prompt that is longer than estimated, so that Ollama never drops context while generating."""
LEAST_ROOM = 16
"""Tokens of an answer that are always allowed."""
CHARS_PER_SHOWN_TOKEN = 3
_SIZES = ("num_ctx", "max_tokens", "max_completion_tokens", "num_predict")


def chat_request(task: Task, messages: list[Message], need: Need, state: ModelState, shown: str = "") -> ChatRequest:
    """The request for one model; `shown` is text of a model that failed, from which this one goes on."""
    estimate = state.tokens(prompt_estimate(need, shown))
    num_ctx = _num_ctx(state, need, estimate)
    room = max(num_ctx - int(estimate * PROMPT_MARGIN) - LEAST_ROOM, LEAST_ROOM)
    asked = task.max_tokens or state.spec.max_tokens
    return ChatRequest(
        model=state.spec.id,
        messages=_for_model(messages, state.spec.system, shown),
        options={**state.spec.options, **{key: value for key, value in task.options.items() if key not in _SIZES}},
        num_ctx=None if state.fixed_ctx else num_ctx,
        max_tokens=min(asked, room) if asked else (None if state.fixed_ctx else room),
        tools=task.tools,
        response_format=task.response_format,
        extra=task.extra,
        affinity=task.affinity or task.session or "",
        first_token_timeout_s=task.timeout_s or FIRST_TOKEN_S,
        token_timeout_s=min(task.timeout_s or TOKEN_S, TOKEN_S),
    )


def prompt_estimate(need: Need, shown: str) -> int:
    """Tokens of the prompt with the text to go on from, before a model's own ratio corrects it."""
    return need.prompt_tokens + len(shown) // CHARS_PER_SHOWN_TOKEN


def _num_ctx(state: ModelState, need: Need, estimate: int) -> int:
    """The router's context, or a larger one where the text to go on from has filled it."""
    num_ctx = num_ctx_for(state, need)
    if state.fixed_ctx or estimate + LEAST_ROOM <= num_ctx:
        return num_ctx
    tokens = estimate + answer_room(state, need)
    return min(max(num_ctx, 1 << (tokens - 1).bit_length()), state.context_window)


def _for_model(messages: list[Message], system: str | None, shown: str) -> list[Message]:
    """The messages with the model's own system prompt where the task has none, and with the text to go on from."""
    before: list[Message] = []
    if system and all(message.get("role") != "system" for message in messages):
        before = [{"role": "system", "content": system}]
    return [*before, *messages, *([{"role": "assistant", "content": shown}] if shown else [])]
