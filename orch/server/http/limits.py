"""Enforces the limits of one request: body size, time for the body, for each write and for the
whole."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from orch.server.http.guard import Rules

ABORT_EXTENSION = "orch.cut"
"""ASGI extension that drops a connection at once: `scope["extensions"][ABORT_EXTENSION]["now"]()`.
A normal close would wait for a client that does not read."""
PEER_EXTENSION = "orch.peer"
"""ASGI extension that caches what is known about a connection's peer while the connection lives."""
EXPOSED_HEADERS = b"x-orch-model, x-orch-task-type, x-orch-run-id, x-orch-fallback, x-orch-warning"
"""Response headers that a page of an allowed origin may read."""


class RequestLimits:
    """One request in progress: bytes received, bytes sent, and since when it has been waiting for
    the client."""

    __slots__ = (
        "_begun",
        "_blocked",
        "_reading",
        "_receive",
        "_rules",
        "_send",
        "_size",
        "_task",
        "cut",
        "done",
        "headers",
        "origin",
        "scope",
        "started",
        "whole",
    )

    def __init__(self, rules: Rules, scope: Scope, receive: Receive, send: Send) -> None:
        self._rules, self._receive, self._send = rules, receive, send
        self._task, self._begun = asyncio.current_task(), monotonic()
        self._blocked, self._reading, self._size = 0.0, False, 0
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.origin = b""
        self.cut = ""
        self.whole = self.started = self.done = False

    async def receive(self) -> Message:
        """The app's `receive`: counts the body and aborts a request whose body exceeds the
        limit."""
        if self.whole:
            return await self._receive()
        self._reading = True
        try:
            message = await self._receive()
        finally:
            self._reading = False
        self._size += len(message.get("body", b""))
        self.whole = not message.get("more_body", False)
        if self._size > self._rules.most_body_bytes:
            self.abort("body_too_large")
            # here the cancellation strikes, unless the app reads in another task than it was called
            # in
            await asyncio.sleep(0)
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """The app's `send`; drops everything once the response was aborted."""
        if self.cut:
            return
        if self.started:
            self.done = not message.get("more_body", False)
        elif message["type"] == "http.response.start":
            self.started = True
            if self.origin:
                message = {
                    **message,
                    "headers": [*message.get("headers", ()), *self.cors_headers()],
                }
        await self.send_timed(message)

    async def send_timed(self, message: Message) -> None:
        """Sends a message and records how long the client takes to read it."""
        self._blocked = monotonic()
        try:
            await self._send(message)
        finally:
            self._blocked = 0.0

    def cors_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that let a page of an allowed origin read the response."""
        return [
            (b"access-control-allow-origin", self.origin),
            (b"access-control-expose-headers", EXPOSED_HEADERS),
            (b"vary", b"origin"),
        ]

    def check_timeouts(self, now: float) -> None:
        """Aborts the request if a timeout has passed."""
        rules, slow = self._rules, self._blocked and now - self._blocked > self._rules.write_s
        if slow:
            self.close_connection()
        if self.cut:
            return
        if slow:
            self.abort("reader_too_slow")
        elif self._reading and now - self._begun > rules.body_s:
            self.abort("body_too_slow")
        elif now - self._begun > rules.stream_s:
            self.abort("answer_too_long")

    def abort(self, code: str) -> None:
        """Cancels the app's work; the guard then sends an error with this code or closes the
        connection."""
        self.cut = code
        if self._task is not None:
            self._task.cancel()

    def close_connection(self) -> None:
        """Drops the connection, where the server supports it."""
        cut = (self.scope.get("extensions") or {}).get(ABORT_EXTENSION)
        if cut is not None:
            cut["now"]()

    async def drain(self, *, until_gone: bool) -> None:
        """Discards incoming messages until the end of the body or of the connection, for `linger_s`
        at most."""
        try:
            async with asyncio.timeout(self._rules.linger_s):
                while (message := await self._receive())["type"] != "http.disconnect" and (
                    until_gone or message.get("more_body")
                ):
                    pass
        except TimeoutError:
            pass
