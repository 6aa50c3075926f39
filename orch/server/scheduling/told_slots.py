"""How many requests the model servers say that they answer at once (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from orch.routing.model_state import ModelState


def slots_told(states: Iterable[ModelState]) -> dict[str, int]:
    """How many requests the loaded models of each provider answer at once, where its server tells
    it of one of them."""
    told: dict[str, int] = {}
    for state in states:
        if state.resident and state.slots:
            told[state.spec.provider] = told.get(state.spec.provider, 0) + state.slots
    return told
