"""Server-sent events by the WHATWG's rules, and what servers make of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.errors import ProviderError
from orch.providers.streams.lines import MAX_LINE_BYTES
from orch.providers.streams.reader import MAX_UNKNOWN_LINES, StreamReader
from orch.providers.streams.sse import Event, EventFields
from tests.providers.streams.byte_splits import CUTS, OBJECTS, events_of, split
from tests.support.untimed import untimed

NOISE = ["", ": a comment\n", ":\n", "event: message\n", "id: 1\nretry: 5\n", "foo: bar\n", "id\n"]


@untimed
@given(
    OBJECTS,
    st.sampled_from(["\n", "\r\n", "\r"]),
    CUTS,
    st.sampled_from(["data:", "data: "]),
    st.sampled_from(NOISE),
    st.sampled_from(["", "\ufeff"]),
    st.booleans(),
)
def test_events_are_the_same_however_they_were_split_and_written(
    objects: list[Any], end: str, cuts: list[int], data: str, noise: str, bom: str, in_lines: bool
) -> None:
    text = bom
    for each in objects:
        lines = json.dumps(each, ensure_ascii=False, indent=1 if in_lines else None).split("\n")
        text += noise + "".join(f"{data}{line}\n" for line in lines) + "\n"
    whole = f"{text}data: [DONE]\n\n".replace("\n", end).encode()
    assert events_of(*split(whole, cuts)) == [*objects, None]


def test_lines_of_data_are_joined_by_a_line_feed() -> None:
    assert events_of(b'data: {"a":\ndata: 1,\ndata\ndata: "b": 2}\n\n') == [{"a": 1, "b": 2}]


def test_the_next_data_after_a_whole_object_is_the_next_event() -> None:
    assert events_of(b'data: {"a": 1}\ndata: {"a": 2}\ndata: [DONE]\n') == [
        {"a": 1},
        {"a": 2},
        None,
    ]


def test_several_events_that_only_the_end_separates_are_read() -> None:
    assert events_of(b'data:\ndata: {"a": 1}\ndata: {"a": 2}\n\n') == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("name", [b"error", b"Error"])
@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"out of memory", "out of memory"),
        (b'{"message": "m", "code": 5}', {"message": "m", "code": 5}),
        (b'{"error": {"message": "m"}}', {"message": "m"}),
        (b'"m"', "m"),
        (b"null", "the server reported an error without a text"),
    ],
)
def test_an_event_named_error_is_an_error(name: bytes, data: bytes, error: Any) -> None:
    assert events_of(b"event: " + name + b"\ndata: " + data + b"\n\n") == [{"error": error}]
    assert events_of(b"data: " + data + b"\nevent: " + name + b"\n\n") == [{"error": error}]


def test_the_field_error_is_an_error() -> None:
    events = events_of(b'data: {"a":1}\n\nerror: out of ', b"memory\n\n")
    assert events == [{"a": 1}, {"error": "out of memory"}]


def test_a_name_counts_for_one_event() -> None:
    events = events_of(b'event: error\n\nevent: x\ndata: {"a": 1}\n\ndata: {"b": 2}\n\n')
    assert events == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    "data", [b'"ping"', b"1", b"2.5", b"true", b'"hi"', b"ping", b"keep-alive"]
)
def test_a_bare_value_is_passed_over_wherever_it_stands(data: bytes) -> None:
    for end in (b"\n", b"\n\n"):
        body = b'data: %b%bdata: {"a": 1}%bdata: %b\n\ndata: {"a": 2}\n\n' % (data, end, end, data)
        assert events_of(body) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("data", [b"1", b'"lorem"', b"false"])
def test_a_stream_of_bare_values_alone_is_none(data: bytes) -> None:
    with pytest.raises(ProviderError, match="not an event"):
        events_of(b"data: %b\n\n" % data * 3)
    with pytest.raises(ProviderError, match="not an event"):
        StreamReader().feed(b"data: %b\n\n" % data * (MAX_UNKNOWN_LINES + 1), [])


@pytest.mark.parametrize("name", [b"end", b"done", b"Finish", b"close"])
@pytest.mark.parametrize("data", [b"end", b"", b"{}", b"null", b'"done"', b"[DONE]", b"true"])
def test_an_event_may_be_named_for_the_end(name: bytes, data: bytes) -> None:
    assert events_of(b"event: " + name + b"\ndata: " + data + b"\n\n") == [None]


def test_an_event_named_for_the_end_that_holds_an_object_is_that_object() -> None:
    assert events_of(b'event: done\ndata: {"a": 1}\n\n') == [{"a": 1}]


@pytest.mark.parametrize("data", [b"null", b"", b" ", b"\t"])
def test_data_without_a_value_are_passed_over(data: bytes) -> None:
    assert events_of(b"data: " + data + b'\n\ndata: {"a": 1}\n\n') == [{"a": 1}]


@pytest.mark.parametrize("name", [b"ping", b"heartbeat", b"keep-alive"])
def test_a_keep_alive_is_passed_over_whatever_its_data(name: bytes) -> None:
    assert events_of(b"event: " + name + b"\ndata: 2026-11-30 now\n\n") == []


@pytest.mark.parametrize("done", [b"[DONE]", b"[done]", b'"[DONE]"', b" [DONE] "])
def test_the_end_is_told_in_any_spelling(done: bytes) -> None:
    assert events_of(b"data:" + done + b"\n\n") == [None]


@pytest.mark.parametrize("data", [b"{'a': 1}", b"5", b'"a"', b"[1]", b"true", b"hello"])
def test_data_that_are_no_object_are_a_bad_response(data: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        events_of(b"data: " + data + b"\n\n")
    assert caught.value.code == "bad_response"


def test_an_event_that_the_end_of_the_stream_cuts_is_a_cut() -> None:
    with pytest.raises(ProviderError) as caught:
        events_of(b'data: {"a": 1}\n\ndata: {"a": "b')
    assert caught.value.code == "cut"


def test_an_event_is_no_larger_than_a_line() -> None:
    fields, out = EventFields(), list[Event]()
    for _ in range(5):
        fields.add_data(b"x" * (MAX_LINE_BYTES // 4), out)
    with pytest.raises(ProviderError, match="an event of over 16 MB"):
        fields.add_data(b"x", out)


@pytest.mark.parametrize("done", ["DONE", "done", '"DONE"', "data: [DONE]", "end", "[END]"])
def test_the_end_is_known_in_other_spellings(done: str) -> None:
    assert events_of(f'data: {{"a": 1}}\n\ndata: {done}\n\n'.encode()) == [{"a": 1}, None]


def test_a_field_name_that_stands_twice_counts_once() -> None:
    body = b'data: data: {"a": 1}\ndata:\ndata:\n\n'
    assert events_of(body) == [{"a": 1}]
