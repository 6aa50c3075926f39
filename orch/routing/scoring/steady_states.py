"""Keeps the states of an inventory, and what all estimates derive from them, while neither changes:
a server decides many tasks on one inventory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from orch.routing.model_state import ModelState, next_use_probability
from orch.routing.registry import Inventory
from orch.routing.scoring.expected_time import MachinePace
from orch.types import ModelKey

AnswerCounts = Mapping[ModelKey, int]
"""How many of the recent answers each model gave."""
States = dict[ModelKey, ModelState]


class _Kept(NamedTuple):
    inventory: Inventory
    has_loaded: bool
    answered: AnswerCounts
    states: States


class SteadyStates:
    """The last states and the last pace. Safe between threads: each is replaced in one step."""

    def __init__(self) -> None:
        self._kept: _Kept | None = None
        self._pace: tuple[States, MachinePace] | None = None

    def states(self, inventory: Inventory, count_answers: Callable[[], AnswerCounts]) -> States:
        """The states of an inventory by model, with their probability of being used next. Counts
        the answers only if a model is loaded."""
        kept = self._kept
        if kept is None or kept.inventory is not inventory:
            has_loaded = any(state.resident for state in inventory.states)
            kept = _Kept(
                inventory, has_loaded, {}, {state.key: state for state in inventory.states}
            )
        answered = count_answers() if kept.has_loaded else {}
        if kept.answered != answered:
            next_use = _next_use(inventory, answered)
            states = {key: _with_next_use(each, next_use) for key, each in kept.states.items()}
            kept = kept._replace(answered=answered, states=states)
        self._kept = kept
        return kept.states

    def pace(self, states: States) -> MachinePace:
        """What the time estimates of these states share."""
        kept = self._pace
        if kept is None or kept[0] is not states:
            available = [state for state in states.values() if not state.unavailable]
            kept = self._pace = states, MachinePace.of(available)
        return kept[1]


def _next_use(inventory: Inventory, answered: AnswerCounts) -> dict[tuple[str, str], float]:
    """How likely each loaded model takes the next task, by its share of recent answers. A model
    counts under all its names."""
    total = sum(answered.values())
    counts: dict[tuple[str, str], int] = {}
    for state in inventory.states:
        if state.resident:
            counts[state.identity] = counts.get(state.identity, 0) + answered.get(state.key, 0)
    return {identity: next_use_probability(count, total) for identity, count in counts.items()}


def _with_next_use(state: ModelState, next_use: Mapping[tuple[str, str], float]) -> ModelState:
    chance = next_use.get(state.identity)
    return state if chance is None else state._replace(next_use_probability=chance)
