"""HTTP/1.1 with limits: extends uvicorn's httptools protocol to refuse what is too large or too
slow before the app sees it. Logs nothing about requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from orch.server.http.connection_limits import ConnectionLimits
from orch.server.http.disconnect import DISCONNECT_EXTENSION, DisconnectSignal
from orch.server.http.http10 import PlainCycle
from orch.server.http.limits import ABORT_EXTENSION, PEER_EXTENSION
from orch.server.http.refusals import refusal_response
from orch.server.http.write_buffer import WriteBuffer

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

_MAX_CLOSING = _RESERVED = 64
_IDLE, _HEAD, _BODY, _CLOSING = range(4)


def protocol_class(limits: ConnectionLimits) -> type[BoundedProtocol]:
    """A class for uvicorn's `http=`. Each class has its own limits and its own set of closing
    connections."""
    return type(
        "Protocol",
        (BoundedProtocol,),
        {"__slots__": (), "limits": limits, "closing": set(), "awaited": {}},
    )


class HeadTooLargeError(Exception):
    """Raised inside the parser callbacks, the only way to stop the parser."""


class UnknownTransferCodingError(Exception):
    """Raised inside the parser callbacks likewise."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A request whose headers arrive in one read costs no timer."""

    # in slots: with uvicorn's attributes these are more than the 30 that CPython reads without a
    # dictionary
    __slots__ = (
        "_disconnect",
        "_earlier",
        "_extensions",
        "_framing",
        "_head_bytes",
        "_output",
        "_size",
        "_slack",
        "_stage",
        "_timer",
    )

    limits: ClassVar[ConnectionLimits]
    closing: ClassVar[set[BoundedProtocol]]
    awaited: ClassVar[dict[BoundedProtocol, None]]
    """Connections without a complete request (idle, or with a head or body in transit), the one
    that has been waited for longest first."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # the access log would contain paths with their queries, where people put keys
        self.access_log = False
        self._stage = _IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._earlier: list[RequestResponseCycle] = []
        self._disconnect = DisconnectSignal()
        self._framing = b""
        self._size = self._head_bytes = self._slack = 0
        """Bytes of this read; of this head before this read; that a body may still spend on its
        framing."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Accepts the connection, if necessary by evicting the one that has been waited for
        longest; refuses it if all are busy."""
        super().connection_made(transport)
        self._output = WriteBuffer(transport, self.loop)
        self.transport = self._output  # type: ignore[assignment]  # all that uvicorn calls of it
        self._extensions: dict[str, dict[object, object]] = {
            ABORT_EXTENSION: {"now": transport.abort},
            DISCONNECT_EXTENSION: {"signal": self._disconnect},
            PEER_EXTENSION: {},
        }
        # reserved for the owner's socket in case TCP connections take all others
        reserved = _RESERVED if self.server is not None and self.server[1] is None else 0
        if len(self.connections) <= self.limits.max_connections + reserved or self._evict_oldest():
            self.awaited[self] = None
            self._arm(self.limits.head_timeout_s, self._head_timed_out)
            return
        self.connections.discard(self)
        if len(self.closing) >= _MAX_CLOSING:
            transport.abort()
            return
        self.closing.add(self)
        self._refuse("too_many_connections")

    def _evict_oldest(self) -> bool:
        """Closes the connection that has been waited for longest. Returns whether there was one."""
        for oldest in self.awaited:
            del self.awaited[oldest]
            self.connections.discard(oldest)
            oldest.transport.abort()
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Notifies every request of the connection. uvicorn would notify the last one only, and
        models would go on working for the others."""
        self._disarm()
        self.awaited.pop(self, None)
        self.closing.discard(self)
        self._notify_disconnect()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, then checks the limits."""
        if self._stage == _CLOSING:
            return
        self._unset_keepalive_if_required()
        self._size = len(data)
        cycle = self.cycle if self._stage == _BODY else None
        before = 0 if cycle is None else len(cycle.body)
        if self._stage == _IDLE:
            # also for stray line ends, which start no message and would keep a connection open
            # forever
            self._stage, self._head_bytes = _HEAD, 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            self._reject(_CODES.get(type(error.__context__), "invalid_http"))
            return
        if self._stage == _HEAD:
            self._check_head()
        elif self._stage == _BODY and cycle is not None and cycle is self.cycle:
            self._check_body(len(cycle.body) - before)

    def _check_head(self) -> None:
        self._head_bytes += self._size
        if self._head_bytes > self.limits.max_head_bytes:
            self._reject("headers_too_large")
        elif self._timer is None:
            self._arm(self.limits.head_timeout_s, self._head_timed_out)

    def _check_body(self, body_bytes: int) -> None:
        # the part of this read that is not body is chunk lengths, which are smaller than the
        # chunks, or extensions and trailers
        self._slack += 2 * body_bytes - self._size
        if self._slack < 0:
            self._reject("invalid_http")

    def _head_timed_out(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # the next request arrives slowly while this one is being served: keep the response
            self._arm(self.limits.head_timeout_s, self._head_timed_out)
        else:
            self.transport.abort()

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Continues as if no upgrade had been offered: Java's HTTP client offers h2c with a POST,
        whose body llhttp would parse as the next request."""
        if self._should_upgrade():
            self._disarm()
            self.awaited.pop(self, None)
            self._output.flush()
            self.transport = self._output.transport
            self.handle_websocket_upgrade()
            return
        if self._framing:
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + self._framing + b"\r\n")
        if rest:
            self.data_received(rest)

    def on_message_begin(self) -> None:
        """Called at the start of a head."""
        super().on_message_begin()
        self._stage = _HEAD

    def on_headers_complete(self) -> None:
        """Called at the end of a head: passes the request to the app. Raises if a limit is
        exceeded."""
        most = self.limits.max_head_bytes
        self._slack = 2 * most
        if self._framing:
            self._framing, self._stage = b"", _BODY
            return
        if self._size > most or self._head_bytes + self._size > most:
            self._check_head_size()
        if self.url[:1] != b"/":
            self._use_target_host()
        if any(
            name == b"transfer-encoding" and value.lower() != b"chunked"
            for name, value in self.headers
        ):
            raise UnknownTransferCodingError
        before = self.cycle
        is_pipelined = before is not None and not before.response_complete
        if is_pipelined:
            self._add_pipelined(before)
        if self._timer is not None:
            self._disarm()
        self._stage = _BODY
        self.scope["extensions"] = self._extensions
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0" and self.cycle is not before:
            self.cycle.__class__ = PlainCycle  # its task has not begun yet
        if is_pipelined and len(self._earlier) < self.limits.max_pipelined // 2:
            # uvicorn stops reading once a request waits, and would not notice a disconnect
            self.flow.resume_reading()
        if self.parser.should_upgrade():
            self._framing = b"".join(
                b"%b: %b\r\n" % pair
                for pair in self.headers
                if pair[0] in (b"content-length", b"transfer-encoding")
            )
        else:
            # trailers also arrive by on_header, and must not join the headers that were checked
            self.headers = []

    def _check_head_size(self) -> None:
        header_bytes = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) + header_bytes > self.limits.max_head_bytes:
            raise HeadTooLargeError

    def _use_target_host(self) -> None:
        """`GET http://name/path`: the target's name replaces the Host header (RFC 9112, 3.2.2).
        Raises ValueError."""
        url = httptools.parse_url(self.url)
        if not url.host or url.userinfo or (url.schema or b"").lower() not in (b"http", b"https"):
            raise ValueError
        host = b"[%b]" % url.host if b":" in url.host else url.host
        authority = host if url.port is None else b"%b:%d" % (host, url.port)
        self.headers[:] = [
            (b"host", authority),
            *(pair for pair in self.headers if pair[0] != b"host"),
        ]

    def _add_pipelined(self, before: RequestResponseCycle) -> None:
        self._earlier = [*(cycle for cycle in self._earlier if not cycle.response_complete), before]
        if len(self._earlier) > self.limits.max_pipelined:
            raise ValueError

    def on_message_complete(self) -> None:
        """Called at the end of a request."""
        if self._framing:
            return
        # the rest of this read may belong to the next head and is not counted
        self._stage, self._head_bytes = _IDLE, -self._size
        self.awaited.pop(self, None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Called at the end of a response. A request that is incomplete by now is not waited for:
        after `Expect: 100-continue` its body may never come."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._limit_flush()
        elif self._stage == _BODY and self.cycle.response_complete:
            self._close_after_reading()
        elif self.cycle.response_complete:
            self.awaited[self] = None

    def timeout_keep_alive_handler(self) -> None:
        """Called when no request followed a response."""
        super().timeout_keep_alive_handler()
        self._limit_flush()

    def shutdown(self) -> None:
        """Called when the server stops."""
        super().shutdown()
        self._limit_flush()

    def _limit_flush(self) -> None:
        # close() waits for the client to read, without a timeout
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._arm(self.limits.flush_timeout_s, self.transport.abort)

    def _reject(self, code: str) -> None:
        cycle = self.cycle
        is_next = self._stage == _BODY and not any(
            not earlier.response_complete for earlier in self._earlier
        )
        if cycle is None or cycle.response_complete or (is_next and not cycle.response_started):
            self._refuse(code)
        else:
            # an error would be written into the middle of a response
            self.transport.abort()

    def _refuse(self, code: str) -> None:
        if not self.transport.is_closing():
            self.transport.write(refusal_response(code, self.server_state.default_headers))
            self._close_after_reading()

    def _close_after_reading(self) -> None:
        """Stops sending, but reads on for a moment: closing while the client still sends would
        reset the connection and lose the response."""
        self._stage = _CLOSING
        self._unset_keepalive_if_required()
        self._notify_disconnect()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        limits, unsent = self.limits, self.transport.get_write_buffer_size()
        self._arm(limits.flush_timeout_s if unsent else limits.linger_s, self.transport.abort)

    def _notify_disconnect(self) -> None:
        for cycle in (*self._earlier, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self._disconnect.notify()

    def _arm(self, seconds: float, act: Any) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, act)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_CODES: dict[type[BaseException] | type[None], str] = {
    HeadTooLargeError: "headers_too_large",
    UnknownTransferCodingError: "unknown_transfer_encoding",
}
