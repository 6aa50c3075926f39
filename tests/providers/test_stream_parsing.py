"""Bytes to events, events to answers, text to thinking: split however it may be it says the same,
and nothing gives a traceback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any, AnyStr

import pytest
import respx
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers import ProviderClient
from orch.providers.ollama import OllamaClient
from orch.providers.openai_compatible import OpenAIClient
from orch.providers.stream_parsing import (
    MAX_LINE_BYTES,
    SSE_COMMENT,
    LineSplitter,
    ThinkTagSplitter,
    iter_batches,
    iter_objects,
    parse_sse_line,
)
from orch.types import ChatRequest, Delta

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
SPEECH = st.lists(
    st.sampled_from(["<think>", "</think>", "<", ">", "</", "thi", "nk>", " ", "\n", "a", "ñ", ""]),
    max_size=12,
).map("".join)
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

NOBODY = "http://127.0.0.1:9"
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
    """The whole in pieces, some of them empty, cut at those places."""
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    return [whole[start:end] for start, end in pairwise(places)]


def read(reader: Reader, pieces: Sequence[bytes]) -> list[Any]:
    """Every event, and the code of the BackendError that ended them."""

    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def collect() -> list[Any]:
        events: list[Any] = []
        try:
            async for event in reader(stream()):
                events.append(event)
        except ProviderError as error:
            events.append(error.code)
        return events

    return asyncio.run(collect())


def listen(pieces: Sequence[str]) -> tuple[str, str]:
    """(content, thinking) of a whole answer that came in pieces."""
    splitter = ThinkTagSplitter()
    heard = [*(splitter.feed(piece) for piece in pieces), splitter.flush()]
    return "".join(content for content, _ in heard), "".join(thinking for _, thinking in heard)


# ---------------------------------------------------------------- lines


@untimed
@given(OBJECTS, ENDS, CUTS, st.booleans())
def test_ndjson_says_the_same_however_it_was_split(
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
def test_server_sent_events_say_the_same_however_they_were_split(
    objects: list[Any], end: str, cuts: list[int], head: str
) -> None:
    whole = (
        "".join(f"{head}{json.dumps(each, ensure_ascii=False)}{end}" for each in objects)
        + "data: [DONE]"
    )
    assert read(iter_sse, split(whole.encode(), cuts)) == [*objects, None]


@pytest.mark.parametrize("reader", READERS)
@untimed
@given(pieces=BYTES, cuts=CUTS)
def test_bytes_of_any_kind_give_events_or_a_bad_response(
    reader: Reader, pieces: list[bytes], cuts: list[int]
) -> None:
    whole = b"".join(pieces)
    told = read(reader, [whole])
    assert told == read(reader, split(whole, cuts))
    assert all(
        isinstance(event, dict) or event is None or event == "bad_response" for event in told
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
def test_a_line_that_is_no_object_is_a_bad_response(line: bytes) -> None:
    assert read(iter_objects, [b'{"a":1}\n', line, b"\n"]) == [{"a": 1}, "bad_response"]
    assert read(iter_sse, [b"data: " + line, b"\n"]) == ["bad_response"]


@pytest.mark.parametrize("line", [b"<html>", b'{"error": "no stream"}', b"data"])
def test_a_line_that_is_no_event_is_a_bad_response(line: bytes) -> None:
    assert read(iter_sse, [line, b"\n\n"]) == ["bad_response"]


def test_an_error_between_the_events_is_told() -> None:
    assert read(iter_sse, [b'data: {"a":1}\n\nerror: out of ', b"memory\n\n"]) == [
        {"a": 1},
        {"error": "out of memory"},
    ]


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["unended", "ended"])
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_line_over_the_bound_is_refused_in_whatever_pieces_it_came(
    pieces: int, end: bytes
) -> None:
    whole = b'{"a":"' + b"x" * MAX_LINE_BYTES + b'"}' + end
    size = len(whole) // pieces + 1
    assert read(
        iter_objects, [whole[start : start + size] for start in range(0, len(whole), size)]
    ) == ["bad_response"]


def test_a_line_of_the_bound_is_read() -> None:
    splitter = LineSplitter()
    lines = [
        line
        for piece in (b"x" * (MAX_LINE_BYTES - 1), b"x", b"\ny")
        for line in splitter.feed(piece)
    ]
    assert [len(line) for line in (*lines, splitter.flush())] == [MAX_LINE_BYTES, 1]


# ---------------------------------------------------------------- thinking


@untimed
@given(SPEECH, CUTS)
@example("<think>a</think>b", list(range(20)))
def test_thinking_is_parted_the_same_however_the_text_was_split(text: str, cuts: list[int]) -> None:
    assert listen(split(text, cuts)) == listen([text])


@untimed
@given(st.text(max_size=20).filter(lambda text: "</think>" not in text), st.text(max_size=20), CUTS)
def test_thinking_and_answer_are_parted_at_the_tags(
    thought: str, answer: str, cuts: list[int]
) -> None:
    assert listen(split(f"\n<think>{thought}</think>\n\n{answer}", cuts)) == (
        answer.lstrip(),
        thought,
    )


@untimed
@given(SPEECH.filter(lambda text: not text.lstrip().startswith("<think>")), CUTS)
def test_a_text_that_does_not_open_with_the_tag_is_all_answer(text: str, cuts: list[int]) -> None:
    assert listen(split(text, cuts)) == (text, "")


@untimed
@given(SPEECH.filter(lambda text: "</think>" not in text), CUTS)
def test_thinking_that_never_ends_is_all_thinking(text: str, cuts: list[int]) -> None:
    assert listen(split(f"<think>{text}", cuts)) == ("", text)


# ---------------------------------------------------------------- JSON that is not what was asked
# for


async def asked(
    kind: str, said: dict[str, Any], ask: Callable[[ProviderClient], Awaitable[Any]]
) -> str:
    """The code of the BackendError that a backend raises when its server says this to
    everything."""
    with respx.mock() as router:
        router.route().respond(json=said)
        try:
            await ask(KINDS[kind](Provider(kind="openai", base_url=NOBODY)))
        except ProviderError as error:
            return error.code
    return "no error"


async def chat(backend: ProviderClient) -> list[Delta]:
    """A whole answer."""
    return [
        delta async for delta in backend.chat(ChatRequest("m", [{"role": "user", "content": "hi"}]))
    ]


@pytest.mark.parametrize(("kind", "said"), CHATS, ids=str)
async def test_a_chat_of_another_shape_is_a_bad_response(kind: str, said: dict[str, Any]) -> None:
    assert await asked(kind, said, chat) == "bad_response"


@pytest.mark.parametrize(("kind", "said"), LISTS, ids=str)
async def test_a_list_of_models_of_another_shape_is_a_bad_response(
    kind: str, said: dict[str, Any]
) -> None:
    assert await asked(kind, said, lambda backend: backend.installed()) == "bad_response"


@pytest.mark.parametrize(("kind", "said"), VECTORS, ids=str)
async def test_vectors_that_are_missing_or_none_are_a_bad_response(
    kind: str, said: dict[str, Any]
) -> None:
    assert await asked(kind, said, lambda backend: backend.embed("m", ["a"])) == "bad_response"


async def test_facts_of_another_shape_are_a_bad_response() -> None:
    assert (
        await asked("ollama", {"model_info": 5}, lambda backend: backend.info("m"))
        == "bad_response"
    )
