"""HTTP/1.1 with limits: extends uvicorn's httptools protocol to refuse what is too large or too
slow before the app sees it. Logs nothing about requests."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from orch.server.http.disconnect import DISCONNECT_EXTENSION, DisconnectSignal
from orch.server.http.limits import ABORT_EXTENSION, PEER_EXTENSION

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

_MAX_CLOSING = _RESERVED = 64
_SPARE_FILES = 256
_IDLE, _HEAD, _BODY, _LEFT = range(4)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one server accepts from its connections."""

    most_connections: int = 2048
    most_head_bytes: int = 32 * 1024
    """Request line and headers; also what a chunked body may spend on extensions and trailers,
    beyond its own size again."""
    most_pipelined: int = 16
    """Requests of one connection that may wait for an earlier response."""
    head_s: float = 10.0
    """From the connection's start, or from a request's first byte, to the end of its headers."""
    flush_s: float = 30.0
    """For a client to read the rest of a finished response."""
    linger_s: float = 1.0
    """For a refused client to read the reason."""


def protocol_class(bounds: ConnectionLimits) -> type[BoundedProtocol]:
    """A class for uvicorn's `http=`. Each class has its own limits and its own set of closing
    connections."""
    return type(
        "Protocol",
        (BoundedProtocol,),
        {"__slots__": (), "bounds": bounds, "leaving": set(), "waited_for": {}},
    )


def fit_open_files(connections: int) -> int:
    """How many connections fit under this process's limit of open files, which is raised as far as
    permitted (usually 1,024, less than the default number of connections)."""
    try:
        import resource  # not on Windows
    except ImportError:
        return connections
    soft, hard = (
        connections + _SPARE_FILES if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    wanted = min(connections + _SPARE_FILES, hard)
    if soft < wanted:
        try:
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            )
        except (OSError, ValueError):
            wanted = soft
    return max(1, min(connections, max(soft, wanted) - _SPARE_FILES))


class HeadTooLargeError(Exception):
    """Raised inside the parser callbacks, the only way to stop the parser."""


