"""Opens `/mcp` at its first request: the SDK takes longer to import than the server to start."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from orch.server.mcp.endpoint import McpEndpoint

PATH = "/mcp"
METHODS = ("POST", "GET", "DELETE")


class LazyMcp:
    """The endpoint, once there was a request. `aclose` it."""

    def __init__(self) -> None:
        self._endpoint: McpEndpoint | None = None
        self._opening, self._is_closed = asyncio.Lock(), False

    async def __call__(self, scope: Scope, receive: Receive, send: Send, missing: ASGIApp) -> None:
        """Serves a request; by `missing` where the SDK is not installed, or the server ends."""
        endpoint = await self._opened()
        await (endpoint or missing)(scope, receive, send)

    async def _opened(self) -> McpEndpoint | None:
        async with self._opening:
            if self._endpoint is None and not self._is_closed and find_spec("mcp") is not None:
                await asyncio.to_thread(_import)
                from orch.server.mcp.endpoint import McpEndpoint

                self._endpoint = McpEndpoint()
            return self._endpoint

    async def aclose(self) -> None:
        """Ends every session."""
        self._is_closed = True
        if self._endpoint is not None:
            await self._endpoint.aclose()


def _import() -> None:
    """Imports the SDK beside the event loop."""
    import orch.server.mcp.endpoint  # noqa: F401
