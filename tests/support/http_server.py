"""The server inside a test: the real application behind its real guard, in a thread, on a free port
of loopback."""

from __future__ import annotations

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
from tests.support.guarded_app import PromptServer

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
