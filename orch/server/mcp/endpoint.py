"""`/mcp`: the tools over streamable HTTP, for both eras of the protocol. Behind the guard, like
every path; it knows nothing of hosts, origins and keys."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from orch.mcp.protocol import MAX_MESSAGE_BYTES, create_server
from orch.server.http.errors import error_location
from orch.server.mcp.backend import ServerBackend

MAX_SESSIONS, IDLE_S = 256, 1_800.0
"""Sessions of clients of the handshake's era, and seconds after which an idle one ends: each has a
task. As many for the owner, and those with a key, as for all other accounts of the machine, which
can't use up the owner's. The SDK's own limit is 10,000."""


class McpEndpoint:
    """The ASGI application. Belongs to one event loop; `aclose` ends every session and stream."""

    def __init__(self) -> None:
        self._for_owner, self._for_others = _manager(), _manager()
        self._started, self._stopping = asyncio.Event(), asyncio.Event()
        # entered and left by one task, as the managers require
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with self._for_owner.run(), self._for_others.run():
            self._started.set()
            await self._stopping.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        await self._started.wait()
        state = scope["state"]
        # a session can only be used by the client that created it
        whose = f"{state['who']} {state['client']}"
        user = AuthenticatedUser(AccessToken(token="", client_id=whose, scopes=[]))
        with suppress(ClientDisconnect):  # it left before its message was whole
            manager = self._for_owner if state["who"] == "owner" else self._for_others
            await manager.handle_request({**scope, "user": user}, receive, send)

    async def aclose(self) -> None:
        """Ends every session, with its streams and runs."""
        self._stopping.set()
        with suppress(asyncio.CancelledError):
            await self._task


def _manager() -> StreamableHTTPSessionManager:
    return StreamableHTTPSessionManager(
        create_server(ServerBackend, _log_fault),
        max_request_body_size=MAX_MESSAGE_BYTES,
        max_sessions=MAX_SESSIONS,
        session_idle_timeout=IDLE_S,
    )


def _log_fault(error: Exception) -> None:
    logging.getLogger("orch.server").error("%s", error_location(error))
