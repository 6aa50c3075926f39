"""Slices of long texts overlap, and images are not text."""

from __future__ import annotations

from orch.text.slices import (
    OVERLAP_CHARS,
    SLICE_CHARS,
    batched,
    is_image_data_url,
    iter_texts,
    overlapping_slices,
)

IMAGE = "data:image/png;base64,iVBORw0KGgo="


def test_every_part_up_to_the_overlap_is_whole_in_a_slice() -> None:
    text = "".join(f"{number:07d}" for number in range(40_000))
    parts = list(overlapping_slices(text))
    assert max(map(len, parts)) == SLICE_CHARS
    assert all(
        any(text[at : at + OVERLAP_CHARS] in part for part in parts)
        for at in range(0, len(text) - OVERLAP_CHARS, 999)
    )


def test_texts_are_found_at_any_depth_but_images_are_left_out() -> None:
    message = {"content": ["a", {"text": "b", "url": IMAGE}], "images": ["c"], "n": 1}
    assert list(iter_texts([message, "d"])) == ["a", "b", "d"]
    assert is_image_data_url(IMAGE)
    assert not is_image_data_url("data: base64, is text")


def test_the_last_batch_may_be_smaller() -> None:
    assert list(batched(iter(range(5)), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batched(iter([]), 2)) == []
