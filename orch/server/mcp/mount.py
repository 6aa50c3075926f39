"""Opens `/mcp` at its first request: the SDK takes longer to import than the server to start."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from orch.config.installation import has_mcp_sdk, install_extra_command

if TYPE_CHECKING:
    from orch.server.mcp.endpoint import McpEndpoint

PATH = "/mcp"
METHODS = ("POST", "GET", "DELETE")


class LazyMcp:
    """The endpoint, once there was a request. `aclose` it."""

    def __init__(self) -> None:
        self._endpoint: McpEndpoint | None = None
        self._opening, self._is_closed = asyncio.Lock(), False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request; where the SDK is not installed, or the server ends, by an error."""
        endpoint: ASGIApp | None = await self._opened()
        if endpoint is None:
            endpoint = await asyncio.to_thread(_unavailable, self._is_closed)
        await endpoint(scope, receive, send)

    async def _opened(self) -> McpEndpoint | None:
        async with self._opening:
            if self._endpoint is None and not self._is_closed and has_mcp_sdk():
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


def _unavailable(is_closed: bool) -> JSONResponse:
    """The error, as the clients of the protocol read it."""
    needed = "/mcp needs the package mcp: {}, then start orch serve anew"
    message = "the server ends" if is_closed else needed.format(install_extra_command("serve"))
    error = {"code": -32603, "message": message}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 503)
