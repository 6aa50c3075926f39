"""What a model name requests: `auto` and its variants let orch choose, an alias of models.yaml
stands for another name, and any other name pins a model (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from orch.errors import OrchError
from orch.text.model_names import comparison_key
from orch.text.prompt import Task
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
OWN_PREFIX = "orch/"
"""Clients put the name of their provider before a model's: `orch/auto` is `auto`, unless a provider
of models.yaml is called orch."""


class RequestedModel(NamedTuple):
    """What a model name requests: a pinned model, a task type, a profile, a loaded model, or any
    model."""

    model: str | None = None
    task_type: TaskType | None = None
    profile: str = "balanced"
    loaded: bool = False


class ModelNames:
    """Reads model names by the aliases of one models.yaml, whose targets are no aliases."""

    def __init__(
        self, aliases: Mapping[str, str] | None = None, providers: Collection[str] = ()
    ) -> None:
        self.aliases = dict(aliases or {})
        """The aliases as they are written, with what each stands for."""
        self._targets = {comparison_key(name): target for name, target in self.aliases.items()}
        self._prefix = "" if OWN_PREFIX.rstrip("/") in providers else OWN_PREFIX

    def parse(self, name: str) -> RequestedModel:
        """What a name requests, without regard to case; clients of Ollama append `:latest`. Raises
        OrchError (`model_not_found`) for an unknown variant of `auto`."""
        if name == "auto":
            return RequestedModel()
        key = self._without_prefix(comparison_key(name))
        if key in self._targets:
            name = self._targets[key]
            key = self._without_prefix(comparison_key(name))
        if key == "auto:latest":
            return RequestedModel()
        return _variant(name, key) if key.startswith("auto:") else RequestedModel(model=name)

    def _without_prefix(self, key: str) -> str:
        rest = key.removeprefix(self._prefix)
        return rest if is_auto_key(rest) or rest in self._targets else key

    def is_auto(self, name: str) -> bool:
        """Whether a name lets orch choose. Raises OrchError as `parse` does."""
        return self.parse(name).model is None

    def with_request(self, task: Task) -> Task:
        """The task with what its model's name requests. A type, profile or dial of its own
        counts before that of the name. Raises OrchError as `parse` does."""
        if task.model is None:
            return task
        choice = self.parse(task.model)
        if choice.model == task.model:
            return task
        has_own = task.dial is not None or task.profile != "balanced"
        return replace(
            task,
            model=choice.model,
            task_type=task.task_type or choice.task_type,
            profile=task.profile if has_own else choice.profile,
            loaded=task.loaded or choice.loaded,
        )


def is_auto_key(key: str) -> bool:
    """Whether a comparison key is one of `auto` or of its variants."""
    return key.removesuffix(":latest") in AUTO_NAMES


def _variant(name: str, key: str) -> RequestedModel:
    kind = key.removeprefix("auto:").removesuffix(":latest")
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
