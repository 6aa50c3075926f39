"""Models, classifications and policies as a scoring test needs them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from orch.config.load import from_data
from orch.config.spec import TERMS, ModelSpec, Routing, TaskTypeRule
from orch.model_state import ModelState
from orch.router import Policy, rank
from orch.types import Candidate, Classification, Need, TaskType

HI = Need(prompt_tokens=20)
EVEN = dict.fromkeys(TERMS, 0.25)


@cache
def shipped() -> Routing:
    """The routing.yaml that comes with orch."""
    return from_data(None, None).routing


def sure(confidence: float = 1.0, task_type: TaskType = TaskType.CODING) -> Classification:
    """A classification as coding."""
    return Classification(task_type, confidence, dict.fromkeys(TaskType, 0.125))


def state(name: str, *, facts: dict[str, Any] | None = None, **more: Any) -> ModelState:
    """A model that is rated 7 and 7; `facts` are what models.yaml says of it."""
    return ModelState(ModelSpec(**{"id": name, "speed_rating": 7, "quality_rating": 7, **(facts or {})}), context_window=32_768, **more)


def policy_of(rule: TaskTypeRule, weights: dict[str, float], memory_bytes: int | None = None) -> Policy:
    """A policy whose every task type has this rule."""
    routing = replace(shipped(), task_types=dict.fromkeys(TaskType, rule))
    return Policy.of(routing, TaskType.CODING, weights, memory_bytes)


def best(*states: ModelState, classification: Classification | None = None, weights: dict[str, float] | None = None, **rule: Any) -> Candidate:
    """The first of the ranking."""
    return rank(classification or sure(), states, HI, policy_of(TaskTypeRule(**rule), weights or EVEN))[0]
