"""Both transports, httpx and aiohttp: the same answers, the same errors, and nothing left open."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.chat import ChatRequest
from orch.providers.ollama.client import OllamaClient
from orch.providers.openai_compatible import OpenAIClient
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.raw_server import raw_server

Backends = type[OllamaClient] | type[OpenAIClient]
REQUEST = ChatRequest(
    "m", [{"role": "user", "content": "hi"}], first_token_timeout_s=10, token_timeout_s=10
)
LINE = b'{"message":{"content":"a"},"done":false}\n'
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)

kinds = pytest.mark.parametrize("kind", [OllamaClient, OpenAIClient], ids=["ollama", "openai"])


@asynccontextmanager
async def client_at(
    *urls: str, concurrent: bool, kind: Backends = OllamaClient
) -> AsyncIterator[OllamaClient | OpenAIClient]:
    """A client, closed at the end."""
    client = kind(Provider(kind="openai", base_urls=urls), concurrent=concurrent)
    try:
        yield client
    finally:
        await client.aclose()


async def say(client: OllamaClient | OpenAIClient) -> str:
    """A whole answer."""
    return "".join([delta.content async for delta in client.chat(REQUEST)])


async def failure(client: OllamaClient | OpenAIClient) -> str:
    """The code of the ProviderError that asking ends with."""
    with pytest.raises(ProviderError) as caught:
        await say(client)
    return caught.value.code


@asynccontextmanager
async def server(*sends: bytes) -> AsyncIterator[str]:
    """A server that answers every request with these bytes and disconnects."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        for piece in sends:
            writer.write(piece)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


# ---------------------------------------------------------------- what fails


@pytest.mark.parametrize(
    "sends",
    [
        [b"SSH-2.0-OpenSSH_9.6\r\n"],
        [b"HTTP/1.1 two hundred\r\n\r\n"],
        [HEAD[:40]],
        [HEAD],
        [HEAD, b"%x\r\n%b\r\n" % (len(LINE), LINE), b"zz\r\n"],
        [HEAD, b"%x\r\n%b" % (len(LINE) + 9, LINE)],
        [],
    ],
    ids=["no-http", "bad-status", "half-a-head", "no-body", "bad-chunk", "half-a-chunk", "nothing"],
)
async def test_a_broken_connection_or_one_without_http_is_cut(
    concurrent: bool, sends: list[bytes]
) -> None:
    async with server(*sends) as url, client_at(url, concurrent=concurrent) as client:
        assert await failure(client) == "cut"
        assert [(row["failures"], row["in_flight"]) for row in client.addresses()] == [(1, 0)]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://no-such-host.invalid", "https://127.0.0.1:9"]
)
async def test_an_address_where_nothing_listens_is_a_connect_error(
    concurrent: bool, url: str
) -> None:
    async with client_at(url, concurrent=concurrent) as client:
        assert await failure(client) == "connect"


WHY = {
    "http://127.0.0.1:9": "(Connection refused|All connection attempts failed)",
    "http://no-such-host.invalid": ".*(not known|No address|resolution)",
}


@pytest.mark.parametrize("url", WHY)
async def test_the_connect_error_has_the_systems_message(concurrent: bool, url: str) -> None:
    async with client_at(url, concurrent=concurrent) as client:
        with pytest.raises(
            ProviderError, match=f"^can't connect to {url}: {WHY[url]}[^:]*$"
        ) as caught:
            await say(client)
    assert "ssl" not in caught.value.message


async def test_https_to_an_http_server_is_a_connect_error(
    concurrent: bool, ollama: FakeOllama
) -> None:
    async with client_at(ollama.url.replace("http:", "https:"), concurrent=concurrent) as client:
        assert await failure(client) == "connect"


async def test_a_request_without_an_answer_in_time_is_a_timeout(
    concurrent: bool, ollama: FakeOllama
) -> None:
    ollama.server_status = Fault("slow", seconds=20)
    async with client_at(ollama.url, concurrent=concurrent) as client:
        with pytest.raises(ProviderError, match="in time") as caught:
            await client._http.json("GET", "/api/version", timeout_s=0.2)
    assert caught.value.code == "timeout"


async def test_the_next_address_is_used_when_one_disconnects(concurrent: bool) -> None:
    with FakeOllama([FakeModel("m")]) as well:
        async with server() as url, client_at(url, well.url, concurrent=concurrent) as client:
            assert await say(client) == "Hello world"


