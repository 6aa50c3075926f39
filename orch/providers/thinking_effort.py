"""How much thinking a request asks for, in the words of each API; the fallback for models that do
not think (pure)."""

from __future__ import annotations

from typing import Any

from orch.errors import ProviderError

CANNOT_THINK = "cannot think: it answers without"
NO_THINKING_VALUES = (None, False, "none", "minimal")
"""Values that ask for no thinking."""
_OLLAMA_EFFORTS = {"none": False, "minimal": False, "xhigh": "high"}
"""OpenAI's reasoning_effort as Ollama's `think`; low, medium and high are the same in both."""
_UNSUPPORTED = "does not support thinking"
"""Part of Ollama's refusal of `think` for a model that can't think. For an effort level the refusal
says that the value is not supported."""


def asks_for_thinking(value: Any) -> bool:
    """Whether a value of `think`, `reasoning_effort` or `thinking` asks for thinking; the last is
    an object, such as `{"type": "enabled"}`."""
    kind = value.get("type") if isinstance(value, dict) else value
    return kind not in NO_THINKING_VALUES and kind != "disabled"


def ollama_think(reasoning_effort: Any) -> Any:
    """Converts OpenAI's reasoning_effort to Ollama's `think`."""
    return _OLLAMA_EFFORTS.get(str(reasoning_effort), reasoning_effort)


def openai_effort(think: Any) -> str | None:
    """Converts Ollama's `think` to OpenAI's reasoning_effort; None where there is no equivalent."""
    return (think or "none") if think is False or think in ("low", "medium", "high") else None


def refuses_thinking(refusal: ProviderError, payload: dict[str, Any]) -> bool:
    """Whether Ollama rejected a request because of `think`, which is optional."""
    return (
        "think" in payload
        and refusal.code == "rejected"
        and "think" in refusal.message.replace(payload["model"], "")
    )


def reduce_thinking(payload: dict[str, Any], refusal: ProviderError) -> None:
    """Replaces an effort level by `true`, since many models know no levels (ollama#12561); removes
    `think` if even that was rejected."""
    if isinstance(payload["think"], str) and _UNSUPPORTED not in refusal.message:
        payload["think"] = True
    else:
        del payload["think"]


def reduced_thinking_notice(requested: Any, sent: Any) -> str:
    """Says what a model ignored of the requested thinking; empty if nothing."""
    if not requested or sent == requested:
        return ""
    if not sent:
        return CANNOT_THINK
    return f"has no thinking level {requested!r}: it thinks as much as it usually does"
