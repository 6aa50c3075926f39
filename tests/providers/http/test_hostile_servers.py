"""Servers that speak something else, or never end: bounded, one clear sentence, the next candidate;
the same over both transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from orch import Orchestrator
from tests.support.raw_server import EVENTS, HELLO, failure, listening, raw_server

OK = EVENTS + b"\r\n"
CHUNKED = EVENTS + b"Transfer-Encoding: chunked\r\n\r\n"
SOCKETS = 24_000_000
"""What the buffers of both ends hold beside what was read."""
ENDS = {
    "ssh": ([b"SSH-2.0-OpenSSH_9.9\r\n"], "check t"),
    "smtp": ([b"220 mail.example.org ESMTP\r\n"], "check t"),
    "redis": ([b"-ERR unknown command 'POST'\r\n"], "check t"),
    "http 0.9": ([b"<html>hello</html>\n"], "check t"),
    "http 2": ([b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d\0\x04\0\x10\0\0"], "does not speak HTTP"),
    "zeros": ([b"\0" * 100_000], "does not speak HTTP"),
    "a page": (
        [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>"],
        "is this a model server",
    ),
    "deep objects": ([OK, b"data: " + b'{"a":' * 100_000 + b"\n\n"], "broken line"),
    "deep lists": ([OK, b"data: " + b"[" * 100_000 + b"]" * 100_000 + b"\n\n"], "broken line"),
    "nothing": ([OK], "ended before"),
    "half an event": ([OK, HELLO[:20]], ""),
}
"""What a server sends before it disconnects, and a part of the message."""
NEVER_ENDS = {
    "headers": (EVENTS, b"X-A: " + b"a" * 1_000 + b"\r\n", "broke"),
    "one header": (EVENTS, b"a" * 60_000, "broke"),
    "one line": (OK, b"x" * 60_000, "over 16 MB"),
    "one event": (OK, b"data: " + b"x" * 60_000, "over 16 MB"),
    "one value": (OK, b'data: {"a": "' + b"x" * 60_000, "over 16 MB"),
    "a huge chunk": (CHUNKED + b"fffffffff\r\n", b"x" * 60_000, "over 16 MB"),
}
"""A head, what follows it without an end, and a part of the message."""
FOR_EVER = {
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100),
    "comments": (OK, b": ping\n\n" * 1_000),
    "blank lines": (OK, b"\r\n" * 1_000),
    "empty data": (OK, b"data:\n\n"),
    "empty events": (OK, b'data: {"choices": [{"delta": {"content": ""}}]}\n\n'),
    "empty objects": (OK, b"data: {}\n\n"),
}
"""What comes again and again and is no token."""


@pytest.mark.parametrize("what", ENDS)
async def test_a_server_that_speaks_something_else_gets_one_sentence(
    what: str, concurrent: bool
) -> None:
    sends, message = ENDS[what]
    async with raw_server(*sends) as server:
        error = await failure(server.url, concurrent=concurrent)
    assert error.code in ("cut", "bad_response")
    assert message in error.message
    assert len(error.message) < 400
    assert "\n" not in error.message


@pytest.mark.parametrize("what", NEVER_ENDS)
async def test_what_never_ends_is_read_up_to_a_limit(what: str, concurrent: bool) -> None:
    head, repeat, message = NEVER_ENDS[what]
    async with raw_server(head, repeat=repeat) as server:
        assert message in (await failure(server.url, concurrent=concurrent)).message
        assert server.sent < 16_000_000 + SOCKETS


@pytest.mark.parametrize("what", FOR_EVER)
async def test_what_is_no_token_does_not_extend_the_wait(what: str, concurrent: bool) -> None:
    head, repeat = FOR_EVER[what]
    async with raw_server(head, repeat=repeat, pause_s=0.01) as server:
        error = await failure(server.url, concurrent=concurrent, timeout_s=0.3)
    assert (error.code, error.message) == ("timeout", "no token came for 0.3 s")


async def test_empty_events_after_a_token_end_as_a_stall(concurrent: bool) -> None:
    token, empty = HELLO.partition(b"\n\n")[0] + b"\n\n", FOR_EVER["empty events"][1]
    async with raw_server(OK, token, repeat=empty, pause_s=0.01) as server:
        error = await failure(server.url, concurrent=concurrent, timeout_s=0.3)
    assert (error.code, error.message) == ("stalled", "the stream stalled for 0.3 s")


@asynccontextmanager
async def dripping(head: bytes, body: bytes) -> AsyncIterator[str]:
    """A server that sends a byte every 50 ms."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(head)
        for byte in body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async with listening(serve) as url:
        yield url


@pytest.mark.parametrize("head", [b"", EVENTS, OK], ids=["status", "headers", "body"])
async def test_bytes_that_drip_do_not_extend_the_wait(head: bytes, concurrent: bool) -> None:
    async with dripping(head, (b"" if head else EVENTS) + b"data: " + b"x" * 10_000) as url:
        assert (await failure(url, concurrent=concurrent, timeout_s=0.3)).code == "timeout"


@pytest.mark.parametrize("what", ["ssh", "deep objects", "a page"])
async def test_the_next_candidate_is_asked_and_nothing_is_lost(
    what: str,
) -> None:
    async with (
        raw_server(*ENDS[what][0], lists="a") as odd,
        raw_server(OK, HELLO, lists="b") as good,
    ):
        providers = {
            name: {"kind": "openai", "base_url": server.url}
            for name, server in (("odd", odd), ("good", good))
        }
        models = [
            {"id": "a", "provider": "odd", "quality_rating": 9},
            {"id": "b", "provider": "good", "quality_rating": 5},
        ]
        async with Orchestrator(
            {"providers": providers, "models": models, "unlisted": "ignore"},
            {"version": 1, "memory_budget_gb": 100},
        ) as orchestrator:
            result = await orchestrator.execute("Say hello", timeout_s=5)
    assert [(each.model, each.outcome) for each in result.attempts] == [
        ("a", "failed"),
        ("b", "ok"),
    ]
    assert result.response.content == "Hello world"
