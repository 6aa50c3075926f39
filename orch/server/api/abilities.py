"""What the model lists say of a model, and of `auto`: its capabilities, and the context that it can
have (pure)."""

from __future__ import annotations

from typing import Any, NamedTuple

from orch.routing.catalog import describe
from orch.routing.machine.placement import MachineMemory
from orch.routing.model_state import UNKNOWN_CTX, ModelState, required_memory
from orch.routing.registry import Inventory

UNTOLD = frozenset({"completion", "tools"})
"""Of a model whose server tells none: orch hands tools on to it, and clients take a missing word
for a missing ability."""


class Abilities(NamedTuple):
    """What models can do, sorted, and tokens of context; 0 if that is unknown."""

    capabilities: list[str]
    context: int


def abilities_of(state: ModelState) -> Abilities:
    """What one model can do, as far as its server tells."""
    context = state.default_ctx if state.fixed_ctx else state.context_window
    capabilities = UNTOLD if state.capabilities is None else _told(state)
    return Abilities(sorted(capabilities), context if context < UNKNOWN_CTX else 0)


def _told(state: ModelState) -> frozenset[str]:
    """The capabilities, with those of UNTOLD that its server is silent about."""
    return (state.capabilities or frozenset()) | (state.untold & UNTOLD)


def abilities_of_auto(inventory: Inventory) -> Abilities:
    """What at least one model can do that may be chosen, and the longest context that one of them
    can have in this machine's memory. Of an inventory without models that may not be chosen."""
    able = _selectable(inventory)
    capabilities = {"completion"}.union(*(abilities_of(state).capabilities for state in able))
    contexts = (usable_context(state, inventory.room) for state in able)
    return Abilities(sorted(capabilities - {"embedding"}), max(contexts, default=0))


def described_with_room(everything: Inventory, choice: Inventory) -> list[dict[str, Any]]:
    """Everything known about every model, whether `auto` may choose it, and the context that it can
    have in this machine's memory, in tokens; None if that is unknown.

    `choice` lacks the models that may not be chosen.
    """
    memory = everything.room
    selectable = {state.key for state in choice.states if is_selectable(state, memory)}
    return [
        {
            **describe(state),
            "selectable": state.key in selectable,
            "usable_context": usable_context(state, memory) or None,
        }
        for state in everything.states
    ]


def _selectable(inventory: Inventory) -> list[ModelState]:
    """The models that can be chosen for a short task; last resorts where there are no others."""
    able = [state for state in inventory.states if is_selectable(state, inventory.room)]
    return [state for state in able if not state.spec.last_resort] or able


def is_selectable(state: ModelState, memory: MachineMemory | None) -> bool:
    """Whether a model can be chosen for a short task."""
    return not state.unavailable and state.can_chat and _fits(state, state.num_ctx, memory)


def usable_context(state: ModelState, memory: MachineMemory | None) -> int:
    """The longest context that fits in memory: the window, else the longest power of two, as they
    are chosen for a long task; 0 if the window is unknown."""
    window = abilities_of(state).context
    if not window or _fits(state, window, memory):
        return window
    context = 1 << (window - 1).bit_length() - 1
    while context > state.num_ctx and not _fits(state, context, memory):
        context //= 2
    return max(context, state.num_ctx)


def _fits(state: ModelState, num_ctx: int, memory: MachineMemory | None) -> bool:
    """Whether the router takes a model with that context for one that fits."""
    if memory is None or state.resident is not False or not state.local:
        return True
    return required_memory(state, num_ctx) <= memory.available_bytes(state.key)