async def _answers_once(connections: list[asyncio.StreamWriter], recovers: bool) -> asyncio.Server:
    """A server that answers the first request of a connection and hangs up at the second; later
    connections only where it is well again."""
    body = LINE + b'{"message":{"content":""},"done":true,"done_reason":"stop"}\n'
    whole = HEAD + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.read(65_536)
        if len(connections) == 1 or recovers:
            writer.write(whole)
            await writer.drain()
            await reader.read(65_536)
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize(("recovers", "expected"), [(True, ["a", "a"]), (False, ["a", "cut"])])
async def test_a_request_on_a_closed_connection_is_sent_again_once(
    concurrent: bool, recovers: bool, expected: list[str]
) -> None:
    connections: list[asyncio.StreamWriter] = []
    async with await _answers_once(connections, recovers) as listening:
        async with client_at(
            f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", concurrent=concurrent
        ) as client:
            heard = [
                await say(client),
                await say(client) if recovers else await failure(client),
            ]
        for writer in connections:
            with suppress(ConnectionError):
                await writer.wait_closed()
        assert (heard, len(connections)) == (expected, 2)


# ---------------------------------------------------------------- what is sent, and what stays open


@kinds
async def test_no_proxy_is_used_for_loopback(
    concurrent: bool, kind: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with FakeOllama([FakeModel("m")]) as fake:
        async with client_at(fake.url, concurrent=concurrent, kind=kind) as client:
            assert await say(client) == "Hello world"


async def test_a_proxy_is_used_for_other_machines(
    concurrent: bool, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", ollama.url)
    async with client_at("http://gpu.invalid", concurrent=concurrent) as client:
        assert await failure(client) != "connect"
    assert ollama.requests


async def test_the_credentials_of_a_url_are_sent(concurrent: bool) -> None:
    with FakeOllama([FakeModel("m")]) as fake:
        async with client_at(
            fake.url.replace("://", "://ana:secret@"), concurrent=concurrent
        ) as client:
            assert await say(client) == "Hello world"
        assert fake.requests[-1].headers["authorization"] == "Basic YW5hOnNlY3JldA=="


async def test_no_compression_is_requested(concurrent: bool) -> None:
    with FakeOllama([FakeModel("m")]) as fake:
        async with client_at(fake.url, concurrent=concurrent) as client:
            await say(client)
        sent = fake.requests[-1].headers
    assert (sent["accept-encoding"], sent["content-type"]) == ("identity", "application/json")


async def test_both_send_the_same_headers_each_once(concurrent: bool) -> None:
    own = {"X-Team": "blue", "user-agent": "me/1"}
    async with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as answering:
        provider = Provider(kind="openai", base_url=answering.url, api_key="k", headers=own)
        client = OpenAIClient(provider, concurrent=concurrent)
        await client.health()
        await client.aclose()
    lines = answering.seen[0].decode().lower().split("\r\n")[1:-2]
    assert sorted(line for line in lines if not line.startswith(("host:", "connection:"))) == [
        "accept-encoding: identity",
        "accept: */*",
        "authorization: bearer k",
        "user-agent: me/1",
        "x-team: blue",
    ]


async def test_a_cookie_is_not_kept_for_the_next_request(concurrent: bool) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(65_536))
        writer.write(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: who=ana; Path=/\r\nContent-Length: 2\r\nConnection:"
            b" close\r\n\r\n{}"
        )
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        url = f"http://localhost:{listening.sockets[0].getsockname()[1]}"
        async with client_at(url, concurrent=concurrent) as client:
            for _ in range(2):
                await client.health()
    assert len(seen) == 2
    assert all(b"who=ana" not in sent for sent in seen)


@kinds
async def test_closing_the_stream_stops_generation_at_the_server(
    concurrent: bool, kind: Backends
) -> None:
    with FakeOllama([FakeModel("m", reply=["word "] * 1_000, chunk_delay_s=0.05)]) as fake:
        async with client_at(fake.url, concurrent=concurrent, kind=kind) as client:
            async with aclosing(client.chat(REQUEST)) as deltas:
                await anext(deltas)
            await asyncio.to_thread(fake.wait_for, lambda: fake.chats()[0].aborted)


@kinds
async def test_a_connection_is_reused_after_its_answer_was_read(
    concurrent: bool, kind: Backends
) -> None:
    opened: set[object] = set()
    with FakeOllama([FakeModel("m")]) as fake:
        async with client_at(fake.url, concurrent=concurrent, kind=kind) as client:
            for _ in range(3):
                await say(client)
                opened |= set(fake._server._connections)
    assert len(opened) == 1


async def test_more_streams_run_at_once_than_the_libraries_defaults_allow(
    concurrent: bool,
) -> None:
    with FakeOllama([FakeModel("m", chunk_delay_s=0.5)]) as fake:
        async with client_at(fake.url, concurrent=concurrent) as client:
            asked = [asyncio.create_task(say(client)) for _ in range(150)]
            await asyncio.to_thread(fake.wait_for, lambda: len(fake.chats()) == 150, 30)
            assert [row["in_flight"] for row in client.addresses()] == [150]
            assert set(await asyncio.gather(*asked)) == {"Hello world"}


async def test_httpx_is_used_without_aiohttp(
    concurrent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)
    with FakeOllama([FakeModel("m")]) as fake:
        async with client_at(fake.url, concurrent=concurrent) as client:
            assert await say(client) == "Hello world"
