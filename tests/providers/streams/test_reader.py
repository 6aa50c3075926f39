"""Streams of any form: JSON lines, documents and server-sent events; whatever the bytes, they give
events or an error, and what was whole before the error is kept."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.errors import ProviderError
from orch.providers.http.content_encodings import decode, decoders_for
from orch.providers.streams.reader import (
    MAX_UNKNOWN_LINES,
    JsonDocument,
    StreamReader,
    iter_batches,
    iter_objects,
)
from orch.providers.streams.sse import Event
from tests.providers.streams.byte_splits import CUTS, OBJECTS, events_of, split, stream
from tests.support.untimed import untimed

# bytes that often look like events, and often do not
BYTES = st.lists(
    st.sampled_from(
        [
            *(b"data:", b"{", b"}", b'{"a":1}', b"[DONE]", b"\n", b"\r", b"\xff", b"\x00"),
            *(b"error:", b"9" * 5000, b":", b"event: error\n", b"[", b",", b'"'),
        ]
    )
    | st.binary(max_size=9)
).map(b"".join)
DOCUMENT = {"choices": [{"message": {"content": "a\nb"}}], "usage": {}}


def read(chunks: list[bytes]) -> list[Any]:
    """Every event, and the code of the ProviderError that ended them."""

    async def collect() -> list[Any]:
        events: list[Any] = []
        try:
            async for batch in iter_batches(stream(chunks)):
                events += batch
        except ProviderError as error:
            events.append(error.code)
        return events

    return asyncio.run(collect())


@untimed
@given(OBJECTS, st.sampled_from(["\n", "\r\n", "\n\n", "\n \n", "", " "]), CUTS, st.booleans())
def test_json_objects_are_the_same_however_they_were_split(
    objects: list[Any], end: str, cuts: list[int], ascii_only: bool
) -> None:
    whole = end.join(json.dumps(each, ensure_ascii=ascii_only) for each in objects).encode()
    assert read(split(whole, cuts)) == objects


@untimed
@given(BYTES, CUTS)
def test_bytes_of_any_kind_give_events_or_an_error(whole: bytes, cuts: list[int]) -> None:
    events = read([whole])
    assert events == read(split(whole, cuts))
    assert all(
        isinstance(event, dict) or event in (None, "bad_response", "cut") for event in events
    )


@untimed
@given(st.sampled_from([None, 1, 4, "\t"]), CUTS, st.sampled_from(["", "\n", "\r\n\r\n"]))
def test_a_document_is_read_with_any_indentation(
    indent: int | str | None, cuts: list[int], tail: str
) -> None:
    whole = (json.dumps(DOCUMENT, indent=indent) + tail).encode()
    assert read(split(whole, cuts)) == [DOCUMENT]
    assert read(split(whole + whole, cuts)) == [DOCUMENT, DOCUMENT]


def test_a_document_is_complete_before_the_stream_ends() -> None:
    reader, events = StreamReader(), list[Event]()
    reader.feed(json.dumps(DOCUMENT, indent=1).encode() + b"\n", events)
    assert events == [DOCUMENT]


def test_a_list_gives_its_objects() -> None:
    assert read([b'[{"a": 1},\n{"a": 2}]\n']) == [{"a": 1}, {"a": 2}]


def test_bare_json_between_events_is_an_event() -> None:
    assert read([b'data: {"a": 1}\n\n{"error": "gone"}\n']) == [{"a": 1}, {"error": "gone"}]


def test_events_before_a_broken_one_are_kept() -> None:
    assert read([b'{"a":1}\n{"b": oops}\n{"c":1}\n']) == [{"a": 1}, "bad_response"]


@pytest.mark.parametrize("line", [b"[1]", b"[5, {}]", b"[" * 100_000 + b"\n}", b"{'a': 1}"])
def test_a_line_that_holds_no_object_is_a_bad_response(line: bytes) -> None:
    assert read([b'{"a":1}\n', line, b"\n"])[:1] == [{"a": 1}]
    assert read([b'{"a":1}\n', line, b"\n"])[1] in ("bad_response", "cut")


@pytest.mark.parametrize("tail", [b'{"b": ', b'{"b": "c', b'data: {"b"', b'{\n "b": 1'])
def test_what_the_end_of_the_stream_cuts_is_a_cut(tail: bytes) -> None:
    assert read([b'{"a":1}\n' + tail]) == [{"a": 1}, "cut"]


@pytest.mark.parametrize(
    "text", [b"SSH-2.0-OpenSSH_9.2\r\n", b"220 ready", b"hello", b"<html>\n", b" <!doctype html>\n"]
)
def test_another_language_is_a_bad_response_with_its_first_line(text: bytes) -> None:
    with pytest.raises(ProviderError, match="not an event") as caught:
        events_of(text)
    assert caught.value.code == "bad_response"
    assert text.split()[0].decode() in caught.value.message


def test_lines_of_another_language_are_not_read_without_end() -> None:
    reader = StreamReader()
    for _ in range(MAX_UNKNOWN_LINES):
        reader.feed(b"lorem ipsum\n", [])
    with pytest.raises(ProviderError, match="not an event"):
        reader.feed(b"lorem ipsum\n", [])


def test_unknown_lines_behind_an_event_are_ignored_without_end() -> None:
    reader, events = StreamReader(), list[Event]()
    reader.feed(b'data: {"a": 1}\n\n', events)
    reader.feed(b"lorem: ipsum\n" * MAX_UNKNOWN_LINES * 2, events)
    assert events == [{"a": 1}]


def test_comments_and_blank_lines_give_no_batch() -> None:
    assert read([b": ping\n\n", b"\n\n", b"retry: 5\n\n"]) == []


def test_a_document_is_no_larger_than_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orch.providers.streams.reader.MAX_LINE_BYTES", 1_000)
    with pytest.raises(ProviderError, match="a JSON document of over 16 MB"):
        events_of(b"{\n" + b' "a": 1,\n' * 200)


def test_a_document_that_seems_to_close_often_is_parsed_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[int] = []

    def count(data: bytes) -> Any:
        parsed.append(len(data))
        raise ValueError

    monkeypatch.setattr("orch.providers.streams.reader.parse_json", count)
    document = JsonDocument(b"{")
    for _ in range(10_000):
        document.add(b"}")
    assert sum(parsed) < 4 * 20_000


async def test_objects_come_one_by_one() -> None:
    chunks = stream([b'{"a":1}\n{"b', b'":2}\n'])
    assert [each async for each in iter_objects(chunks)] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"], ids=["unended", "line", "event"])
@pytest.mark.parametrize("before", [b'data: {"a": 1}\n', b'{"a": 1}\n'], ids=["events", "lines"])
def test_an_end_without_a_field_name_is_the_end(before: bytes, end: bytes) -> None:
    assert read([before + b"[DONE]" + end]) == [{"a": 1}, None]


@pytest.mark.parametrize("line", [b"\n", b"\r\n", b":\n", b"data:\n", b" \n", b"event: a\n"])
def test_lines_that_bring_no_event_are_read_to_a_limit(line: bytes) -> None:
    reader, out, chunk = StreamReader(), list[Event](), line * 100_000
    reader.feed(b'data: {"a":1}\n\n', out)
    for _ in range(5):
        reader.feed(chunk, out)
    with pytest.raises(ProviderError, match="over 500,000 lines without an event") as caught:
        reader.feed(chunk, out)
    assert (caught.value.code, out) == ("bad_response", [{"a": 1}])


def test_an_event_begins_the_count_of_lines_without_one_anew() -> None:
    reader, out = StreamReader(), list[Event]()
    for _ in range(12):
        reader.feed(b"\n" * 100_000 + b'{"a":1}\n', out)
    reader.flush(out)
    assert len(out) == 12


async def test_a_compressed_stream_of_blank_lines_is_not_read_on() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield gzip.compress(b"\n" * 3_900_000)

    with pytest.raises(ProviderError, match="lines without an event"):
        async for _ in iter_batches(decode(body(), decoders_for("gzip"))):
            pass
