"""The corpus: streams in the forms of real servers, each with its result, in every split of its
bytes and over a real socket by both transports.

A file's first line is a JSON object: the server whose form it has, the content type, what comes of
it, and how many choices were asked for (`n`); the rest is the stream.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.chat import ChatRequest, Delta
from orch.providers.client import load_stream_error
from orch.providers.ollama.client import OllamaClient
from orch.providers.openai_compatible import OpenAIClient
from orch.providers.streams.answer import StreamedAnswer
from orch.providers.streams.reader import StreamReader
from orch.providers.streams.sse import Event
from tests.providers.streams.byte_splits import split
from tests.support.untimed import untimed

FOLDER = Path(__file__).with_name("corpus")


class Recorded(NamedTuple):
    """One stream of the corpus."""

    name: str
    expected: dict[str, Any]
    body: bytes


def recorded() -> list[Recorded]:
    """All streams, by the paths of their files."""
    streams = []
    for path in sorted(FOLDER.rglob("*.txt")):
        head, _, body = path.read_bytes().partition(b"\n")
        name = path.relative_to(FOLDER).with_suffix("").as_posix()
        streams.append(Recorded(name, json.loads(head), body))
    return streams


STREAMS = recorded()
each_stream = pytest.mark.parametrize("recorded", STREAMS, ids=[each.name for each in STREAMS])


class Result(NamedTuple):
    """What came of a stream."""

    deltas: list[Delta]
    error: ProviderError | None = None


def fold(chunks: Sequence[bytes], recorded: Recorded) -> Result:
    """The result of a stream, read as a client reads it."""
    answer, deltas = StreamedAnswer(has_choices="n" in recorded.expected), list[Delta]()
    try:
        for delta in read(chunks, answer):
            deltas.append(delta)
    except ProviderError as error:
        if not answer.ends_well(error):
            return Result(deltas, error)
    try:
        return Result([*deltas, answer.last()])
    except ProviderError as error:
        return Result(deltas, error)


def read(chunks: Sequence[bytes], answer: StreamedAnswer) -> Iterator[Delta]:
    """The deltas of a stream, up to the error or the end that it tells."""
    reader = StreamReader()
    for chunk in (*chunks, None):
        batch: list[Event] = []
        try:
            if chunk is None:
                reader.flush(batch)
            else:
                reader.feed(chunk, batch)
        finally:
            yield from answer.add_all(batch)
        answer.raise_failure(load_stream_error)
        if answer.is_over:
            return


def text_of(result: Result) -> tuple[str, str]:
    """The content and the thinking."""
    return (
        "".join(delta.content for delta in result.deltas),
        "".join(delta.thinking for delta in result.deltas),
    )


def calls_of(result: Result) -> list[list[Any]]:
    """The tool calls as (id, name, arguments)."""
    calls = [call for delta in result.deltas for call in delta.tool_calls]
    return [
        [call.get("id"), call["function"]["name"], _parsed(call["function"]["arguments"])]
        for call in calls
    ]


def _parsed(arguments: Any) -> Any:
    return json.loads(arguments) if isinstance(arguments, str) else arguments


def assert_expected(result: Result, expected: dict[str, Any]) -> None:
    """Compares a result with what its file says; what is not said is empty."""
    assert text_of(result) == (expected.get("content", ""), expected.get("thinking", ""))
    if "error" in expected or "code" in expected:
        assert result.error is not None
        assert expected.get("error", "") in result.error.message
        assert expected.get("code", result.error.code) == result.error.code
        return
    assert result.error is None
    assert calls_of(result) == expected.get("calls", [])
    completion = result.deltas[-1].completion
    assert completion is not None
    assert completion.finish_reason == expected.get("finish_reason", "stop")
    for name in ("prompt_tokens", "completion_tokens"):
        assert getattr(completion, name) == expected.get(name), name
    assert expected.get("decode_s") in (None, completion.decode_s)


@each_stream
def test_a_stream_has_its_result(recorded: Recorded) -> None:
    assert_expected(fold([recorded.body], recorded), recorded.expected)


@each_stream
def test_a_stream_has_its_result_in_every_split_of_two(recorded: Recorded) -> None:
    body = recorded.body
    whole = fold([body], recorded)
    for at in range(1, len(body)):
        result = fold([body[:at], body[at:]], recorded)
        assert (text_of(result), calls_of(result)) == (text_of(whole), calls_of(whole)), at
        assert str(result.error) == str(whole.error), at


@each_stream
def test_a_stream_has_its_result_a_byte_at_a_time(recorded: Recorded) -> None:
    assert_expected(
        fold([bytes([byte]) for byte in recorded.body], recorded),
        recorded.expected,
    )


@untimed
@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 2_000), max_size=12))
def test_a_stream_has_its_result_in_any_split(recorded: Recorded, cuts: list[int]) -> None:
    assert_expected(fold(split(recorded.body, cuts), recorded), recorded.expected)


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"], ids=["CRLF", "CR", "LF"])
@each_stream
def test_a_stream_has_its_result_with_any_line_end(recorded: Recorded, end: bytes) -> None:
    body = recorded.body.replace(b"\r\n", b"\n").replace(b"\n", end)
    assert_expected(fold([body[:40], body[40:]], recorded), recorded.expected)


def is_cut(recorded: Recorded) -> bool:
    """Whether the stream has neither an error nor an end that the client could miss."""
    return not recorded.expected.keys() & {"error", "code"}


@untimed
@given(st.sampled_from([each for each in STREAMS if is_cut(each)]), st.data())
def test_a_cut_stream_never_ends_as_if_it_were_whole(
    recorded: Recorded, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(recorded.body) - 1))
    result = fold([recorded.body[:at]], recorded)
    if result.error is None:
        assert text_of(result)[0] == recorded.expected.get("content", "")
        assert calls_of(result) == recorded.expected.get("calls", [])


# ---------------------------------------------------------------- over a socket


@asynccontextmanager
async def serving(recorded: Recorded) -> AsyncIterator[str]:
    """The URL of a server that answers every request with the stream, in chunks of 7 bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
        await reader.readexactly(int(length))
        kind = recorded.expected["type"].encode()
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n")
        writer.write((b"Content-Type: %b\r\n" % kind if kind else b"") + b"\r\n")
        for at in range(0, len(recorded.body), 7):
            piece = recorded.body[at : at + 7]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("concurrent", [False, True], ids=["httpx", "aiohttp"])
@pytest.mark.parametrize("kind", [OpenAIClient, OllamaClient], ids=["openai", "ollama"])
@each_stream
async def test_a_stream_has_its_result_over_a_socket(
    recorded: Recorded, kind: type[OpenAIClient | OllamaClient], concurrent: bool
) -> None:
    options = {"n": recorded.expected["n"]} if "n" in recorded.expected else {}
    if options and kind is OllamaClient:
        pytest.skip("Ollama's API gives one answer")
    deltas, error = list[Delta](), None
    async with serving(recorded) as url:
        client = kind(Provider(kind="openai", base_url=url), concurrent=concurrent)
        try:
            request = ChatRequest("m", [{"role": "user", "content": "hi"}], options=options)
            async for delta in client.chat(request):
                deltas.append(delta)
        except ProviderError as caught:
            error = caught
        finally:
            await client.release()
    assert_expected(Result(deltas, error), recorded.expected)
