"""Limits on what providers send: endless data is read up to a limit, and the error says which. The
same for files that are named."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from orch.cli import stdin
from orch.config import files
from orch.config.spec import Provider
from orch.errors import OrchError, ProviderError
from orch.memory.qdrant_store import QdrantStore
from orch.memory.store import StoreError
from orch.providers import read_limits
from orch.providers.chat import ChatRequest, Delta
from orch.providers.ollama.client import OllamaClient
from orch.providers.openai_compatible import OpenAIClient
from orch.providers.streams.lines import MAX_LINE_BYTES, LineSplitter
from tests.support.orch_command import orch

Backends = type[OllamaClient] | type[OpenAIClient]
REQUEST = ChatRequest(
    "m", [{"role": "user", "content": "hi"}], first_token_timeout_s=30, token_timeout_s=30
)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
BUFFERS = 24_000_000
"""What the sockets of both ends and the asyncio of both hold beside what was read."""
lines = pytest.mark.parametrize("concurrent", [False, True], ids=["httpx", "aiohttp"])


class Endless:
    """A server that answers every request with a head and an endless body; counts the
    bytes."""

    def __init__(self, head: bytes, piece: bytes) -> None:
        self._head, self._piece, self.sent, self.url = head, piece, 0, ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        try:
            writer.write(self._head)
            while True:
                writer.write(self._piece)
                self.sent += len(self._piece)
                await writer.drain()
        except OSError:
            writer.close()


@asynccontextmanager
async def endless(head: bytes, piece: bytes) -> AsyncIterator[Endless]:
    server = Endless(head, piece)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server


async def _ask(backend: Any, asked: str) -> None:
    if asked in ("chat", "pull"):
        [piece async for piece in getattr(backend, asked)(REQUEST if asked == "chat" else "m")]
    else:
        await getattr(backend, asked)(*(["m"] if asked in ("info", "show_raw") else []))


async def refusal(server: Endless, kind: Backends, asked: str, *, concurrent: bool) -> str:
    """The message of the error that a request ends with."""
    backend = kind(Provider(kind="openai", base_urls=(server.url,)), concurrent=concurrent)
    try:
        with pytest.raises(ProviderError) as caught:
            await _ask(backend, asked)
    finally:
        await backend.aclose()
    return caught.value.message


@lines
@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (OllamaClient, "installed"),
        (OllamaClient, "info"),
        (OllamaClient, "show_raw"),
        (OllamaClient, "health"),
        (OpenAIClient, "installed"),
    ],
)
async def test_an_endless_answer_is_read_up_to_a_limit(
    kind: Backends, asked: str, concurrent: bool
) -> None:
    async with endless(OK + b"\r\n", b'{"models": [' + b"{}," * 20_000) as server:
        assert "an answer to" in (
            message := await refusal(server, kind, asked, concurrent=concurrent)
        )
        assert "over 8 MB" in message
        assert server.sent < 2 * (read_limits.MAX_JSON_BYTES + BUFFERS)  # Ollama's lists are two


async def test_the_command_says_which_limit_was_exceeded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with endless(OK + b"\r\n", b'{"models": [' + b"{}," * 20_000) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        done = await asyncio.to_thread(orch, "models")
    assert b"an answer to /api/" in done.stderr
    assert b"of over 8 MB: the rest is not read" in done.stderr


@lines
async def test_an_endless_error_is_reported_without_its_text(concurrent: bool) -> None:
    async with endless(b"HTTP/1.1 500 Broken\r\n\r\n", b"x" * 60_000) as server:
        assert (
            await refusal(server, OllamaClient, "health", concurrent=concurrent)
            == "status 500: Broken (with an error text of over 1 MB, which is not read)"
        )
        assert server.sent < read_limits.MAX_ERROR_BYTES + BUFFERS


@lines
@pytest.mark.parametrize(
    "piece", [b"X-A: " + b"a" * 1_000 + b"\r\n", b"a" * 60_000], ids=["many", "one"]
)
async def test_endless_headers_are_read_up_to_a_limit(piece: bytes, concurrent: bool) -> None:
    async with endless(OK, piece) as server:
        assert await refusal(server, OllamaClient, "health", concurrent=concurrent)
        assert server.sent < BUFFERS


@lines
@pytest.mark.parametrize(
    ("kind", "asked"), [(OllamaClient, "chat"), (OllamaClient, "pull"), (OpenAIClient, "chat")]
)
async def test_an_endless_line_is_read_up_to_a_limit(
    kind: Backends, asked: str, concurrent: bool
) -> None:
    async with endless(OK + b"\r\n", b"x" * 60_000) as server:
        assert "a line of over 16 MB" in await refusal(server, kind, asked, concurrent=concurrent)
        assert server.sent < MAX_LINE_BYTES + BUFFERS


ANSWERS: dict[str, tuple[Backends, bytes, bytes]] = {
    "content": (OllamaClient, OK + b"\r\n", b'{"message": {"content": "%b"}}\n' % (b"a" * 9_000)),
    "thinking": (
        OllamaClient,
        OK + b"\r\n",
        b'{"message": {"thinking": "%b"}}\n' % (b"a" * 9_000),
    ),
    "tool calls": (
        OllamaClient,
        OK + b"\r\n",
        b'{"message": {"tool_calls": [{"function": {"name": "f", "arguments": {}}}]}}\n',
    ),
    "reasoning": (
        OpenAIClient,
        EVENTS,
        b'data: {"choices": [{"delta": {"reasoning_content": "%b"}}]}\n\n' % (b"a" * 9_000),
    ),
    "arguments": (
        OpenAIClient,
        EVENTS,
        b"data:"
        b' {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"%b"}}]}}]}\n\n'
        % (b"a" * 9_000),
    ),
    "calls": (
        OpenAIClient,
        EVENTS,
        b"".join(
            b'data: {"choices":[{"delta":{"tool_calls":[{"index":%d}]}}]}\n\n' % number
            for number in range(3_000)
        ),
    ),
}


@lines
@pytest.mark.parametrize("what", ANSWERS)
async def test_an_answer_is_no_longer_than_a_context(
    monkeypatch: pytest.MonkeyPatch, what: str, concurrent: bool
) -> None:
    monkeypatch.setattr(read_limits, "MAX_ANSWER_CHARS", 1_000_000)
    kind, head, piece = ANSWERS[what]
    async with endless(head, piece) as server:
        assert "an answer of over 1,000,000 characters" in await refusal(
            server, kind, "chat", concurrent=concurrent
        )
        assert server.sent < 2_000_000 + BUFFERS


@lines
async def test_a_stream_without_events_is_limited(
    monkeypatch: pytest.MonkeyPatch, concurrent: bool
) -> None:
    monkeypatch.setattr(read_limits, "MAX_STREAM_BYTES", 1_000_000)
    async with endless(OK + b"\r\n", b'{"message": {"content": ""}}\n' * 100) as server:
        assert "a stream of over 1 MB" in await refusal(
            server, OllamaClient, "chat", concurrent=concurrent
        )


def test_deltas_count_what_they_take_in_memory() -> None:
    size = read_limits.AnswerSizeLimit()
    size.add_chars(read_limits.MAX_ANSWER_CHARS - read_limits.DELTA_OVERHEAD_CHARS)
    size.add(Delta())
    with pytest.raises(ProviderError, match="an answer of over 40,000,000 characters"):
        size.add(Delta())


def test_a_list_of_models_is_limited() -> None:
    with pytest.raises(ProviderError, match="over 5,000 models"):
        read_limits.model_entries([{"name": "m"}] * 5_001, "name")
    assert read_limits.model_entries([{"name": "m"}, {"name": "n" * 301}], "name") == [
        {"name": "m"}
    ]


def test_what_is_no_object_in_a_list_of_models_is_left_out() -> None:
    entries = [7, {"name": "m"}, None, "n", ["name"]]
    assert read_limits.model_entries(entries, "name") == [{"name": "m"}]
    assert read_limits.model_entries([], "name") == read_limits.model_entries(None, "name") == []


@pytest.mark.parametrize("value", [7, "m", {"name": "m"}, [7], ["m", None]])
def test_a_list_without_an_object_is_no_list_of_models(value: object) -> None:
    with pytest.raises(TypeError):
        read_limits.model_entries(value, "name")


def test_a_long_line_in_small_chunks_is_joined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    splitter, copied = LineSplitter(), 0
    rest = splitter.flush

    def counting() -> bytes:
        nonlocal copied
        copied += len(line := rest())
        return line

    monkeypatch.setattr(splitter, "flush", counting)
    assert [line for _ in range(100_000) for line in splitter.feed(b"abcd")] == []
    assert splitter.feed(b"e\nf") == [b"abcd" * 100_000 + b"e"]
    assert (copied, rest()) == (400_001, b"f")


async def test_an_answer_of_qdrants_server_is_read_up_to_a_limit() -> None:
    async with endless(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" " * 1_000_000
    ) as server:
        with pytest.raises(StoreError, match="over 64 MB"):
            await asyncio.to_thread(QdrantStore("c", 4, url=server.url).open)
        assert server.sent < 64_000_000 + BUFFERS


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/urandom"])
def test_an_endless_file_is_read_up_to_a_limit(name: str) -> None:
    with pytest.raises(OrchError, match=f"{name} holds over 64 MB"):
        stdin.read_file(name)


def test_all_files_together_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdin, "MAX_BYTES", 100)
    Path("a").write_text("a" * 60)
    assert [each["name"] for each in stdin.read_files(["a"])] == ["a"]
    with pytest.raises(OrchError, match="with the files before it"):
        stdin.read_files(["a", "a"])


def test_a_file_of_proc_and_a_pipe_are_read_completely(tmp_path: Path) -> None:
    assert b"Name:" in files.read_bounded("/proc/self/status", 10_000)
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["sh", "-c", f"echo late > {tmp_path / 'pipe'}"]):
        assert files.read_bounded(tmp_path / "pipe", 100) == b"late\n"
    with pytest.raises(IsADirectoryError):
        files.read_bounded(tmp_path, 100)


def test_a_pipe_without_a_writer_is_an_error_after_a_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PATIENCE_S", 0.0)
    os.mkfifo(tmp_path / "pipe")
    writers: list[Any] = []

    def waiting() -> None:
        writers.append(subprocess.Popen(["sh", "-c", f"echo late > {tmp_path / 'pipe'}"]))

    assert files.read_bounded(tmp_path / "pipe", 100, waiting) == b"late\n"
    assert [process.wait() for process in writers] == [0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "-f", "/dev/zero", "hi"], "/dev/zero holds over 64 MB"),
        (["run", "--schema", "/dev/zero", "hi"], "--schema /dev/zero: over 8 MB"),
        (["bench", "--quality", "--suite", "/dev/zero"], "/dev/zero: over 4 MB"),
        (["memory", "import", "/dev/zero"], "/dev/zero holds over 64 MB"),
        (["memory", "add", "-f", "/dev/zero"], "/dev/zero holds over 64 MB"),
        (["run", "-f", "/", "hi"], "/: Is a directory"),
    ],
)
def test_every_command_says_so(words: list[str], message: str) -> None:
    done = orch(*words)
    assert (done.returncode != 0, message in done.stderr.decode(), b"Traceback" in done.stderr) == (
        True,
        True,
        False,
    ), done.stderr


def test_an_endless_line_of_a_file_is_an_error() -> None:
    os.symlink("/dev/zero", "endless.jsonl")
    assert b"16 million characters" in orch("classify", "endless.jsonl").stderr
