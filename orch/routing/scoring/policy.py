"""The policy of one ranking: the weights, rules and margins of routing.yaml, and the memory for
models (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from orch.config.spec import Routing, TaskTypeRule
from orch.routing.machine.placement import MachineMemory, budget_memory
from orch.text.model_names import comparison_key
from orch.types import TaskType

TypeShares = tuple[tuple[TaskType, float], ...]
"""The types that a task may have with their probabilities above 0, the likeliest first; they sum to
1."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The weights in force, the rules of all types, and the memory for models (None if unknown)."""

    weights: Mapping[str, float]
    rules: Mapping[TaskType, TaskTypeRule]
    memory_bytes: int | None = None
    quality_margin: float = 0.0
    ignored_preferences: frozenset[TaskType] = frozenset()
    """The types whose `prefer` is ignored."""
    max_loaded: Mapping[str, int] = field(default_factory=dict)
    """How many models a provider keeps loaded at once, if that is known."""
    memory: MachineMemory | None = None
    """The memory by device; None if only the sum is known."""

    @property
    def room(self) -> MachineMemory | None:
        """The memory for models; None if it is unknown."""
        return self.memory or budget_memory(self.memory_bytes)

    @classmethod
    def from_routing(
        cls,
        routing: Routing,
        weights: Mapping[str, float],
        memory_bytes: int | None,
        *,
        ignored_preferences: frozenset[TaskType] = frozenset(),
        max_loaded: Mapping[str, int] = {},
        memory: MachineMemory | None = None,
    ) -> Policy:
        """The policy of a routing.yaml."""
        return cls(
            weights,
            routing.task_types,
            memory_bytes,
            routing.quality_margin,
            ignored_preferences,
            max_loaded,
            memory,
        )

    def rule(self, task_type: TaskType) -> TaskTypeRule:
        """The rule of one type."""
        return self.rules.get(task_type) or _NO_RULE

    def rules_of(self, shares: TypeShares) -> list[TaskTypeRule]:
        """The rules of these types, in their order."""
        rules = self.rules
        return [rules.get(each) or _NO_RULE for each, _ in shares]

    def preference_ranks(self, task_type: TaskType) -> Mapping[str, int]:
        """The rank in `prefer`, from 1, by the model's comparison key."""
        return {} if task_type in self.ignored_preferences else _ranks(self.rule(task_type).prefer)


_NO_RULE = TaskTypeRule()


@lru_cache(maxsize=64)
def _ranks(prefer: tuple[str, ...]) -> Mapping[str, int]:
    """Cached between decisions: reading eight lists takes as long as scoring three models."""
    return {comparison_key(name): rank for rank, name in reversed(tuple(enumerate(prefer, 1)))}
