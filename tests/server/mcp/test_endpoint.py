"""`/mcp` of a real server, by the SDK's own client, and by hand where a client is hostile."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from orch.mcp.protocol import MAX_MESSAGE_BYTES
from orch.mcp.schemas import TOOLS
from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from orch.server.mcp.endpoint import MAX_SESSIONS
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.http_server import served
from tests.support.mcp_search import search
from tests.support.orch_process import serving

TASK = "Write a Python function that sorts a list"
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
FIRST, SECOND = "first-key-of-the-tests", "second-key-of-the-tests"


def message(method: str, number: int | None = 1, **params: Any) -> dict[str, Any]:
    named = {} if number is None else {"id": number}
    return {"jsonrpc": "2.0", **named, "method": method, "params": params}


HELLO = message(
    "initialize",
    protocolVersion="2025-06-18",
    capabilities={},
    clientInfo={"name": "test", "version": "1"},
)


@asynccontextmanager
async def connected(url: str, mode: str = "auto", key: str = "") -> AsyncIterator[Client]:
    """The SDK's client."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(headers=headers, timeout=300, trust_env=False) as http:
        transport: Any = streamable_http_client(f"{url}/mcp", http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=300) as client:
            yield client


def opened(url: str, **headers: str) -> dict[str, str]:
    """The headers of a session that was opened by hand."""
    answer = httpx.post(f"{url}/mcp", json=HELLO, headers={**HEADERS, **headers})
    assert answer.status_code == 200, answer.text
    named = {"mcp-session-id": answer.headers["mcp-session-id"]}
    return {**HEADERS, **headers, **named, "mcp-protocol-version": "2025-06-18"}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_sdks_client_lists_and_calls_the_tools(url: str, mode: str) -> None:
    reports: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reports.append(progress)

    async with connected(url, mode) as client:
        tools = (await client.list_tools()).tools
        answer = await client.call_tool("ask", {"task": TASK}, progress_callback=on_progress)
        added = await client.call_tool("memory_add", {"text": "the staging server is nemo"})
        hits = await search(client, "staging server")
        routed = await client.call_tool("route", {"task": TASK})
        listed = await client.call_tool("models", {})
        refused = await client.call_tool("ask", {"task": TASK, "model": "nope"})
    assert [tool.name for tool in tools] == list(TOOLS)
    assert (answer.structured_content["model"], answer.structured_content["task_type"]) == (
        CODER,
        "coding",
    )
    assert reports[:1] == [0.0]
    assert added.structured_content["new"] == 1
    assert "nemo" in str(hits)
    assert routed.structured_content["model"] == CODER
    assert CODER in str(listed.structured_content)
    assert refused.is_error
    assert "nope" in str(refused.content)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_cancelled_call_cancels_the_run(url: str, ollama: FakeOllama, mode: str) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 5_000, 0.02
    async with connected(url, mode) as client:
        with anyio.CancelScope() as scope:

            async def on_progress(
                progress: float, total: float | None, message: str | None
            ) -> None:
                if progress:
                    scope.cancel()

            await client.call_tool("ask", {"task": TASK}, progress_callback=on_progress)
        assert scope.cancelled_caught
        await anyio.to_thread.run_sync(ollama.wait_for, lambda: ollama.chats()[-1].aborted)
        after = await client.call_tool("classify", {"text": TASK})
    assert not after.is_error
    rows = httpx.get(f"{url}/orch/runs").json()["runs"]
    assert [row["status"] for row in rows] == ["interrupted"]


def test_a_client_that_is_gone_cancels_its_run(url: str, ollama: FakeOllama) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 5_000, 0.02
    call = message("tools/call", 2, name="ask", arguments={"task": TASK})
    with httpx.stream("POST", f"{url}/mcp", json=call, headers=opened(url)):
        ollama.wait_for(lambda: bool(ollama.chats()))
    ollama.wait_for(lambda: ollama.chats()[-1].aborted)


# ---------------------------------------------------------------- guards


def test_a_page_of_the_web_gets_nothing(url: str) -> None:
    for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
        answer = httpx.post(f"{url}/mcp", json=HELLO, headers={**HEADERS, **headers})
        assert answer.status_code == 403


