"""Drops the request for thinking where a model can't think (pure)."""

from __future__ import annotations

from typing import Any

from orch.providers.thinking_effort import CANNOT_THINK, asks_for_thinking
from orch.routing.model_state import ModelState
from orch.text.prompt import Task

THINKING_FIELDS = ("think", "reasoning_effort", "thinking")
"""Ollama's field (true, false or a degree), OpenAI's, and Anthropic's, which other servers have
too. No model fails for them."""


def cannot_think(state: ModelState) -> bool:
    """Whether the model is known not to think. Where its server does not say, the field is sent,
    and a refusal shows it."""
    known = state.capabilities
    return known is not None and "thinking" not in known and "thinking" not in state.untold


def ignored_thinking_warning(task: Task, state: ModelState) -> str:
    """The warning for a task that asks for thinking of a model that can't; else empty."""
    fields = {**task.options, **task.extra}
    is_ignored = supported_fields(fields, state) != fields
    return f"{state.spec.id} {CANNOT_THINK}" if is_ignored else ""


def supported_fields(fields: dict[str, Any], state: ModelState) -> dict[str, Any]:
    """The fields without a request for thinking that the model can't fulfil. Every model can
    fulfil a request not to think."""
    if not cannot_think(state):
        return fields
    return {
        name: value
        for name, value in fields.items()
        if name not in THINKING_FIELDS or not asks_for_thinking(value)
    }
