"""Parsing of streams: the result does not depend on how the bytes were split, and nothing gives a
traceback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any, AnyStr

import pytest
import respx
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers import ProviderClient
from orch.providers.chat import ChatRequest, Delta
from orch.providers.ollama import OllamaClient
from orch.providers.openai_compatible import OpenAIClient
from orch.providers.stream_parsing import (
    MAX_LINE_BYTES,
    SSE_COMMENT,
    LineSplitter,
    iter_batches,
    iter_objects,
    parse_sse_line,
)

untimed = settings(deadline=None)
Reader = Callable[[AsyncIterator[bytes]], AsyncIterator[Any]]


async def iter_sse(chunks: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any] | None]:
    """The events of a stream of server-sent events, one by one, without comments."""
    async for batch in iter_batches(chunks, parse_sse_line):
        for event in batch:
            if event is not SSE_COMMENT:
                yield event


READERS: list[Reader] = [iter_objects, iter_sse]
OBJECTS = st.lists(
    st.dictionaries(
        st.text(max_size=5), st.one_of(st.text(max_size=9), st.integers(), st.none()), max_size=3
    ),
    max_size=5,
)
CUTS = st.lists(st.integers(0, 400), max_size=12)
ENDS = st.sampled_from(["\n", "\r\n", "\n\n", "\n \n"])
# bytes that often look like events, and often do not
BYTES = st.lists(
    st.sampled_from(
        [
            b"data:",
            b"{",
            b"}",
            b'{"a":1}',
            b"[DONE]",
            b"\n",
            b"\xff",
            b"\x00",
            b"error:",
            b"9" * 5000,
            b":",
        ]
    )
    | st.binary(max_size=9)
)

UNREACHABLE = "http://127.0.0.1:9"
KINDS: dict[str, Callable[[Provider], ProviderClient]] = {
    "ollama": OllamaClient,
    "openai": OpenAIClient,
}
CHATS: list[tuple[str, dict[str, Any]]] = [
    ("openai", {"choices": [{"delta": "text", "finish_reason": "stop"}]}),
    ("openai", {"choices": [{"delta": {"content": 5}, "finish_reason": "stop"}]}),
    (
        "openai",
        {"choices": [{"delta": {"content": "a", "tool_calls": [5]}, "finish_reason": "stop"}]},
    ),
    ("openai", {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}], "usage": 5}),
    ("ollama", {"message": {"content": 5}, "done": True}),
    ("ollama", {"message": {"content": "a", "thinking": ["b"]}, "done": True}),
    ("ollama", {"message": {"content": "a", "tool_calls": 5}, "done": True}),
    ("ollama", {"message": {"content": "a", "tool_calls": [5]}, "done": True}),
]
LISTS = [
    ("openai", {"data": ["x"]}),
    ("openai", {"data": 5}),
    ("ollama", {"models": ["x"]}),
    ("ollama", {"models": 5}),
    ("ollama", {"models": [{"name": "x", "size": "big"}]}),
]
VECTORS = [
    ("openai", {"data": []}),
    ("openai", {"data": [{}]}),
    ("openai", {"data": 5}),
    ("ollama", {"embeddings": []}),
    ("ollama", {"embeddings": [5]}),
    ("ollama", {"embeddings": 5}),
]


def split(whole: AnyStr, cuts: Sequence[int]) -> list[AnyStr]:
    """The whole in chunks, some of them empty."""
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    return [whole[start:end] for start, end in pairwise(places)]


def read(reader: Reader, chunks: Sequence[bytes]) -> list[Any]:
    """Every event, and the code of the ProviderError that ended them."""

    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def collect() -> list[Any]:
        events: list[Any] = []
        try:
            async for event in reader(stream()):
                events.append(event)
        except ProviderError as error:
            events.append(error.code)
        return events

    return asyncio.run(collect())


# ---------------------------------------------------------------- lines


@untimed
@given(OBJECTS, ENDS, CUTS, st.booleans())
def test_ndjson_is_parsed_the_same_however_it_was_split(
    objects: list[Any], end: str, cuts: list[int], ascii_only: bool
) -> None:
    whole = end.join(json.dumps(each, ensure_ascii=ascii_only) for each in objects).encode()
    assert read(iter_objects, split(whole, cuts)) == objects


@untimed
@given(
    OBJECTS,
    ENDS,
    CUTS,
    st.sampled_from(
        ["data:", "data: ", ": a comment\ndata: ", "event: message\nid: 1\nretry: 5\ndata: "]
    ),
)
def test_server_sent_events_are_parsed_the_same_however_they_were_split(
    objects: list[Any], end: str, cuts: list[int], head: str
) -> None:
    whole = (
        "".join(f"{head}{json.dumps(each, ensure_ascii=False)}{end}" for each in objects)
        + "data: [DONE]"
    )
    assert read(iter_sse, split(whole.encode(), cuts)) == [*objects, None]


@pytest.mark.parametrize("reader", READERS)
@untimed
@given(chunks=BYTES, cuts=CUTS)
def test_bytes_of_any_kind_give_events_or_a_bad_response(
    reader: Reader, chunks: list[bytes], cuts: list[int]
) -> None:
    whole = b"".join(chunks)
    events = read(reader, [whole])
    assert events == read(reader, split(whole, cuts))
    assert all(
        isinstance(event, dict) or event is None or event == "bad_response" for event in events
    )


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1]",
        b"5",
        b'"a"',
        b'{"a": 1} {"b": 2}',
        b"\xff",
        b"[" * 100_000,
        b"{'a': 1}",
        b"null",
    ],
)
def test_a_line_that_is_not_an_object_is_a_bad_response(line: bytes) -> None:
    assert read(iter_objects, [b'{"a":1}\n', line, b"\n"]) == [{"a": 1}, "bad_response"]
    assert read(iter_sse, [b"data: " + line, b"\n"]) == ["bad_response"]


@pytest.mark.parametrize("line", [b"<html>", b'{"error": "no stream"}', b"data"])
def test_a_line_that_is_not_an_event_is_a_bad_response(line: bytes) -> None:
    assert read(iter_sse, [line, b"\n\n"]) == ["bad_response"]


def test_an_error_between_the_events_is_an_event() -> None:
    assert read(iter_sse, [b'data: {"a":1}\n\nerror: out of ', b"memory\n\n"]) == [
        {"a": 1},
        {"error": "out of memory"},
    ]


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["unended", "ended"])
@pytest.mark.parametrize("chunks", [1, 7])
def test_a_line_over_the_limit_is_rejected_in_any_chunks(chunks: int, end: bytes) -> None:
    whole = b'{"a":"' + b"x" * MAX_LINE_BYTES + b'"}' + end
    size = len(whole) // chunks + 1
    assert read(
        iter_objects, [whole[start : start + size] for start in range(0, len(whole), size)]
    ) == ["bad_response"]


def test_a_line_of_the_limit_is_read() -> None:
    splitter = LineSplitter()
    lines = [
        line
        for chunk in (b"x" * (MAX_LINE_BYTES - 1), b"x", b"\ny")
        for line in splitter.feed(chunk)
    ]
    assert [len(line) for line in (*lines, splitter.flush())] == [MAX_LINE_BYTES, 1]


# ---------------------------------------------------------------- unexpected JSON


async def error_code(
    kind: str, body: dict[str, Any], ask: Callable[[ProviderClient], Awaitable[Any]]
) -> str:
    """The code of the ProviderError that a client raises when its server says this to
    everything."""
    with respx.mock() as router:
        router.route().respond(json=body)
        try:
            await ask(KINDS[kind](Provider(kind="openai", base_url=UNREACHABLE)))
        except ProviderError as error:
            return error.code
    return "no error"


async def chat(client: ProviderClient) -> list[Delta]:
    """A whole answer."""
    return [
        delta async for delta in client.chat(ChatRequest("m", [{"role": "user", "content": "hi"}]))
    ]


@pytest.mark.parametrize(("kind", "body"), CHATS, ids=str)
async def test_a_chat_with_an_unexpected_structure_is_a_bad_response(
    kind: str, body: dict[str, Any]
) -> None:
    assert await error_code(kind, body, chat) == "bad_response"


@pytest.mark.parametrize(("kind", "body"), LISTS, ids=str)
async def test_a_list_of_models_with_an_unexpected_structure_is_a_bad_response(
    kind: str, body: dict[str, Any]
) -> None:
    assert await error_code(kind, body, lambda client: client.installed()) == "bad_response"


@pytest.mark.parametrize(("kind", "body"), VECTORS, ids=str)
async def test_missing_or_invalid_vectors_are_a_bad_response(
    kind: str, body: dict[str, Any]
) -> None:
    assert await error_code(kind, body, lambda client: client.embed("m", ["a"])) == "bad_response"


async def test_metadata_with_an_unexpected_structure_is_a_bad_response() -> None:
    assert (
        await error_code("ollama", {"model_info": 5}, lambda client: client.info("m"))
        == "bad_response"
    )