@pytest.fixture
def with_keys(ollama: FakeOllama, url: str) -> Iterator[str]:
    """A server with two keys."""
    keys = ApiKeys([("first", FIRST), ("second", SECOND)])
    with served(Rules(keys=keys)) as there:
        yield there


async def test_with_keys_each_has_its_own_sessions(with_keys: str, ollama: FakeOllama) -> None:
    assert httpx.post(f"{with_keys}/mcp", json=HELLO, headers=HEADERS).status_code == 401
    for key in (FIRST, SECOND):
        async with connected(with_keys, key=key) as client:
            assert len((await client.list_tools()).tools) == len(TOOLS)
            await client.call_tool("ask", {"task": f"{TASK} {key[0]}", "session": "trip"})
    last = ollama.chats()[-1].body["messages"]
    assert [each["role"] for each in last] == ["user"]  # nothing of the other's conversation


def test_a_session_is_unknown_to_another_key(with_keys: str) -> None:
    mine = opened(with_keys, authorization=f"Bearer {FIRST}")
    ping = message("ping", 2)
    stolen = {**mine, "authorization": f"Bearer {SECOND}"}
    assert httpx.post(f"{with_keys}/mcp", json=ping, headers=stolen).status_code == 404
    assert httpx.post(f"{with_keys}/mcp", json=ping, headers=mine).status_code == 200


async def test_another_account_gets_no_memory(ollama: FakeOllama, url: str) -> None:
    async def uid_of(*_: object) -> int:
        return 12_345

    with served(Rules(uid_of=uid_of)) as there:
        async with connected(there) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            answer = await client.call_tool("ask", {"task": TASK})
            refused = [
                await client.call_tool(name, arguments)
                for name, arguments in (
                    ("memory_search", {"query": "sort"}),
                    ("memory_add", {"text": "x"}),
                    ("route", {"task": TASK}),
                    ("ask", {"task": TASK, "session": "trip"}),
                )
            ]
    assert names == ["ask", "classify", "models"]
    assert answer.structured_content["model"] == CODER
    assert all(each.is_error for each in refused)
    assert all("the account that runs orch serve" in str(each.content) for each in refused)


# ---------------------------------------------------------------- limits and the end


def test_too_large_a_message_is_refused_unread(url: str) -> None:
    huge = b"x" * (MAX_MESSAGE_BYTES + 1)
    assert httpx.post(f"{url}/mcp", content=huge, headers=HEADERS).status_code == 413


@pytest.mark.parametrize("body", [b"", b"garbage", b"[]", b"{}", b"[" * 100_000, b'{"id": 1}'])
def test_what_is_no_message_is_an_error(url: str, body: bytes) -> None:
    answer = httpx.post(f"{url}/mcp", content=body, headers=HEADERS)
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_sessions_are_bounded(url: str) -> None:
    with httpx.Client() as client:
        statuses = [
            client.post(f"{url}/mcp", json=HELLO, headers=HEADERS).status_code
            for _ in range(MAX_SESSIONS + 1)
        ]
    assert statuses == [*[200] * MAX_SESSIONS, 503]


def test_another_account_does_not_use_up_the_owners_sessions(
    ollama: FakeOllama, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = [12_345]

    async def uid_of(*_: object) -> int:
        return asking[0]

    monkeypatch.setattr("orch.server.mcp.endpoint.MAX_SESSIONS", 2)
    with served(Rules(uid_of=uid_of)) as there:
        for statuses in ([200, 200, 503], [200, 200, 503]):
            assert statuses == [
                httpx.post(f"{there}/mcp", json=HELLO, headers=HEADERS).status_code for _ in "abc"
            ]
            asking[0] = os.getuid()


def test_an_ended_session_is_unknown(url: str) -> None:
    mine = opened(url)
    assert httpx.delete(f"{url}/mcp", headers=mine).status_code == 200
    assert httpx.post(f"{url}/mcp", json=message("ping", 2), headers=mine).status_code == 404


def test_an_open_stream_does_not_keep_the_server_from_ending(ollama: FakeOllama) -> None:
    with serving() as server:
        mine = opened(server.url)
        with httpx.stream("GET", f"{server.url}/mcp", headers=mine, timeout=60) as stream:
            assert stream.status_code == 200
            server.process.terminate()
            assert list(stream.iter_lines()) == []
        assert server.process.wait(60) in (0, 143, -15)
