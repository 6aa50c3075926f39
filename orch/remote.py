"""Asks the running server over its Unix socket, in the least HTTP there is: http.client alone would cost 2.6x `python -c pass`."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

from orch.socket_path import is_own, socket_path

CONNECT_S = 2.0
_READ = 65_536


class NoServerError(Exception):
    """There is no server, or it is none of ours: the command works alone."""


class Connection:
    """One request and its answer. `headers` are lower-case; `lines` gives the body line by line as it comes."""

    def __init__(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, timeout_s: float | None = None) -> None:
        self._socket = _connected()
        data = b"" if body is None else json.dumps(body).encode()
        head = [f"{method} {path} HTTP/1.1", "host: localhost", "connection: close", "content-type: application/json", f"content-length: {len(data)}"]
        head += [f"{name}: {value}" for name, value in (headers or {}).items()]
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall("\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n" + data)
            self._rest = b""
            self.status, self.headers = self._head()
        except (OSError, ValueError, IndexError) as error:
            self.close()
            raise NoServerError(str(error)) from None

    def _head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self._rest:
            self._rest += self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *others = head.decode("latin-1").split("\r\n")
        return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in others)}

    def lines(self) -> Iterator[bytes]:
        """The lines of the body; the last one may lack its end. Raises OSError where the connection breaks before the body's end."""
        rest = b""
        for piece in self._pieces() if self.headers.get("transfer-encoding") == "chunked" else self._sized(int(self.headers.get("content-length", 0))):
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
        if rest:
            yield rest

    def _pieces(self) -> Iterator[bytes]:
        """The pieces of a chunked body: each is its length in hexadecimal, a line end, the bytes, a line end; a length of 0 ends it."""
        while True:
            while b"\r\n" not in self._rest:
                self._rest += self._more()
            size, _, self._rest = self._rest.partition(b"\r\n")
            if not (length := int(size, 16)):
                return
            while len(self._rest) < length + 2:
                self._rest += self._more()
            yield self._rest[:length]
            self._rest = self._rest[length + 2 :]

    def _sized(self, left: int) -> Iterator[bytes]:
        while left > 0:
            piece, self._rest = self._rest or self._more(), b""
            left -= len(piece)
            yield piece

    def _more(self) -> bytes:
        data = self._socket.recv(_READ)
        if not data:
            raise OSError("the server closed the connection")
        return data

    def json(self) -> dict[str, Any]:
        """The whole body as an object."""
        value: dict[str, Any] = json.loads(b"\n".join(self.lines()))
        return value

    def close(self) -> None:
        """Leaves; what the server does for this request ends."""
        self._socket.close()


def _connected() -> socket.socket:
    path = socket_path()
    if not hasattr(socket, "AF_UNIX") or not path.exists() or not is_own(path.parent):
        raise NoServerError("no server is running")
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(CONNECT_S)
    try:
        connection.connect(os.fspath(path))
    except OSError as error:
        connection.close()
        raise NoServerError(f"no server answers at {path}: {error}") from None
    return connection


def ask(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, timeout_s: float | None = None) -> tuple[int, dict[str, Any]]:
    """Status and JSON of one request. Raises NoServerError."""
    connection = Connection(method, path, body, headers, timeout_s)
    try:
        return connection.status, connection.json()
    except (OSError, ValueError) as error:
        raise NoServerError(f"the server broke off: {error}") from None
    finally:
        connection.close()
