"""What a session read anew, of what its turns added."""

from __future__ import annotations

import pytest

from tests.bench.session.playing import Turn
from tests.bench.session.report import figures, rows, turn_line

TURNS = [
    Turn(1_000, 1_000, 9.0),
    Turn(1_100, 100, 1.0),
    Turn(1_300, 300, 2.0),
    Turn(1_400, 1_400, 3.0),
]


def test_the_first_turn_is_not_counted() -> None:
    summed = figures(TURNS)
    assert (summed.prompt, summed.added, summed.read) == (1_400, 400, 1_800)


def test_ratios_are_those_of_single_turns() -> None:
    summed = figures(TURNS)
    assert (summed.median, summed.worst, summed.seconds) == (1.5, 14.0, 2.0)


def test_a_row_and_a_line_name_every_figure() -> None:
    assert list(rows("alone", [("orch", TURNS)], base=4.0)) == [
        "| alone | orch | 1,400 | 400 | 1,800 | 1.50 | 14.00 | 0.50x |"
    ]
    assert turn_line(TURNS) == "100/100 300/200 1400/100"


def test_a_session_of_one_turn_has_no_figures() -> None:
    with pytest.raises(ValueError, match="no median"):
        figures(TURNS[:1])
