"""Servers that send bytes as they are given, and clients of both transports for them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.chat import ChatRequest
from orch.providers.ollama import OllamaClient
from orch.providers.openai_compatible import OpenAIClient

Client = OllamaClient | OpenAIClient
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
"""The head of a stream of events, still open for further headers."""
HELLO = (
    b'data: {"choices": [{"delta": {"content": "Hello "}}]}\n\n'
    b'data: {"choices": [{"delta": {"content": "world"}, "finish_reason": "stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
"""A whole answer."""


class RawServer:
    """A server that answers each request with these bytes. `seen` are the requests; `url` is its
    address."""

    def __init__(self, sends: Iterable[bytes], repeat: bytes = b"") -> None:
        self._sends, self._repeat = list(sends), repeat
        self.seen: list[bytes] = []
        self.sent, self.url = 0, ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            self.seen.append(await reader.read(65_536))
            for piece in self._sends:
                await self._send(writer, piece)
            while self._repeat:
                await self._send(writer, self._repeat)
        writer.close()

    async def _send(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        writer.write(piece)
        self.sent += len(piece)
        await writer.drain()


@asynccontextmanager
async def raw_server(
    *sends: bytes, repeat: bytes = b"", tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[RawServer]:
    """A server that sends these bytes, then `repeat` for ever."""
    server = RawServer(sends, repeat)
    async with await asyncio.start_server(server.serve, host, 0, ssl=tls) as listening:
        scheme, port = "https" if tls else "http", listening.sockets[0].getsockname()[1]
        server.url = f"{scheme}://{host}:{port}"
        yield server


async def say(
    *urls: str,
    concurrent: bool,
    kind: type[Client] = OpenAIClient,
    timeout_s: float = 30,
    **provider: Any,
) -> str:
    """The whole answer of a provider at these addresses."""
    client = kind(Provider(kind="openai", base_urls=urls, **provider), concurrent=concurrent)
    request = ChatRequest(
        "m",
        [{"role": "user", "content": "hi"}],
        first_token_timeout_s=timeout_s,
        token_timeout_s=timeout_s,
    )
    try:
        return "".join([delta.content async for delta in client.chat(request)])
    finally:
        await client.aclose()


async def failure(*urls: str, concurrent: bool, **options: Any) -> ProviderError:
    """The error that asking ends with."""
    with pytest.raises(ProviderError) as caught:
        await say(*urls, concurrent=concurrent, **options)
    return caught.value
