"""Enforces the limits of one request: body size, time for the body, for each write and for the
whole."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from orch.server.http.response_headers import EXPOSED_HEADERS

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from orch.server.http.rules import Rules

ABORT_EXTENSION = "orch.cut"
"""ASGI extension that drops a connection at once: `scope["extensions"][ABORT_EXTENSION]["now"]()`.
A normal close would wait for a client that does not read."""
PEER_EXTENSION = "orch.peer"
"""ASGI extension that caches what is known about a connection's peer while the connection lives."""

UPLOADS = "/api/blobs/"
"""Files of models, as large as the server behind takes them."""
TRANSFERS = ("/api/pull", "/api/push", "/api/create", UPLOADS)
"""Paths of requests that take as long as a model takes to be sent: no limit of the whole time, and
the time for a body starts again with each part of it."""


class RequestLimits:
    """One request in progress: bytes received, bytes sent, and since when it has been waiting for
    the client."""

    __slots__ = (
        "_blocked_since",
        "_closes",
        "_is_reading",
        "_receive",
        "_rules",
        "_seen_size",
        "_send",
        "_size",
        "_started_at",
        "_task",
        "abort_code",
        "headers",
        "is_body_complete",
        "is_response_complete",
        "is_response_started",
        "origin",
        "scope",
    )

    def __init__(self, rules: Rules, scope: Scope, receive: Receive, send: Send) -> None:
        self._rules, self._receive, self._send = rules, receive, send
        self._task, self._started_at = asyncio.current_task(), monotonic()
        self._blocked_since, self._is_reading, self._size = 0.0, False, 0
        self._seen_size, self._closes = 0, False
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.origin = b""
        self.abort_code = ""
        self.is_body_complete = self.is_response_started = self.is_response_complete = False

    @property
    def has_unread_body(self) -> bool:
        """Whether the client may still be sending its body."""
        length = self.headers.get(b"content-length", b"0")
        has_body = b"transfer-encoding" in self.headers or length != b"0"
        return has_body and not self.is_body_complete

    @property
    def takes_any_size(self) -> bool:
        """Whether the body may be of any size, since it is passed on part by part."""
        path: str = self.scope.get("path", "")
        return path.startswith(UPLOADS)

    async def receive(self) -> Message:
        """The app's `receive`: counts the body and aborts a request whose body exceeds the
        limit."""
        if self.is_body_complete:
            return await self._receive()
        self._is_reading = True
        try:
            message = await self._receive()
        finally:
            self._is_reading = False
        self._size += len(message.get("body", b""))
        self.is_body_complete = not message.get("more_body", False)
        if self._size > self._rules.max_body_bytes and not self.takes_any_size:
            self.abort("body_too_large")
            # the cancellation is raised here, unless the app reads in another task than its own
            await asyncio.sleep(0)
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """The app's `send`; drops everything once the response was aborted."""
        if self.abort_code:
            return
        if self.is_response_started:
            self.is_response_complete = not message.get("more_body", False)
            if self._closes and self.is_response_complete:
                message = await self._send_before_end(message)
        elif message["type"] == "http.response.start":
            self.is_response_started = True
            if not self.is_body_complete:
                self._closes = self.has_unread_body
            if self.origin or self._closes:
                closing = [(b"connection", b"close")] if self._closes else []
                cors = self.cors_headers() if self.origin else []
                headers = [*message.get("headers", ()), *cors, *closing]
                message = {**message, "headers": headers}
        await self.send_timed(message)

    async def _send_before_end(self, message: Message) -> Message:
        """Sends the last part of a response before the rest of the request was read, and discards
        that rest: closing while the client still sends would reset the connection and lose the
        response. Returns the end of the response."""
        await self.send_timed({**message, "more_body": True})
        await self.drain(until_gone=False)
        return {"type": "http.response.body", "body": b""}

    async def start_response(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Sends the head of a response of the guard's own."""
        self.is_response_started = True
        await self.send_timed({"type": "http.response.start", "status": status, "headers": headers})

    async def send_timed(self, message: Message) -> None:
        """Sends a message and records how long the client takes to read it."""
        self._blocked_since = monotonic()
        try:
            await self._send(message)
        finally:
            self._blocked_since = 0.0

    def cors_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that let a page of an allowed origin read the response."""
        if not self.origin:
            return [(b"vary", b"origin")] if b"origin" in self.headers else []
        return [
            (b"access-control-allow-origin", self.origin),
            (b"access-control-expose-headers", EXPOSED_HEADERS),
            (b"vary", b"origin"),
        ]

    def check_timeouts(self, now: float) -> None:
        """Aborts the request if a timeout has passed."""
        rules, since = self._rules, self._blocked_since
        is_blocked = bool(since) and now - since > rules.write_timeout_s
        if is_blocked:
            self.close_connection()
        if self.abort_code:
            return
        if self.scope.get("path", "").startswith(TRANSFERS):
            self._restart_clock(now)
        if is_blocked:
            self.abort("reader_too_slow")
        elif self._is_reading and now - self._started_at > rules.body_timeout_s:
            self.abort("body_too_slow")
        elif now - self._started_at > rules.request_timeout_s:
            self.abort("answer_too_long")

    def _restart_clock(self, now: float) -> None:
        """Lets the time start again, unless the client is waited for and has sent nothing."""
        if self._size != self._seen_size or not self._is_reading:
            self._seen_size, self._started_at = self._size, now

    def abort(self, code: str) -> None:
        """Cancels the app's work; the guard then sends an error with this code or closes the
        connection."""
        self.abort_code = code
        if self._task is not None:
            self._task.cancel()

    def close_connection(self) -> None:
        """Drops the connection, where the server supports it."""
        extension = (self.scope.get("extensions") or {}).get(ABORT_EXTENSION)
        if extension is not None:
            extension["now"]()

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
