"""Splits long texts into slices that are processed one at a time, so that no call holds the
interpreter for long (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

SLICE_CHARS = 64_000
OVERLAP_CHARS = 8_000
"""The overlap of neighbouring slices: longer than any secret with a maximum length (a cookie or a
token: 7,000)."""
_DATA_URL = re.compile(r"data:[\w.+-]{1,60}/[\w.+-]{1,60};base64,")
_T = TypeVar("_T")


def overlapping_slices(text: str) -> Iterator[str]:
    """Overlapping slices of the text: anything no longer than the overlap is whole in one of
    them."""
    begin = 0
    while True:
        yield text[begin : begin + SLICE_CHARS]
        if begin + SLICE_CHARS >= len(text):
            return
        begin += SLICE_CHARS - OVERLAP_CHARS


def iter_texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value except images, which are base64."""
    if isinstance(value, str):
        if not is_image_data_url(value):
            yield value
    elif isinstance(value, dict):
        for key, entry in value.items():
            if key != "images":
                yield from iter_texts(entry)
    elif isinstance(value, Sequence):
        for entry in value:
            yield from iter_texts(entry)


def is_image_data_url(text: str) -> bool:
    """Whether a text is a base64 `data:` URL."""
    return text.startswith("data:") and _DATA_URL.match(text) is not None


def batched(items: Iterator[_T], size: int) -> Iterator[list[_T]]:
    """The items in lists of at most `size`."""
    batch: list[_T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
