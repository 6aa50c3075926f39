"""Blocks of streamed Markdown: complete as soon as possible, and never inside a code fence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.text.markdown import BlockSplitter


def committed(text: str) -> str:
    """The blocks that are complete when all of a text has arrived."""
    return BlockSplitter().feed(text)


def test_the_size_of_the_pieces_does_not_change_the_blocks() -> None:
    text = "# One\n\n" + "word " * 500 + "\n\n```py\nx = 1\n\ny = 2\n```\n\nend"
    whole, pieces = BlockSplitter(), BlockSplitter()
    fed = "".join(pieces.feed(each) for each in text)
    assert (fed, pieces.tail(9), pieces.flush()) == (whole.feed(text), whole.tail(9), whole.flush())


@pytest.mark.parametrize("fence", ["```", "````", "``````", "~~~", "~~~~~"])
def test_a_fence_of_any_length_closes(fence: str) -> None:
    block = f"{fence}md\na\n\nb\n{fence}\n\n"
    assert committed(f"{block}after\n") == block


@pytest.mark.parametrize(
    ("opening", "inner"), [("````md", "```"), ("````", "```py"), ("```", "~~~"), ("~~~~", "~~~")]
)
def test_a_shorter_or_other_fence_does_not_close(opening: str, inner: str) -> None:
    assert committed(f"{opening}\na\n{inner}\n\nb\n\nc\n") == ""


def test_a_longer_fence_closes() -> None:
    assert committed("```\na\n`````\n\nafter\n") == "```\na\n`````\n\n"


def test_code_on_a_line_of_its_own_is_not_a_fence() -> None:
    assert committed("``` x = 1 ```\n\nafter\n") == "``` x = 1 ```\n\n"


def test_a_list_is_one_block() -> None:
    assert committed("- a\n\n- b\n\n  more\n\nafter\n") == "- a\n\n- b\n\n  more\n\n"


def test_the_tail_of_a_code_block_begins_with_its_fence() -> None:
    splitter = BlockSplitter()
    splitter.feed("````py\n" + "x = 1\n" * 50)
    assert splitter.tail(3).startswith("````py\nx = 1")


@given(st.lists(st.text("`~ \n-a", max_size=8), max_size=12))
def test_nothing_is_lost(parts: list[str]) -> None:
    splitter = BlockSplitter()
    assert "".join(map(splitter.feed, parts)) + splitter.flush() == "".join(parts)
