"""Notes and exported lines as rows of the journal."""

from __future__ import annotations

import json

import pytest

from orch.errors import InputError
from orch.memory.notes import MOST_CHARS, check_length, note_rows, parse_export

TWO_PARTS = f"# One\n\n{'first words ' * 60}\n\n# Two\n\n{'second words ' * 60}"


def test_a_short_text_is_one_row_without_a_session() -> None:
    (row,) = note_rows("nemo is the server", "a.md", None, at=5.0)
    assert (row["task"], row["title"], row["session"], row["at"]) == (
        "nemo is the server",
        "a.md",
        None,
        5.0,
    )


def test_the_parts_of_a_document_share_a_session() -> None:
    one, two = note_rows(TWO_PARTS, "a.md", None)
    assert one["session"]
    assert one["session"] == two["session"]
    assert (one["task"][:5], two["task"][:5]) == ("# One", "# Two")
    assert {row["session"] for row in note_rows(TWO_PARTS, "a.md", "mine")} == {"mine"}


def test_the_same_text_with_the_same_title_has_the_same_ids() -> None:
    def ids(text: str, title: str) -> list[str]:
        return [row["run_id"] for row in note_rows(text, title, None)]

    assert ids(TWO_PARTS, "a.md") == ids(TWO_PARTS, "a.md")
    assert not {*ids(TWO_PARTS, "a.md")} & {*ids(TWO_PARTS, "b.md")}
    assert len({*ids(TWO_PARTS, "a.md"), *ids("other", "a.md")}) == 3


def test_a_blank_text_has_no_rows() -> None:
    assert note_rows(" \n ", None, None) == []


def test_a_text_may_have_the_most_characters_and_not_one_more() -> None:
    check_length("x" * MOST_CHARS, None)
    with pytest.raises(InputError, match=r"a\.md has 4 million characters"):
        check_length("x" * (MOST_CHARS + 1), "a.md")


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ([], "no object"),
        ({"task": "t"}, "run_id is missing or no text"),
        ({"run_id": "r", "task": "  "}, "task is missing or no text"),
        ({"run_id": "r", "task": 3}, "task is missing or no text"),
        ({"run_id": "r", "task": "t", "at": "now"}, "at is of the wrong kind"),
        ({"run_id": "r", "task": "t", "session": 1}, "session is of the wrong kind"),
        ({"run_id": "r", "task": "t", "status": "failed"}, "status is neither ok nor note"),
    ],
    ids=str,
)
def test_an_invalid_line_is_named_and_the_others_are_read(row: object, fault: str) -> None:
    good = {"run_id": "r1", "task": "t", "at": 1, "session": None, "status": "ok"}
    lines = [json.dumps(good), "", json.dumps(row), "{"]
    assert parse_export("\n".join(lines), first=10) == (
        [good],
        [f"line 12: {fault}", "line 13: not JSON"],
    )
