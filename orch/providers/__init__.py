"""What orch asks of any provider; each backend speaks to one kind of server and raises BackendError
alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from orch.types import ChatRequest, Delta, InstalledModel, ModelInfo


class ProviderClient(Protocol):
    """One provider of models. Every method raises BackendError when the provider does not give what
    was asked."""

    local: bool
    """Whether it runs on this machine, so that its models take this machine's memory."""
    fixed_ctx: bool
    """Whether the context length is the server's own affair and can't be asked for."""

    def chat(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """The answer as it comes; the last delta, and only it, has `done`. Closing the iterator
        ends generation at the server."""
        ...

    async def embed(
        self, model: str, texts: Sequence[str], extra: Mapping[str, Any] = ...
    ) -> list[list[float]]:
        """One vector a text; `extra` are fields for the server as they are."""
        ...

    async def installed(self) -> list[InstalledModel]:
        """The models it has, with what is loaded now."""
        ...

    async def info(self, model: str) -> ModelInfo:
        """What it knows about a model."""
        ...

    async def health(self) -> str:
        """Its version, or another word that it lives."""
        ...

    async def release(self) -> None:
        """Closes the connections of this event loop; models stay loaded."""
        ...

    async def aclose(self) -> None:
        """Ends what it holds open: connections of this event loop, and models inside orch."""
        ...
