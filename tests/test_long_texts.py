"""How much text each function is given, however long the text is that came: never how long it took."""

from __future__ import annotations

import unicodedata

import pytest

from orch import folding
from orch.classifier.rules import forced
from orch.folding import fold
from orch.markdown import Blocks
from orch.near.tokens import bare
from orch.types import TaskType

MARKS = "a" + "\u0301\u0316" * 50_000


@pytest.fixture
def normalized(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the texts that are normalized, which takes the square of a run of marks."""
    lengths: list[int] = []

    def normalize(form: str, text: str) -> str:
        lengths.append(len(text))
        return unicodedata.normalize(form, text)  # type: ignore[arg-type]

    monkeypatch.setattr(folding, "normalize", normalize)
    return lengths


def test_combining_marks_are_folded_a_slice_at_a_time(normalized: list[int]) -> None:
    assert fold(MARKS) == bare(MARKS) == "a"
    assert max(normalized) <= folding.SLICE_CHARS


def test_marks_are_folded_alike_wherever_a_text_is_cut() -> None:
    text = "Ñandú ﬁn ế 가각 " * 400
    marked = unicodedata.normalize("NFKD", text.lower())
    assert fold(text) == "".join(each for each in marked if not unicodedata.combining(each))


def test_a_language_is_told_from_the_head_of_a_text(normalized: list[int]) -> None:
    forced(TaskType.CODING, MARKS * 10)
    assert sum(normalized) <= 2_000


def test_a_line_that_comes_in_pieces_is_the_same_block() -> None:
    text = "# One\n\n" + "word " * 500 + "\n\n```py\nx = 1\n\ny = 2\n```\n\nend"
    whole, pieces = Blocks(), Blocks()
    fed = "".join(pieces.feed(each) for each in text)
    assert (fed, pieces.tail(9), pieces.rest()) == (whole.feed(text), whole.tail(9), whole.rest())
