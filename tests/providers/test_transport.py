"""httpx's own transport and aiohttp's under it: the same answers, the same words for what fails,
and nothing left open."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.ollama import OllamaClient
from orch.providers.openai_compatible import OpenAIClient
from orch.types import ChatRequest
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault

Backends = type[OllamaClient] | type[OpenAIClient]
REQUEST = ChatRequest(
    "m", [{"role": "user", "content": "hi"}], first_token_timeout_s=10, token_timeout_s=10
)
LINE = b'{"message":{"content":"a"},"done":false}\n'
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)

pytestmark = pytest.mark.parametrize("concurrent", [False, True], ids=["httpx", "aiohttp"])
kinds = pytest.mark.parametrize("kind", [OllamaClient, OpenAIClient], ids=["ollama", "openai"])


@asynccontextmanager
async def backend_at(
    *urls: str, concurrent: bool, kind: Backends = OllamaClient
) -> AsyncIterator[OllamaClient | OpenAIClient]:
    """A backend, closed at the end."""
    backend = kind(Provider(kind="openai", base_urls=urls), concurrent=concurrent)
    try:
        yield backend
    finally:
        await backend.aclose()


async def say(backend: OllamaClient | OpenAIClient) -> str:
    """A whole answer."""
    return "".join([delta.content async for delta in backend.chat(REQUEST)])


async def failure(backend: OllamaClient | OpenAIClient) -> str:
    """The code of the BackendError that asking ends with."""
    with pytest.raises(ProviderError) as caught:
        await say(backend)
    return caught.value.code


@asynccontextmanager
async def server(*sends: bytes) -> AsyncIterator[str]:
    """A server that sends these bytes, whatever is asked, and hangs up."""

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
async def test_a_connection_that_breaks_or_speaks_no_http_is_cut(
    concurrent: bool, sends: list[bytes]
) -> None:
    async with server(*sends) as url, backend_at(url, concurrent=concurrent) as backend:
        assert await failure(backend) == "cut"
        assert [(row["failures"], row["in_flight"]) for row in backend.addresses()] == [(1, 0)]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://no-such-host.invalid", "https://127.0.0.1:9"]
)
async def test_an_address_where_nobody_is_can_not_be_connected_to(
    concurrent: bool, url: str
) -> None:
    async with backend_at(url, concurrent=concurrent) as backend:
        assert await failure(backend) == "connect"


WHY = {
    "http://127.0.0.1:9": "(Connection refused|All connection attempts failed)",
    "http://no-such-host.invalid": ".*(not known|No address|resolution)",
}


@pytest.mark.parametrize("url", WHY)
async def test_why_it_can_not_be_connected_to_is_told_in_plain_words(
    concurrent: bool, url: str
) -> None:
    async with backend_at(url, concurrent=concurrent) as backend:
        with pytest.raises(
            ProviderError, match=f"^can't connect to {url}: {WHY[url]}[^:]*$"
        ) as caught:
            await say(backend)
    assert "ssl" not in caught.value.message


async def test_tls_that_is_none_can_not_be_connected_to(
    concurrent: bool, ollama: FakeOllama
) -> None:
    async with backend_at(ollama.url.replace("http:", "https:"), concurrent=concurrent) as backend:
        assert await failure(backend) == "connect"


async def test_a_question_that_gets_no_answer_in_time_says_so(
    concurrent: bool, ollama: FakeOllama
) -> None:
    ollama.server_status = Fault("slow", seconds=20)
    async with backend_at(ollama.url, concurrent=concurrent) as backend:
        with pytest.raises(ProviderError, match="in time") as caught:
            await backend._http.json("GET", "/api/version", timeout_s=0.2)
    assert caught.value.code == "timeout"


async def test_the_next_address_is_asked_where_one_hangs_up(concurrent: bool) -> None:
    with FakeOllama([FakeModel("m")]) as well:
        async with server() as url, backend_at(url, well.url, concurrent=concurrent) as backend:
            assert await say(backend) == "Hello world"


async def _answers_once(
    connections: list[asyncio.StreamWriter], well_again: bool
) -> asyncio.Server:
    """A server that answers the first request of a connection and hangs up at the second; later
    connections only where it is well again."""
    body = LINE + b'{"message":{"content":""},"done":true,"done_reason":"stop"}\n'
    whole = HEAD + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.read(65_536)
        if len(connections) == 1 or well_again:
            writer.write(whole)
            await writer.drain()
            await reader.read(65_536)
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize(("well_again", "said"), [(True, ["a", "a"]), (False, ["a", "cut"])])
async def test_a_request_that_meets_a_closing_connection_is_sent_again_once(
    concurrent: bool, well_again: bool, said: list[str]
) -> None:
    connections: list[asyncio.StreamWriter] = []
    async with await _answers_once(connections, well_again) as listening:
        async with backend_at(
            f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", concurrent=concurrent
        ) as backend:
            heard = [
                await say(backend),
                await say(backend) if well_again else await failure(backend),
            ]
        for writer in connections:
            with suppress(ConnectionError):
                await writer.wait_closed()
        assert (heard, len(connections)) == (said, 2)


# ---------------------------------------------------------------- what is sent, and what stays open


@kinds
async def test_no_proxy_stands_between_orch_and_loopback(
    concurrent: bool, kind: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with FakeOllama([FakeModel("m")]) as fake:
        async with backend_at(fake.url, concurrent=concurrent, kind=kind) as backend:
            assert await say(backend) == "Hello world"


async def test_a_proxy_is_used_for_what_is_not_on_this_machine(
    concurrent: bool, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", ollama.url)
    async with backend_at("http://gpu.invalid", concurrent=concurrent) as backend:
        assert await failure(backend) != "connect"
    assert ollama.requests


async def test_name_and_password_of_an_address_are_sent(concurrent: bool) -> None:
    with FakeOllama([FakeModel("m")]) as fake:
        async with backend_at(
            fake.url.replace("://", "://ana:secret@"), concurrent=concurrent
        ) as backend:
            assert await say(backend) == "Hello world"
        assert fake.requests[-1].headers["authorization"] == "Basic YW5hOnNlY3JldA=="


async def test_nothing_compressed_is_asked_for(concurrent: bool) -> None:
    with FakeOllama([FakeModel("m")]) as fake:
        async with backend_at(fake.url, concurrent=concurrent) as backend:
            await say(backend)
        sent = fake.requests[-1].headers
    assert (sent["accept-encoding"], sent["content-type"]) == ("identity", "application/json")


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
        async with backend_at(url, concurrent=concurrent) as backend:
            for _ in range(2):
                await backend.health()
    assert len(seen) == 2
    assert all(b"who=ana" not in sent for sent in seen)


@kinds
async def test_leaving_in_the_middle_ends_generation_at_the_server(
    concurrent: bool, kind: Backends
) -> None:
    with FakeOllama([FakeModel("m", reply=["word "] * 1_000, chunk_delay_s=0.05)]) as fake:
        async with backend_at(fake.url, concurrent=concurrent, kind=kind) as backend:
            async with aclosing(backend.chat(REQUEST)) as deltas:
                await anext(deltas)
            await asyncio.to_thread(fake.wait_for, lambda: fake.chats()[0].aborted)


@kinds
async def test_a_connection_whose_answer_was_read_is_used_again(
    concurrent: bool, kind: Backends
) -> None:
    opened: set[object] = set()
    with FakeOllama([FakeModel("m")]) as fake:
        async with backend_at(fake.url, concurrent=concurrent, kind=kind) as backend:
            for _ in range(3):
                await say(backend)
                opened |= set(fake._server._connections)
    assert len(opened) == 1


async def test_more_streams_run_at_once_than_either_library_allows_by_itself(
    concurrent: bool,
) -> None:
    with FakeOllama([FakeModel("m", chunk_delay_s=0.5)]) as fake:
        async with backend_at(fake.url, concurrent=concurrent) as backend:
            asked = [asyncio.create_task(say(backend)) for _ in range(150)]
            await asyncio.to_thread(fake.wait_for, lambda: len(fake.chats()) == 150, 30)
            assert [row["in_flight"] for row in backend.addresses()] == [150]
            assert set(await asyncio.gather(*asked)) == {"Hello world"}


async def test_without_aiohttp_httpx_does_it(
    concurrent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)
    with FakeOllama([FakeModel("m")]) as fake:
        async with backend_at(fake.url, concurrent=concurrent) as backend:
            assert await say(backend) == "Hello world"
