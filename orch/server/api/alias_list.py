"""The aliases of models.yaml that a model list shows."""

from __future__ import annotations

from collections.abc import Iterator

from orch.routing.lookup import find_model
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory


def listed_aliases(inventory: Inventory) -> Iterator[tuple[str, ModelState | None]]:
    """Each alias with its model, None where it lets orch choose; without those whose model is not
    installed."""
    for alias in inventory.names.aliases:
        model = inventory.names.parse(alias).model
        state = None if model is None else find_model(model, inventory.states)
        if model is None or (state is not None and state.is_installed):
            yield alias, state
