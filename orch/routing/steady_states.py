"""Keeps the states of an inventory, and what all estimates derive from them, while neither changes:
a server decides many tasks on one inventory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from orch.routing.expected_time import MachinePace
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.types import ModelKey

NextUse = Mapping[tuple[str, str], float]
"""How likely each loaded model takes the next task, by its identity."""
States = dict[ModelKey, ModelState]


class _Kept(NamedTuple):
    inventory: Inventory
    next_use: NextUse
    states: States


class SteadyStates:
    """The last states and the last pace. Safe between threads: each is replaced in one step."""

    def __init__(self) -> None:
        self._kept: _Kept | None = None
        self._pace: tuple[States, MachinePace] | None = None

    def states(self, inventory: Inventory, next_use: NextUse) -> States:
        """The states of an inventory by model, with their probability of being used next."""
        kept = self._kept
        if kept is None or kept.inventory is not inventory or kept.next_use != next_use:
            states = {state.key: _with_next_use(state, next_use) for state in inventory.states}
            kept = self._kept = _Kept(inventory, next_use, states)
        return kept.states

    def pace(self, states: States) -> MachinePace:
        """What the time estimates of these states share."""
        kept = self._pace
        if kept is None or kept[0] is not states:
            available = [state for state in states.values() if not state.unavailable]
            kept = self._pace = states, MachinePace.of(available)
        return kept[1]


def _with_next_use(state: ModelState, next_use: NextUse) -> ModelState:
    chance = next_use.get(state.identity)
    return state if chance is None else state._replace(next_use_probability=chance)
