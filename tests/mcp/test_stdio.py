"""`orch mcp` as a real process, by the SDK's own client, and by hand where that is too polite."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from orch.mcp.protocol import MAX_MESSAGE_BYTES
from orch.mcp.schemas import TOOLS
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.forked import COMMAND, Forked
from tests.support.journal_file import query
from tests.support.mcp_search import search
from tests.support.orch_process import serving

TASK = "Write a Python function that sorts a list"
WAIT_S = 300
"""The SDK starts a process in a session of its own, to which a busy machine gives little."""
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@asynccontextmanager
async def connected(folder: Path, mode: str = "auto") -> AsyncIterator[Client]:
    """The SDK's client of an `orch mcp` of its own, whose stderr is kept."""
    command, *words = COMMAND
    server = StdioServerParameters(command=command, args=[*words, "mcp"], env=dict(os.environ))
    with (folder / "stderr").open("w") as log:
        transport: Any = stdio_client(server, log)
        async with Client(transport, mode=mode, read_timeout_seconds=WAIT_S) as client:
            yield client


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_sdks_client_lists_and_calls_the_tools(
    ollama: FakeOllama, tmp_path: Path, mode: str
) -> None:
    reports: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reports.append(progress)

    async with connected(tmp_path, mode) as client:
        tools = (await client.list_tools()).tools
        answer = await client.call_tool("ask", {"task": TASK}, progress_callback=on_progress)
        refused = await client.call_tool("ask", {"tusk": TASK})
        added = await client.call_tool("memory_add", {"text": "the staging server is nemo"})
        hits = await search(client, "staging server")
    assert [tool.name for tool in tools] == list(TOOLS)
    assert all(tool.annotations and tool.output_schema for tool in tools)
    assert (answer.is_error, answer.structured_content["model"]) == (False, CODER)
    assert answer.structured_content["answer"] == "def f(): pass"
    assert reports[:1] == [0.0]
    assert refused.is_error
    assert "'task' is a required property" in str(refused.content)
    assert added.structured_content["new"] == 1
    assert "nemo" in str(hits)
    assert (tmp_path / "stderr").read_text() == ""


async def test_it_uses_a_running_server(ollama: FakeOllama, tmp_path: Path) -> None:
    with serving() as server:
        async with connected(tmp_path) as client:
            answer = await client.call_tool("ask", {"task": TASK})
            routed = await client.call_tool("route", {"task": TASK})
            listed = await client.call_tool("models", {})
            hits = await search(client, "sort")
            server.kill()
            alone = await client.call_tool("ask", {"task": "Write a function that adds"})
    values = (answer.structured_content, routed.structured_content)
    assert [each["model"] for each in values] == [CODER, CODER]
    assert CODER in str(listed.structured_content)
    assert hits[0]["id"] == answer.structured_content["run_id"]
    assert alone.structured_content["model"] == CODER


async def test_a_cancelled_call_ends_at_the_model_and_in_the_journal(
    ollama: FakeOllama, tmp_path: Path, home: Path
) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 5_000, 0.02
    async with connected(tmp_path) as client:
        with anyio.CancelScope() as scope:

            async def on_progress(
                progress: float, total: float | None, message: str | None
            ) -> None:
                if progress:
                    scope.cancel()

            await client.call_tool("ask", {"task": TASK}, progress_callback=on_progress)
        assert scope.cancelled_caught
        after = await client.call_tool("classify", {"text": TASK})
    assert not after.is_error
    await anyio.to_thread.run_sync(ollama.wait_for, lambda: bool(ollama.chats()[-1].aborted))
    assert statuses(home) == ["interrupted"]


def statuses(home: Path) -> list[str]:
    """How each run of the journal ended."""
    return [row[0] for row in query(home, "SELECT status FROM runs")]


# ---------------------------------------------------------------- by hand


class ByHand:
    """A client that sends lines and reads lines."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._id = 0

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def ask(self, method: str, **params: Any) -> int:
        """Sends a request; its id."""
        self._id += 1
        message = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}
        self.send(json.dumps(message).encode() + b"\n")
        return self._id

    def read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextmanager
def by_hand() -> Iterator[ByHand]:
    """An `orch mcp` after its handshake; killed at the end of the block if it still runs."""
    streams: dict[str, Any] = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    with Forked("mcp", **streams) as process:
        try:
            client = ByHand(process)
            client.ask("initialize", **HELLO)
            assert client.read()["result"]["serverInfo"]["name"] == "orch"
            client.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
            yield client
        finally:
            process.kill()


@pytest.mark.parametrize(
    "line", [b"garbage\n", b"[]\n", b"\xff\xfe\n", b"{}\n", b"x" * (MAX_MESSAGE_BYTES + 2) + b"\n"]
)
def test_what_is_no_message_is_an_error_and_the_next_one_is_served(
    ollama: FakeOllama, line: bytes
) -> None:
    with by_hand() as client:
        client.send(line)
        assert client.read()["error"]["code"] == -32700
        client.ask("tools/call", name="classify", arguments={"text": TASK})
        assert client.read()["result"]["structuredContent"]["task_type"] == "coding"


def test_an_unknown_tool_is_an_error_that_names_those_there_are(ollama: FakeOllama) -> None:
    with by_hand() as client:
        client.ask("tools/call", name="rm", arguments={})
        assert "there are ask, route, classify" in client.read()["error"]["message"]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda process: process.send_signal(signal.SIGINT), 130),
        (lambda process: process.send_signal(signal.SIGTERM), 143),
        (lambda process: process.stdin.close(), 0),
        (lambda process: process.stdout.close(), 0),
    ],
    ids=["ctrl-c", "sigterm", "stdin closed", "client gone"],
)
def test_however_it_ends_the_run_is_journaled_and_nothing_is_printed(
    ollama: FakeOllama, home: Path, end: Any, code: int
) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 5_000, 0.02
    with by_hand() as client:
        progress = {"_meta": {"progressToken": 1}}
        client.ask("tools/call", name="ask", arguments={"task": TASK}, **progress)
        client.read()
        ollama.wait_for(lambda: bool(ollama.chats()))
        end(client.process)
        assert client.process.wait(WAIT_S) == code
        assert client.process.stderr is not None
        assert client.process.stderr.read() == b""
    assert statuses(home) == ["interrupted"]
