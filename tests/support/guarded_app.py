"""A server with a small app behind the real guard and protocol, and a client that sends raw
bytes."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from starlette.types import Message, Receive, Scope, Send

from orch.server.http.connection_limits import ConnectionLimits
from orch.server.http.guard import Guard
from orch.server.http.protocol import protocol_class
from orch.server.http.rules import Rules

DEADLINE_S = 10.0
HOST = b"Host: localhost\r\n"
CHUNKED = HOST + b"Transfer-Encoding: chunked\r\n\r\n"
KEY, OTHER = "k" * 15 + "1", "k" * 15 + "2"
"""The keys of two clients, `laptop` and `ci`."""
PAGE = "https://chat.example"
"""An origin that may be allowed."""
SECRET = "xyzzy-the-prompt"


class RecordingApp:
    """An app that records what reached it.

    `/` echoes, `/stream` streams until it is released or cancelled, `/hold` responds when it is
    released, `/huge` responds with more than a socket buffers, `/leave` waits for its client to
    disconnect, `/break` raises.
    """

    def __init__(self) -> None:
        self.received, self.cancelled, self.let, self.disconnected = (
            threading.Event(),
            threading.Event(),
            asyncio.Event(),
            threading.Event(),
        )
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        self.loop = asyncio.get_running_loop()
        self.received.set()
        try:
            await {
                "/stream": self.stream,
                "/hold": self.hold,
                "/break": self.break_,
                "/leave": self.leave,
                "/huge": self.huge,
            }.get(scope["path"], self.echo)(scope, receive, send)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def release(self) -> None:
        """Lets `/hold` respond and `/stream` end."""
        self.loop.call_soon_threadsafe(self.let.set)

    async def echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, message = b"", await receive()
        while message.get("more_body"):
            body, message = body + message["body"], await receive()
        names = [name.decode() for name, _ in scope["headers"]]
        told = {
            "client": scope["state"]["client"],
            "body": (body + message.get("body", b"")).decode(),
            "names": names,
            "path": scope["path"],
        }
        await answer(send, json.dumps(told).encode())

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not self.let.is_set():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            await asyncio.sleep(0)

    async def hold(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.let.wait()
        await answer(send, b"held")

    async def huge(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, bytes(30_000_000))

    async def leave(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.disconnected.set()

    async def break_(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError(SECRET)


async def answer(send: Send, body: bytes) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


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
        """Ends it, from another thread, if it has not ended."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed
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


class Server(PromptServer):
    """uvicorn in a thread on a listening socket."""

    @contextlib.contextmanager
    def running(self, listener: socket.socket) -> Iterator[None]:
        thread = threading.Thread(target=self.run, args=([listener],))
        thread.start()
        try:
            yield
        finally:
            self.end()
            thread.join(DEADLINE_S)
            listener.close()
            assert not thread.is_alive()


class RawResponse(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RawClient:
    """One connection that sends and receives bytes."""

    def __init__(self, address: tuple[str, int] | str, *, buffer: int = 0) -> None:
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(address)
        self._heard = self.socket.makefile("rb")

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._heard.close()
        self.socket.close()

    def send(self, *parts: bytes) -> RawClient:
        for part in parts:
            self.socket.sendall(part)
        return self

    def receive(self, method: str = "POST") -> RawResponse:
        """The next response, which must have a length."""
        status = int(self._heard.readline().split()[1])
        headers: dict[str, str] = {}
        for name, value in http.client.parse_headers(self._heard).items():
            headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value)))
        return RawResponse(
            status,
            headers,
            b"" if method == "HEAD" else self._heard.read(int(headers.get("content-length", 0))),
        )

    def receive_rest(self) -> bytes:
        """All bytes until the server closes the connection."""
        parts = []
        with contextlib.suppress(ConnectionResetError):
            while part := self._heard.read1(65536):
                parts.append(part)
        return b"".join(parts)


class GuardedServer(NamedTuple):
    address: tuple[str, int] | str
    app: RecordingApp
    server: Server

    def request(self, *parts: bytes) -> RawResponse:
        with RawClient(self.address) as client:
            return client.send(*parts).receive()

    def get(self, *headers: str, path: str = "/", method: str = "GET") -> RawResponse:
        lines = "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", *headers, ""))
        return self.request(lines.encode("latin-1"))


@contextlib.contextmanager
def run_guarded(
    rules: Rules | None = None,
    bounds: ConnectionLimits | None = None,
    *,
    path: Path | None = None,
    http: type | None = None,
) -> Iterator[GuardedServer]:
    if path is None:
        listener = socket.create_server(("127.0.0.1", 0))
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
    site = RecordingApp()
    app: Any = Guard(site, rules or Rules())
    made: Any = http or protocol_class(bounds or ConnectionLimits())
    server = Server(
        uvicorn.Config(
            app,
            http=made,
            log_config=None,
            log_level="debug",
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
    )
    with server.running(listener):
        yield GuardedServer(listener.getsockname(), site, server)


async def status_of(
    guard: Guard, headers: list[tuple[bytes, bytes]], server: tuple[str, int]
) -> int:
    """The status sent to a client that disconnected right after its request."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": headers,
        "server": server,
        "client": None,
    }
    await guard(scope, receive, send)
    return int(sent[0]["status"])


def becomes_true(true: Callable[[], bool]) -> bool:
    """Whether a condition becomes true before the deadline."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.005)
    return False
