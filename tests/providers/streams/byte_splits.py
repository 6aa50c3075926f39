"""Splits a stream into chunks, and reads chunks back as a server's connection would bring them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import AnyStr

from hypothesis import strategies as st

from orch.providers.streams.reader import StreamReader
from orch.providers.streams.sse import Event

CUTS = st.lists(st.integers(0, 400), max_size=12)
OBJECTS = st.lists(
    st.dictionaries(
        st.text(max_size=5), st.one_of(st.text(max_size=9), st.integers(), st.none()), max_size=3
    ),
    max_size=5,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def split(whole: AnyStr, cuts: Sequence[int]) -> list[AnyStr]:
    """The whole in chunks, some of them empty."""
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    return [whole[start:end] for start, end in pairwise(places)]


async def stream(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    """The chunks as they arrive."""
    for chunk in chunks:
        yield chunk


def events_of(*chunks: bytes) -> list[Event]:
    """The events of a stream in these chunks."""
    reader, events = StreamReader(), list[Event]()
    for chunk in chunks:
        reader.feed(chunk, events)
    reader.flush(events)
    return events
