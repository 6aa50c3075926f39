"""A minimal HTTP/1.1 for the benchmark's server and clients: whole requests, content lengths and
chunks."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Request:
    """One received request."""

    method: bytes
    path: bytes
    body: bytes


def request_in(data: bytes) -> tuple[Request, bytes] | None:
    """The first request in `data` and the remaining bytes; None while it is incomplete. Raises
    ValueError for a chunked body."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end]
    if _CHUNKED.search(head):
        raise ValueError("a request in chunks is not understood here")
    length = _LENGTH.search(head)
    whole = end + 4 + (int(length[1]) if length else 0)
    if len(data) < whole:
        return None
    method, path, _ = head.split(b" ", 2)
    return Request(method, path, data[end + 4 : whole]), data[whole:]


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def post(host: str, path: str, body: bytes) -> bytes:
    """A POST of JSON with keep-alive."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length:"
        f" {len(body)}\r\n\r\n".encode()
        + body
    )


class Response:
    """An incremental response parser: `status` is 0 until the head is complete, `done` is set when
    the body is."""

    __slots__ = ("_chunked", "_left", "_raw", "done", "status")

    def __init__(self) -> None:
        self.status = 0
        self.done = False
        self._raw = bytearray()
        self._chunked = False
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """Feeds bytes, returns the part of the body in them. Raises ValueError without a length or
        chunks."""
        self._raw += data
        if not self.status and not self._read_head():
            return b""
        return self._read_chunks() if self._chunked else self._read_plain()

    def _read_head(self) -> bool:
        end = self._raw.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._raw[:end])
        del self._raw[: end + 4]
        self.status = int(head[9:12])
        self._chunked = _CHUNKED.search(head) is not None
        length = _LENGTH.search(head)
        if length is None and not self._chunked:
            raise ValueError("a response without a length")
        self._left = int(length[1]) if length else 0
        return True

    def _read_plain(self) -> bytes:
        data = bytes(self._raw[: self._left])
        del self._raw[: self._left]
        self._left -= len(data)
        self.done = self._left == 0
        return data

    def _read_chunks(self) -> bytes:
        raw, at, parts = self._raw, 0, []
        while not self.done and (line := raw.find(b"\r\n", at)) >= 0:
            size = int(raw[at:line], 16)
            end = line + 2 + size
            if len(raw) < end + 2:
                break
            parts.append(raw[line + 2 : end])
            at = end + 2
            self.done = size == 0
        del raw[:at]
        return b"".join(parts)
