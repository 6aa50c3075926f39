"""Streamed Markdown: how the unfinished end of an answer is split."""

from __future__ import annotations

import pytest

from orch.server.web.components.stream_text import split_tail


def test_segments_of_unfinished_code_start_with_the_fence_and_lose_no_line() -> None:
    lines = [f"line {n}\n" for n in range(100)]
    parts = split_tail("Text\n```python\n" + "".join(lines))
    assert len(parts) == 3
    assert all(part.startswith("```python\n") for part in parts[1:])
    assert "".join(
        [parts[0], *(part.removeprefix("```python\n") for part in parts[1:])]
    ) == "Text\n```python\n" + "".join(lines)
    assert split_tail("".join(lines)) == ["".join(lines)]
    assert split_tail("") == []


@pytest.mark.parametrize(
    ("fence", "inner"), [("````", "```"), ("~~~~", "~~~"), ("```", "~~~"), ("```", "```python")]
)
def test_a_fence_inside_a_longer_one_is_code_like_the_rest(fence: str, inner: str) -> None:
    code = f"{inner}\n" * 100
    parts = split_tail(f"{fence}markdown\n{code}")
    assert all(part.startswith(f"{fence}markdown\n") for part in parts)
    assert "".join(part.removeprefix(f"{fence}markdown\n") for part in parts) == code


@pytest.mark.parametrize("fence", ["```", "````", "~~~~~"])
def test_prose_after_a_closed_fence_is_not_split(fence: str) -> None:
    lines = f"{fence}\ncode\n{fence}\n" + "prose\n" * 100
    assert split_tail(lines) == [lines]
