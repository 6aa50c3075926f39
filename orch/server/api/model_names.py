"""Model names of the endpoint: `auto` and its variants let orch choose; any other name pins a model
(pure)."""

from __future__ import annotations

from typing import NamedTuple

from orch.errors import OrchError
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


def parse_model_name(name: str) -> RequestedModel:
    """Parses a model name. Raises OrchError (`model_not_found`) for an unknown variant of
    `auto`."""
    if name in ("auto", "auto:latest"):
        return RequestedModel()
    if not name.startswith("auto:"):
        return RequestedModel(model=name)
    kind = name.removeprefix("auto:")
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