class UnknownTransferCodingError(Exception):
    """Raised inside the parser callbacks likewise."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A request whose headers arrive in one read costs no timer."""

    # in slots: uvicorn's attributes and these are more than the 30 that CPython finds without a
    # look into a dictionary
    __slots__ = (
        "_departure",
        "_earlier",
        "_extensions",
        "_framing",
        "_head_bytes",
        "_size",
        "_slack",
        "_stage",
        "_timer",
    )

    bounds: ClassVar[ConnectionLimits]
    leaving: ClassVar[set[BoundedProtocol]]
    waited_for: ClassVar[dict[BoundedProtocol, None]]
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
        # it would show paths with their queries, where people put keys
        self.access_log = False
        self._stage = _IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._earlier: list[RequestResponseCycle] = []
        self._departure = DisconnectSignal()
        self._framing = b""
        self._size = self._head_bytes = self._slack = 0
        """Bytes of this read; of this head before this read; that a body may still spend on its
        framing."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Accepts the connection, if necessary by evicting the one that has been waited for
        longest; refuses it if all are busy."""
        super().connection_made(transport)
        self._extensions: dict[str, dict[object, object]] = {
            ABORT_EXTENSION: {"now": transport.abort},
            DISCONNECT_EXTENSION: {"departure": self._departure},
            PEER_EXTENSION: {},
        }
        # a flood over TCP does not shut the owner out
        reserved = _RESERVED if self.server is not None and self.server[1] is None else 0
        if len(self.connections) <= self.bounds.most_connections + reserved or self._take_place():
            self.waited_for[self] = None
            self._arm(self.bounds.head_s, self._late)
            return
        self.connections.discard(self)
        if len(self.leaving) >= _MAX_CLOSING:
            transport.abort()
            return
        self.leaving.add(self)
        self._refuse(503)

    def _take_place(self) -> bool:
        """Closes the connection that has been waited for longest. Returns whether there was one."""
        for oldest in self.waited_for:
            del self.waited_for[oldest]
            self.connections.discard(oldest)
            oldest.transport.abort()
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Notifies every request of the connection. uvicorn would notify the last one only, and
        models would go on working for the others."""
        self._disarm()
        self.waited_for.pop(self, None)
        self.leaving.discard(self)
        self._forsake()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, then checks the limits."""
        if self._stage == _LEFT:
            return
        self._unset_keepalive_if_required()
        self._size = len(data)
        cycle = self.cycle if self._stage == _BODY else None
        before = 0 if cycle is None else len(cycle.body)
        if self._stage == _IDLE:
            # also for stray line ends, which begin no message and would keep a connection open for
            # ever
            self._stage, self._head_bytes = _HEAD, 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._pass_by(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            self._break_off(_STATUSES.get(type(error.__context__), 400))
            return
        if self._stage == _HEAD:
            self._await_head()
        elif self._stage == _BODY and cycle is not None and cycle is self.cycle:
            self._await_body(len(cycle.body) - before)

    def _await_head(self) -> None:
        self._head_bytes += self._size
        if self._head_bytes > self.bounds.most_head_bytes:
            self._break_off(431)
        elif self._timer is None:
            self._arm(self.bounds.head_s, self._late)

    def _await_body(self, came: int) -> None:
        # of this read, what was no body went into the lengths of chunks, which are less than the
        # chunks, or into extensions and trailers
        self._slack += 2 * came - self._size
        if self._slack < 0:
            self._break_off(400)

    def _late(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # the next request is sent slowly while this one is answered: no reason to cut the
            # answer
            self._arm(self.bounds.head_s, self._late)
        else:
            self.transport.abort()

    def _pass_by(self, rest: bytes) -> None:
        """Continues as if no upgrade had been offered: Java's HTTP client offers h2c with a POST,
        whose body llhttp would parse as the next request."""
        if self._should_upgrade():
            self._disarm()
            self.waited_for.pop(self, None)
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
        most = self.bounds.most_head_bytes
        self._slack = 2 * most
        if self._framing:
            self._framing, self._stage = b"", _BODY
            return
        if self._size > most or self._head_bytes + self._size > most:
            self._measure()
        if self.url[:1] != b"/":
            self._take_authority()
        if any(
            name == b"transfer-encoding" and value.lower() != b"chunked"
            for name, value in self.headers
        ):
            raise UnknownTransferCodingError
        before = self.cycle
        waits = before is not None and not before.response_complete
        if waits:
            self._queue_behind(before)
        if self._timer is not None:
            self._disarm()
        self._stage = _BODY
        self.scope["extensions"] = self._extensions
        super().on_headers_complete()
        if waits and len(self._earlier) < self.bounds.most_pipelined // 2:
            # uvicorn reads no further once a request waits, and would not see that the client left
            self.flow.resume_reading()
        if self.parser.should_upgrade():
            self._framing = b"".join(
                b"%b: %b\r\n" % pair
                for pair in self.headers
                if pair[0] in (b"content-length", b"transfer-encoding")
            )
        else:
            # trailers come by on_header too, and have no business among the headers that were
            # checked
            self.headers = []

    def _measure(self) -> None:
        if (
            len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            > self.bounds.most_head_bytes
        ):
            raise HeadTooLargeError

    def _take_authority(self) -> None:
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

    def _queue_behind(self, before: RequestResponseCycle) -> None:
        self._earlier = [*(cycle for cycle in self._earlier if not cycle.response_complete), before]
        if len(self._earlier) > self.bounds.most_pipelined:
            raise ValueError

    def on_message_complete(self) -> None:
        """Called at the end of a request."""
        if self._framing:
            return
        # what is left of this read may belong to the next head, and is not counted
        self._stage, self._head_bytes = _IDLE, -self._size
        self.waited_for.pop(self, None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Called at the end of a response. A request that is incomplete by now is not waited for:
        after `Expect: 100-continue` its body may never come."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._see_off()
        elif self._stage == _BODY and self.cycle.response_complete:
            self._leave()
        elif self.cycle.response_complete:
            self.waited_for[self] = None

    def timeout_keep_alive_handler(self) -> None:
        """Called when no request followed a response."""
        super().timeout_keep_alive_handler()
        self._see_off()

    def shutdown(self) -> None:
        """Called when the server stops."""
        super().shutdown()
        self._see_off()

    def _see_off(self) -> None:
        # close() waits for the client to read, for ever if need be
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._arm(self.bounds.flush_s, self.transport.abort)

    def _break_off(self, status: int) -> None:
        cycle = self.cycle
        ours = self._stage == _BODY and not any(
            not earlier.response_complete for earlier in self._earlier
        )
        if cycle is None or cycle.response_complete or (ours and not cycle.response_started):
            self._refuse(status)
        else:
            # a refusal would land in the middle of an answer
            self.transport.abort()

    def _refuse(self, status: int) -> None:
        if not self.transport.is_closing():
            lines = [b"%b: %b\r\n" % pair for pair in self.server_state.default_headers]
            self.transport.write(b"".join([_STARTS[status], *lines, _ENDS[status]]))
            self._leave()

    def _leave(self) -> None:
        """Stops sending, but reads on for a moment: closing while the client still sends would
        reset the connection and lose the response."""
        self._stage = _LEFT
        self._unset_keepalive_if_required()
        self._forsake()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        bounds = self.bounds
        self._arm(
            bounds.flush_s if self.transport.get_write_buffer_size() else bounds.linger_s,
            self.transport.abort,
        )

    def _forsake(self) -> None:
        for cycle in (*self._earlier, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self._departure.notify()

    def _arm(self, seconds: float, act: Any) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, act)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _start(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


def _end(code: str, message: str, *headers: str) -> bytes:
    kind = "server_error" if headers else "invalid_request_error"
    body = json.dumps({"error": {"message": message, "type": kind, "code": code}})
    lines = [
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        *headers,
    ]
    return "".join([*(f"{line}\r\n" for line in lines), "\r\n", body]).encode()


_ENDS = {
    400: _end("invalid_http", "the request is not valid HTTP"),
    431: _end("headers_too_large", "the request's headers are too large"),
    501: _end(
        "unknown_transfer_encoding", "the only transfer encoding that this server knows is chunked"
    ),
    503: _end("too_many_connections", "too many connections", "retry-after: 1"),
}
_STARTS = {status: _start(status) for status in _ENDS}
_STATUSES: dict[type[BaseException] | type[None], int] = {
    HeadTooLargeError: 431,
    UnknownTransferCodingError: 501,
}
