"""Lines of a stream: any line end, any split, bounded; JSON that is strict or nearly so."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.errors import ProviderError
from orch.providers.streams.lines import (
    MAX_LINE_BYTES,
    LineSplitter,
    is_truncated,
    parse_concatenated,
    parse_json,
)
from tests.providers.streams.byte_splits import CUTS, split
from tests.support.untimed import untimed

PIECES = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r", b"\r\n", b"\xc3\xb1", b" "])).map(
    b"".join
)


def lines_of(chunks: list[bytes]) -> list[bytes]:
    splitter = LineSplitter()
    return [*(line for chunk in chunks for line in splitter.feed(chunk)), splitter.flush()]


@untimed
@given(PIECES, CUTS)
def test_lines_are_those_of_python_however_they_were_split(whole: bytes, cuts: list[int]) -> None:
    lines = [line for line in lines_of(split(whole, cuts)) if line]
    assert lines == [line for line in whole.splitlines() if line]


def test_a_crlf_split_between_two_chunks_is_one_line_end() -> None:
    assert lines_of([b"a\r", b"\nb\r", b"", b"\n\r", b"c"]) == [b"a", b"b", b"", b"c"]


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["unended", "ended"])
@pytest.mark.parametrize("chunks", [1, 7])
def test_a_line_over_the_limit_is_rejected_in_any_chunks(chunks: int, end: bytes) -> None:
    whole = b"x" * (MAX_LINE_BYTES + 1) + end
    size = len(whole) // chunks + 1
    places = [*range(0, len(whole), size), len(whole)]
    with pytest.raises(ProviderError, match="a line of over 16 MB"):
        lines_of([whole[start:stop] for start, stop in pairwise(places)])


def test_a_line_of_the_limit_is_read() -> None:
    lines = lines_of([b"x" * (MAX_LINE_BYTES - 1), b"x", b"\ny"])
    assert list(map(len, lines)) == [MAX_LINE_BYTES, 1]


def test_control_characters_and_invalid_utf8_may_stand_in_strings() -> None:
    assert parse_json(b'{"a": "b\tc\xff"}') == {"a": "b\tc\ufffd"}


@pytest.mark.parametrize("data", [b"{", b"{'a': 1}", b"[" * 100_000, b'{"a": ' * 100_000])
def test_what_is_no_json_is_a_value_error(data: bytes) -> None:
    for parse in (parse_json, parse_concatenated):
        with pytest.raises(ValueError, match=r"Expecting|nested too deeply"):
            parse(data)


def test_values_without_a_separator_are_parsed_one_by_one() -> None:
    assert parse_concatenated(b'{"a": 1}{"b": 2} [3]') == [{"a": 1}, {"b": 2}, [3]]


@pytest.mark.parametrize(
    "data",
    [
        *(b'{"a', b'{"a": 1', b"[1,", b'{"a": {"b": "c', b"{", b"[", b"[DO", b"[DONE"),
        *(b'{"a": nul', b'{"a": t', b'{"a": -', b'{"a": 1.', b'{"a": 2e', b'{"a": 2e-'),
        *(b'{"a": "b\\', b'{"a": "b\\u', b'{"a": "b\\u00', b'{"a": "b\\u00e'),
    ],
)
def test_the_beginning_of_json_is_truncated(data: bytes) -> None:
    assert is_truncated(data)


@pytest.mark.parametrize(
    "data", [b"{'a': 1}", b'{"a": 1}', b"text", b'{"a" 1}', b"", b'{"a": nil', b"{} t"]
)
def test_what_is_whole_or_broken_is_not_truncated(data: bytes) -> None:
    assert not is_truncated(data)
