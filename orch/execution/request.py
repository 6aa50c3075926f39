"""Builds the request for one model: messages, context size and answer limit (pure)."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from orch.providers.chat import ChatRequest
from orch.routing.context_size import MIN_ANSWER_TOKENS, answer_room, choose_num_ctx, padded_tokens
from orch.routing.model_state import ModelState
from orch.routing.thinking import supported_fields
from orch.text.prompt import Task, estimate_text_tokens
from orch.text.strict_messages import append_to_last_user, strict_messages
from orch.types import FIRST_TOKEN_TIMEOUT_S, TOKEN_TIMEOUT_S, Message, Need

_SIZE_OPTIONS = ("num_ctx", "max_tokens", "max_completion_tokens", "num_predict")


class Prompt(NamedTuple):
    """What a model is asked: the conversation, what memory recalled for its last question, and the
    text of a failed model that is continued, within the answer where the server `prefills`."""

    messages: list[Message]
    recalled: str = ""
    partial: str = ""
    prefills: bool = False


def build_chat_request(task: Task, prompt: Prompt, need: Need, state: ModelState) -> ChatRequest:
    """The request for one model."""
    need = need._replace(prompt_tokens=estimated_prompt_tokens(need, prompt.partial))
    messages, continues = prompt.messages, ""
    if task.raw is None:
        messages, continues = _conversation(prompt, state.spec.system)
    num_ctx = choose_num_ctx(state, need)
    room = max_answer_tokens(state, need, num_ctx)
    limit = task.max_tokens or state.spec.max_tokens
    options = {name: value for name, value in task.options.items() if name not in _SIZE_OPTIONS}
    return ChatRequest(
        model=state.spec.id,
        messages=messages,
        raw=task.raw,
        continues=continues,
        options=supported_fields({**state.spec.options, **options}, state),
        num_ctx=None if state.fixed_ctx else num_ctx,
        max_tokens=min(limit, room) if limit else (None if state.fixed_ctx else room),
        tools=task.tools,
        response_format=task.response_format,
        extra=supported_fields(task.extra, state),
        affinity=task.affinity or task.session or "",
        first_token_timeout_s=task.timeout_s or FIRST_TOKEN_TIMEOUT_S,
        token_timeout_s=min(task.timeout_s or TOKEN_TIMEOUT_S, TOKEN_TIMEOUT_S),
    )


def with_loaded_context(
    request: ChatRequest, state: ModelState, need: Need, task: Task, num_ctx: int
) -> ChatRequest:
    """The request to a model that was loaded with that context since the plan was made: with its
    own again where the task needs more. `need` counts all that the request sends."""
    loaded = state._replace(resident=True, resident_ctx=num_ctx)
    chosen = choose_num_ctx(loaded, need)
    room = max_answer_tokens(loaded, need, chosen)
    limit = task.max_tokens or state.spec.max_tokens
    return replace(request, num_ctx=chosen, max_tokens=min(limit, room) if limit else room)


def estimated_prompt_tokens(need: Need, partial: str) -> int:
    """Tokens of the prompt and the text to continue, without the model's own correction."""
    return need.prompt_tokens + estimate_text_tokens(partial)


def max_answer_tokens(state: ModelState, need: Need, num_ctx: int) -> int:
    """The tokens that an answer may have in that context: what the prompt leaves, also where the
    prompt is longer than estimated.

    Half of the promised room is granted in any case: a prompt that nearly fills the context would
    leave an answer of a few words.
    """
    promised = answer_room(need, num_ctx) // 2
    left = num_ctx - state.corrected_tokens(need.prompt_tokens) - MIN_ANSWER_TOKENS
    certain = num_ctx - padded_tokens(state, need) - MIN_ANSWER_TOKENS
    return max(certain, min(left, promised), MIN_ANSWER_TOKENS)


def _conversation(prompt: Prompt, system: str | None) -> tuple[list[Message], str]:
    """The messages in the strictest form, and the text in them that is continued.

    The model's own system prompt stands first where the task has none. What was recalled stands
    last in the user's last message, so that all before it stays as the server has it cached.
    """
    roles = {message.get("role") for message in prompt.messages}
    own: list[Message] = []
    if system and not roles & {"system", "developer"}:
        own = [{"role": "system", "content": system}]
    messages = strict_messages([*own, *prompt.messages])
    if prompt.recalled:
        messages = append_to_last_user(messages, prompt.recalled)
    is_begun = bool(messages) and messages[-1].get("role") == "assistant"
    if not prompt.partial and not is_begun:
        return messages, ""
    from orch.text.continuation import with_partial  # 0.4 ms, for few requests

    return with_partial(messages, prompt.partial, prefills=prompt.prefills)
