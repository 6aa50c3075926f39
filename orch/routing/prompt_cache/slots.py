"""Chooses the slot of the engine inside orch that answers a prompt: a conversation keeps its
slot, and a chore takes none of a conversation in progress (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple


class Worth(IntEnum):
    """What is lost when another prompt takes a slot, from nothing to a turn in progress."""

    NOTHING = 0
    """It is empty, or holds a chore, or what nobody has gone on with for long."""
    QUESTION = 1
    """A conversation of one turn, which may never go on."""
    CONVERSATION = 2
    TURN = 3
    """Its model waits for the result of a tool, and will go on."""


class IdleSlot(NamedTuple):
    """A slot that answers nothing now."""

    number: int
    worth: Worth = Worth.NOTHING
    continues: bool = False
    """Whether the prompt goes on with what it holds."""
    shared: int = 0
    """How much of the prompt it holds, in bytes."""
    size: int = 0
    """How much it holds, in bytes."""
    used_at: float = 0.0
    """When it was used last, in seconds."""

    @property
    def loss(self) -> tuple[Worth, int, int, float]:
        """What a prompt that takes it costs others, by which slots are compared."""
        size = self.size if self.worth is Worth.QUESTION else 0
        return self.worth, -self.shared, size, self.used_at


def choose_slot(idle: Sequence[IdleSlot], *, is_chore: bool) -> int | None:
    """The slot for a prompt; None if none is idle.

    The first choice is the slot that it goes on with; a chore leaves even that alone while a turn
    is in progress there. Then the slot in which the least is lost, of these the one that holds the
    most of the prompt, of these the one with the shorter question, of these the oldest.
    """
    own = [each for each in idle if each.continues]
    if is_chore:
        own = [each for each in own if each.worth < Worth.TURN]
    if own:
        return max(own, key=lambda each: (each.shared, each.used_at)).number
    best = min(idle, key=lambda each: each.loss, default=None)
    return None if best is None else best.number
