"""What the tools call: orch in this process, a running server, or the server that they run in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from orch.execution.run import OnPartial

Json = dict[str, Any]
OWNER_TOOLS = frozenset({"route", "memory_search", "memory_add"})
"""Tools for the account that runs orch, or for those who have a key: what they tell or change is
the owner's alone, as on the endpoint's other paths."""


class Backend(Protocol):
    """Runs and reads, in the JSON forms of orch's own API. Every method raises OrchError."""

    @property
    def is_owner(self) -> bool:
        """Whether the client may use OWNER_TOOLS."""
        ...

    def ask(self, fields: Json, on_partial: OnPartial) -> AsyncGenerator[Json]:
        """The chunks of a run of a task with these fields, `metadata` first; `done` or `error` is
        last. Closing it cancels the run."""
        ...

    async def route(self, fields: Json) -> Json:
        """The decision for a task."""
        ...

    async def classify(self, text: str) -> Json:
        """The classification of a text."""
        ...

    async def memory(self, name: str, arguments: Json) -> Json:
        """The result of an operation of memory."""
        ...

    async def models(self) -> Json:
        """`models`, each as the catalog describes it, and `down`: providers that can't be
        reached."""
        ...
