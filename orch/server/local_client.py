"""Minimal HTTP client for the running server's Unix socket: http.client alone would cost 2.6x
`python -c pass`."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from orch.config.socket_path import is_private_folder, socket_path

CONNECT_TIMEOUT_S = 2.0
PROBE_TIMEOUT_S = 3.0
"""A server whose event loop does not answer a trivial request within this time is stopped or
frozen."""
SEND_TIMEOUT_S = 30.0
"""For the server to read a whole request."""
_READ = 65_536
_PING = b"HEAD / HTTP/1.1\r\nhost: localhost\r\n\r\n"
_OK = 200


class NoServerError(Exception):
    """No server runs, or none that the user owns: the command runs without one."""


class StuckServerError(NoServerError):
    """A server accepts connections and does not answer."""


class LocalConnection:
    """One request and its response. `headers` are lower-case; `lines` yields the body line by line.

    A trivial request is sent first (0.14 ms), so that a stuck server is detected before it receives
    anything that it could execute when it wakes. While waiting for a response, however long the
    model takes, the server is probed on a second connection. With `timeout_s` the response is
    awaited for that long only.
    """

    def __init__(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._socket, self.status, self.headers, self._rest = _connect_to_responsive(
            PROBE_TIMEOUT_S if timeout_s is None else min(timeout_s, PROBE_TIMEOUT_S)
        )
        if self.status != _OK:
            return  # it accepts no more connections
        data = b"" if body is None else json.dumps(body).encode()
        head = [
            f"{method} {path} HTTP/1.1",
            "host: localhost",
            "connection: close",
            "content-type: application/json",
            f"content-length: {len(data)}",
        ]
        head += [f"{name}: {value}" for name, value in (headers or {}).items()]
        try:
            self._socket.settimeout(SEND_TIMEOUT_S)
            self._socket.sendall(
                "\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n" + data
            )
            self._socket.settimeout(PROBE_TIMEOUT_S if timeout_s is None else timeout_s)
            self.status, self.headers, self._rest = _head(self._receive_more)
        except (OSError, ValueError, IndexError) as error:
            self.close()
            raise NoServerError(str(error)) from None
        except NoServerError:
            self.close()
            raise

    def lines(self) -> Iterator[bytes]:
        """The lines of the body; the last one may lack its newline. Raises OSError if the
        connection breaks before the end, and StuckServerError."""
        rest = b""
        is_chunked = self.headers.get("transfer-encoding") == "chunked"
        length = int(self.headers.get("content-length", 0))
        for piece in self._chunks() if is_chunked else self._counted(length):
            *complete, rest = (rest + piece).split(b"\n")
            yield from complete
        if rest:
            yield rest

    def _chunks(self) -> Iterator[bytes]:
        """The chunks of a chunked body: each is its length in hexadecimal, CRLF, the bytes, CRLF; a
        length of 0 ends it."""
        while True:
            while b"\r\n" not in self._rest:
                self._rest += self._receive_more()
            size, _, self._rest = self._rest.partition(b"\r\n")
            if not (length := int(size, 16)):
                return
            while len(self._rest) < length + 2:
                self._rest += self._receive_more()
            yield self._rest[:length]
            self._rest = self._rest[length + 2 :]

    def _counted(self, left: int) -> Iterator[bytes]:
        while left > 0:
            piece, self._rest = self._rest or self._receive_more(), b""
            left -= len(piece)
            yield piece

    def _receive_more(self) -> bytes:
        while True:
            try:
                return _receive(self._socket)
            except TimeoutError:
                if self._timeout_s is not None:
                    raise
                _connect_to_responsive(PROBE_TIMEOUT_S)[0].close()

    def json(self) -> dict[str, Any]:
        """The whole body as an object."""
        value: dict[str, Any] = json.loads(b"\n".join(self.lines()))
        return value

    def close(self) -> None:
        """Disconnects, which cancels the request at the server; from another thread too, whose read
        then ends."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _connect_to_responsive(limit_s: float) -> tuple[socket.socket, int, dict[str, str], bytes]:
    """Connects to a server that responds now: socket, status, headers and the rest of that
    response. Raises NoServerError."""
    connection = _connect()
    connection.settimeout(limit_s)
    try:
        connection.sendall(_PING)
        return (connection, *_head(lambda: _receive(connection)))
    except TimeoutError:
        connection.close()
        raise StuckServerError(f"the server at {socket_path()} does not respond") from None
    except (OSError, ValueError, IndexError) as error:
        connection.close()
        raise NoServerError(str(error)) from None


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(_READ)
    if not data:
        raise OSError("the server closed the connection")
    return data


def _head(more: Callable[[], bytes]) -> tuple[int, dict[str, str], bytes]:
    """Status and headers of a response, and the part of its body that came with them."""
    data = more()
    while b"\r\n\r\n" not in data:
        data += more()
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *others = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in others)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    return int(first.split(" ")[1]), headers, rest


def _connect() -> socket.socket:
    path = socket_path()
    if not hasattr(socket, "AF_UNIX") or not path.exists() or not is_private_folder(path.parent):
        raise NoServerError("no server is running")
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(CONNECT_TIMEOUT_S)
    try:
        connection.connect(os.fspath(path))
    except OSError as error:
        connection.close()
        raise NoServerError(f"no server responds at {path}: {error}") from None
    return connection


def request_json(
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    timeout_s: float | None = None,
) -> tuple[int, dict[str, Any]]:
    """Status and JSON of one request. Raises NoServerError."""
    connection = LocalConnection(method, path, body, headers, timeout_s)
    try:
        return connection.status, connection.json()
    except (OSError, ValueError) as error:
        raise NoServerError(f"the connection to the server broke: {error}") from None
    finally:
        connection.close()
