"""Model names of the endpoint: `auto` and its variants let orch choose; any other name pins a model
(pure)."""

from __future__ import annotations

from typing import NamedTuple

from orch.errors import OrchError
from orch.text.model_names import comparison_key
from orch.types import TaskType

PROFILES = ("speed", "quality")
LOADED = "loaded"
AUTO_NAMES = (
    "auto",
    *(f"auto:{task_type}" for task_type in TaskType),
    *(f"auto:{profile}" for profile in PROFILES),
    f"auto:{LOADED}",
)
"""Every name that lets orch choose."""


class RequestedModel(NamedTuple):
    """What a model name requests: a pinned model, a task type, a profile, a loaded model, or any
    model."""

    model: str | None = None
    task_type: TaskType | None = None
    profile: str = "balanced"
    loaded: bool = False


def is_auto(name: str) -> bool:
    """Whether a name lets orch choose; Ollama's clients may write `Auto` or `auto:latest`."""
    return comparison_key(name).removesuffix(":latest") in AUTO_NAMES


def parse_model_name(name: str) -> RequestedModel:
    """Parses a model name. Raises OrchError (`model_not_found`) for an unknown variant of
    `auto`."""
    key = comparison_key(name)
    if key == "auto:latest":
        return RequestedModel()
    if not key.startswith("auto:"):
        return RequestedModel(model=name)
    kind = key.removeprefix("auto:")
    if kind in PROFILES:
        return RequestedModel(profile=kind)
    if kind == LOADED:
        return RequestedModel(loaded=True)
    try:
        return RequestedModel(task_type=TaskType(kind))
    except ValueError:
        raise OrchError(
            f"there is no {name!r}", f"one of: {', '.join(AUTO_NAMES)}", code="model_not_found"
        ) from None
