"""The server inside a test: the real application behind its real guard, in a thread, on a free port of loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn

from orch.server.app import application
from orch.server.guard import Guard, Rules
from orch.server.protocol import Bounds, protocol
from orch.server.service import Service


@contextlib.contextmanager
def served(rules: Rules | None = None, bounds: Bounds | None = None) -> Iterator[str]:
    """The URL of a server for the configuration and ORCH_HOME of the test, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app: Any = Guard(application(Service.begun(None)), rules or Rules())
    config = uvicorn.Config(
        app, http=protocol(bounds or Bounds()), log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=2, ws="none"
    )
    server = uvicorn.Server(config)
    started = threading.Event()
    startup = server.startup

    async def begin(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = begin  # type: ignore[method-assign]  # tells when it listens
    thread = threading.Thread(target=server.run, args=([listener],), name="orch-serve", daemon=True)
    thread.start()
    try:
        assert started.wait(20)
        yield url
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
        assert not thread.is_alive()
