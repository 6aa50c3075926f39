"""Parses what llama-server tells of one running model: `/props` and `/slots` (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from orch.providers.read_limits import metadata_word
from orch.providers.streams.values import parse_count

MAX_COUNT = 1 << 31
"""Above, a context or a number of slots is an error of the server."""
MAX_SLOTS = 10_000
_THINKING_MARKS = ("enable_thinking", "reasoning_effort", "<think>", "[THINK]", "<|channel|>")
"""Parts of chat templates of models that think: Qwen, gpt-oss, DeepSeek, Magistral."""
_THINKING_CAPS = ("supports_reasoning_effort", "supports_preserve_reasoning")
_TOOL_CAPS = ("supports_tools", "supports_tool_calls")


class ServerProps(NamedTuple):
    """The properties of one model's process, or of a router; None or empty where it does not
    say."""

    num_ctx: int | None = None
    """Tokens of context of one slot."""
    slots: int | None = None
    capabilities: tuple[str, ...] | None = None
    untold: tuple[str, ...] = ()
    """With `capabilities`: those that the server is silent about."""
    is_sleeping: bool | None = None
    version: str = ""
    is_router: bool = False
    max_loaded: int | None = None
    """How many models a router keeps loaded; None for any number."""


class SlotUse(NamedTuple):
    """How many slots a model has, and how many of them answer a request now, whoever sent it."""

    total: int
    busy: int


def parse_props(answer: Mapping[str, Any]) -> ServerProps:
    """Parses `/props`. Any field may be missing or of another type."""
    settings = answer.get("default_generation_settings")
    capabilities, untold = _capabilities(answer)
    is_sleeping = answer.get("is_sleeping")
    return ServerProps(
        num_ctx=positive(settings.get("n_ctx")) if isinstance(settings, dict) else None,
        slots=positive(answer.get("total_slots"), MAX_SLOTS),
        capabilities=capabilities,
        untold=untold,
        is_sleeping=is_sleeping if isinstance(is_sleeping, bool) else None,
        version=metadata_word(answer.get("build_info")),
        is_router=answer.get("role") == "router",
        max_loaded=positive(answer.get("max_instances"), MAX_SLOTS),
    )


def parse_slots(value: Any) -> SlotUse | None:
    """Parses `/slots`; None for anything but a list of slots."""
    if not isinstance(value, list) or not 0 < len(value) <= MAX_SLOTS:
        return None
    states = [each.get("is_processing") for each in value if isinstance(each, dict)]
    if len(states) < len(value) or not all(isinstance(each, bool) for each in states):
        return None
    return SlotUse(len(states), states.count(True))


def positive(value: Any, most: int = MAX_COUNT) -> int | None:
    """A whole number from 1 to `most`; None for anything else."""
    count = parse_count(value)
    return count if count is not None and 0 < count <= most else None


def _capabilities(answer: Mapping[str, Any]) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """What the model can do by orch's names, and what nobody says; None where nothing is told."""
    caps, modalities = answer.get("chat_template_caps"), answer.get("modalities")
    can: list[str] = []
    untold: list[str] = []
    if not isinstance(caps, dict) or not caps:
        untold += ["thinking", "tools"]
    else:
        can += ["tools"] if any(caps.get(name) is True for name in _TOOL_CAPS) else []
        can += ["thinking"] if _thinks(caps, answer.get("chat_template")) else []
    if not isinstance(modalities, dict) or "vision" not in modalities:
        untold.append("vision")
    elif modalities["vision"] is True:
        can.append("vision")
    if len(untold) == 3:
        return None, ()
    return ("completion", *can), tuple(untold)


def _thinks(caps: Mapping[str, Any], template: Any) -> bool:
    if any(caps.get(name) is True for name in _THINKING_CAPS):
        return True
    return isinstance(template, str) and any(mark in template for mark in _THINKING_MARKS)
