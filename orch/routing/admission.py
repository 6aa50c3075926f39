"""Admission control: every model call acquires a slot first. A command never waits; the server
queues."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import NamedTuple, Protocol

from orch.routing.model_state import ModelState, choose_num_ctx, required_memory
from orch.routing.registry import Inventory
from orch.text.prompt import Task
from orch.types import FIRST_TOKEN_TIMEOUT_S, ModelKey, Need, Reason


class SlotRequest(NamedTuple):
    """A request for a slot at a model's provider. `footprint_bytes` is the memory that the model
    takes when it is loaded; slots are shared fairly among clients."""

    run_id: str
    model: ModelKey
    footprint_bytes: int = 0
    client: str = ""
    batch: bool = False
    embeds: bool = False
    timeout_s: float = FIRST_TOKEN_TIMEOUT_S


def slot_request(state: ModelState, need: Need, task: Task, run_id: str = "") -> SlotRequest:
    """The request for a slot to ask this model for this task."""
    return SlotRequest(
        run_id,
        state.key,
        required_memory(state, choose_num_ctx(state, need)),
        client=task.client,
        batch=task.batch,
        timeout_s=task.timeout_s or FIRST_TOKEN_TIMEOUT_S,
    )


class Admission(Protocol):
    """Grants slots for model calls."""

    def observe(self, inventory: Inventory) -> None:
        """Takes over which models are loaded, and how much memory there is."""
        ...

    def acquire(self, request: SlotRequest) -> AbstractAsyncContextManager[None]:
        """Waits for a slot; leaving the context releases it.

        Raises ProviderError `busy`, with `retry_after_s`, if the queue is full or the request's
        timeout ends.
        """
        ...

    def wait_reason(self, request: SlotRequest) -> Reason | None:
        """Why the model can't be loaded now beside the models in use, if it can't."""
        ...


class NoQueue:
    """Grants every slot at once: a process of its own has no other requests."""

    def observe(self, inventory: Inventory) -> None:
        """Does nothing."""

    def acquire(self, request: SlotRequest) -> AbstractAsyncContextManager[None]:
        """A slot, at once."""
        return nullcontext()

    def wait_reason(self, request: SlotRequest) -> Reason | None:
        """None: nothing waits."""
        return None
