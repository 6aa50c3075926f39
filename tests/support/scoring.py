"""Models, classifications and policies as a scoring test needs them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from orch.config.load import config_from_data
from orch.config.spec import TERMS, ModelSpec, Routing, TaskTypeRule
from orch.routing.model_state import ModelState
from orch.routing.scoring.policy import Policy
from orch.routing.scoring.ranking import rank_candidates
from orch.types import Candidate, Classification, Need, Prior, TaskType

HI = Need(prompt_tokens=20)
EVEN = dict.fromkeys(TERMS, 0.25)


@cache
def shipped() -> Routing:
    """The routing.yaml that comes with orch."""
    return config_from_data(None, None).routing


def sure(confidence: float = 1.0, task_type: TaskType = TaskType.CODING) -> Classification:
    """A classification as coding; the other types share the rest."""
    scores = {
        each: confidence if each is task_type else (1.0 - confidence) / 7 for each in TaskType
    }
    return Classification(task_type, confidence, scores)


def state(name: str, *, facts: dict[str, Any] | None = None, **more: Any) -> ModelState:
    """A model that is rated 7 and 7; `facts` are what models.yaml says of it."""
    return ModelState(
        ModelSpec(**{"id": name, "speed_rating": 7, "quality_rating": 7, **(facts or {})}),
        context_window=32_768,
        **more,
    )


def prior(source: str = "benchmarks (9, 2026-04)", **qualities: float) -> Prior:
    """What is believed of a model: .5 at the types that are not named."""
    return Prior({each: qualities.get(each.value, 0.5) for each in TaskType}, source)


def policy_of(
    rule: TaskTypeRule, weights: dict[str, float], memory_bytes: int | None = None
) -> Policy:
    """A policy whose every task type has this rule."""
    routing = replace(shipped(), task_types=dict.fromkeys(TaskType, rule))
    return Policy.from_routing(routing, weights, memory_bytes)


def best(
    *states: ModelState,
    classification: Classification | None = None,
    weights: dict[str, float] | None = None,
    **rule: Any,
) -> Candidate:
    """The first of the ranking."""
    return rank_candidates(
        classification or sure(), states, HI, policy_of(TaskTypeRule(**rule), weights or EVEN)
    )[0]
