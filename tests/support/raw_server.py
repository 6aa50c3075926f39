"""Servers that send bytes as they are given, and clients of both transports for them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.chat import ChatRequest
from orch.providers.ollama.client import OllamaClient
from orch.providers.openai_compatible import OpenAIClient

Client = OllamaClient | OpenAIClient
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
"""The head of a stream of events, still open for further headers."""
HELLO = (
    b'data: {"choices": [{"delta": {"content": "Hello "}}]}\n\n'
    b'data: {"choices": [{"delta": {"content": "world"}, "finish_reason": "stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
"""A whole answer."""

_LIST = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    b'{"data": [{"id": "%b"}]}'
)


class RawServer:
    """A server that answers each request with these bytes; if it `lists` a model, only those that
    ask for an answer. `seen` are the requests; `url` is its address."""

    def __init__(
        self, sends: Iterable[bytes], repeat: bytes = b"", lists: str = "", pause_s: float = 0.0
    ) -> None:
        self._sends, self._repeat, self._lists = list(sends), repeat, lists
        self._pause_s = pause_s
        self.seen: list[bytes] = []
        self.sent, self.url = 0, ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen.append(await reader.read(65_536))
        if self._lists and self.seen[-1].startswith(b"GET "):
            return await self._send(writer, _LIST % self._lists.encode())
        for piece in self._sends:
            await self._send(writer, piece)
        while self._repeat:
            await self._send(writer, self._repeat)
            await asyncio.sleep(self._pause_s)

    async def _send(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        writer.write(piece)
        self.sent += len(piece)
        await writer.drain()


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The URL of a server that serves each connection with `serve`, then closes it; the last ones
    end with it."""
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            tasks.add(task)
        try:
            await serve(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()

    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls) as server:
        try:
            port = server.sockets[0].getsockname()[1]
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def raw_server(
    *sends: bytes,
    repeat: bytes = b"",
    pause_s: float = 0.0,
    lists: str = "",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RawServer]:
    """A server that sends these bytes, then `repeat` for ever, with a pause behind each."""
    server = RawServer(sends, repeat, lists, pause_s)
    async with listening(server.serve, tls) as server.url:
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
