"""Joins what a connection sends in one turn of the event loop: head and body of a response, and the
events of one read, leave in one system call."""

from __future__ import annotations

import asyncio

MAX_PENDING_BYTES = 65_536
"""From this size the bytes are passed on at once, so that the transport can pause the writer."""


class WriteBuffer:
    """The transport of one connection as its protocol and its responses use it. Bytes keep their
    order; whatever ends the connection in order sends them first."""

    __slots__ = ("_loop", "_parts", "_size", "transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.transport, self._loop = transport, loop
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Sends bytes at the end of this turn of the event loop; many of them at once, without a
        copy."""
        size = self._size + len(data)
        if size >= MAX_PENDING_BYTES:
            self.flush()
            self._send(data)
            return
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)
        self._size = size

    def flush(self) -> None:
        """Sends pending bytes now."""
        if self._parts:
            data = b"".join(self._parts)
            self._parts, self._size = [], 0
            self._send(data)

    def _send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        """Sends pending bytes, and closes the connection once the client has read them."""
        self.flush()
        self.transport.close()

    def write_eof(self) -> None:
        """Sends pending bytes, and ends this direction."""
        self.flush()
        self.transport.write_eof()

    def abort(self) -> None:
        """Drops the connection with its pending bytes."""
        self.transport.abort()

    def is_closing(self) -> bool:
        """Whether the connection is closed or about to be."""
        return self.transport.is_closing()

    def can_write_eof(self) -> bool:
        """Whether one direction can be ended alone."""
        return self.transport.can_write_eof()

    def get_write_buffer_size(self) -> int:
        """Bytes that the client has not been sent yet."""
        return self._size + self.transport.get_write_buffer_size()
