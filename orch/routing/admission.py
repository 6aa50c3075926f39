"""Who may ask a provider now: every run passes here before each model it asks. Alone, orch lets all
through; the server lets them queue."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import NamedTuple, Protocol

from orch.routing.registry import Inventory
from orch.types import ModelKey


class SlotRequest(NamedTuple):
    """One wish to ask a model. `footprint_bytes` is what the model takes when it is loaded;
    `client` is who asks, for fairness."""

    run_id: str
    model: ModelKey
    footprint_bytes: int = 0
    client: str = ""
    batch: bool = False
    embeds: bool = False
    timeout_s: float = 300.0


class Admission(Protocol):
    """Lets requests to providers through, one by one or together."""

    def observe(self, survey: Inventory) -> None:
        """Learns what is loaded, how much memory it takes, and how much there is."""
        ...

    def acquire(self, ticket: SlotRequest) -> AbstractAsyncContextManager[None]:
        """Waits for the ticket's turn; leaving gives the place free.

        Raises BackendError `busy`, with `retry_after_s`, where too many wait already or the
        ticket's patience ends.
        """
        ...

    def wait_reason(self, ticket: SlotRequest) -> str:
        """Why the model could not be loaded now beside what is in use, in words; empty where it
        could."""
        ...


class NoQueue:
    """A process of its own asks for itself alone: nobody waits."""

    def observe(self, survey: Inventory) -> None:
        """Nothing is learned."""

    def acquire(self, ticket: SlotRequest) -> AbstractAsyncContextManager[None]:
        """At once."""
        return nullcontext()

    def wait_reason(self, ticket: SlotRequest) -> str:
        """Never."""
        return ""
