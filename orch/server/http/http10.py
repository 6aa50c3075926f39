"""Responses to HTTP/1.0 clients, which know no chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent


class PlainCycle(RequestResponseCycle):
    """Sends a body of unknown length as it is; the end of the connection is its end."""

    _has_length = True

    async def send(self, message: ASGISendEvent) -> None:
        """Sends one ASGI message."""
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message.get("headers", ())}
            if b"content-length" not in names:
                self.chunked_encoding, self._has_length = False, False
        elif message["type"] == "http.response.body" and not self._has_length:
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)
