"""The server inside a test: the real application behind its real guard, in a thread, on a free port
of loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import traceback
from collections.abc import Iterator
from typing import Any
from unittest import mock

import uvicorn

from orch.server.app import create_app
from orch.server.http.connection_limits import ConnectionLimits
from orch.server.http.guard import Guard
from orch.server.http.protocol import protocol_class
from orch.server.http.rules import Rules
from orch.server.service import Service
from orch.storage.database import Database
from orch.storage.sqlite_file import SQLiteConnection

LOOP = "orch-serve"
"""The name of the thread of the server's event loop."""


@contextlib.contextmanager
def disk_free_loop() -> Iterator[None]:
    """Fails where the event loop asks a database, which waits for the disk and for other processes:
    that is for threads beside it."""
    asked: list[str] = []
    real = Database._borrow

    def borrow_beside_the_loop(database: Database) -> SQLiteConnection:
        if threading.current_thread().name == LOOP:
            asked.append("".join(traceback.format_stack(limit=8)[:-1]))
        return real(database)

    with mock.patch.object(Database, "_borrow", borrow_beside_the_loop):
        yield
    assert not asked, f"the event loop asked a database:\n{asked[0]}"


class PromptServer(uvicorn.Server):
    """uvicorn's server, which ends as soon as it may: uvicorn's own takes two to three tenths of a
    second, and a thousand tests start one."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells when it listens."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.listens.set()

    async def main_loop(self) -> None:
        """Waits for `end`. The time in its headers stays that of its start."""
        await self.on_tick(0)
        await self._ends.wait()

    def end(self) -> None:
        """Ends it, from another thread."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ends.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does it: no new connections, those that are open get their responses, within
        the time limit."""
        for each in (*self.servers, *(sockets or ())):
            each.close()
        state = self.server_state
        for connection in [*state.connections]:
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while state.connections or state.tasks:
                    await asyncio.sleep(0.002)
        for task in state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


@contextlib.contextmanager
def served(rules: Rules | None = None, bounds: ConnectionLimits | None = None) -> Iterator[str]:
    """The URL of a server for the configuration and ORCH_HOME of the test, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app: Any = Guard(create_app(Service.create(None)), rules or Rules())
    config = uvicorn.Config(
        app,
        http=protocol_class(bounds or ConnectionLimits()),
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=2,
        ws="none",
    )
    server = PromptServer(config)
    thread = threading.Thread(target=server.run, args=([listener],), name=LOOP, daemon=True)
    thread.start()
    try:
        assert server.listens.wait(20)
        with disk_free_loop():
            yield url
    finally:
        server.end()
        thread.join(20)
        listener.close()
        assert not thread.is_alive()
