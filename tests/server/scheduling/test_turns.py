"""Turns in progress: from a session's first step to its last answer, or for two minutes."""

from __future__ import annotations

from orch.server.scheduling.turns import FORGOTTEN_S, MAX_SESSIONS, TurnsInProgress
from orch.types import ModelKey

A, B = ModelKey("p", "a"), ModelKey("p", "b")


def test_a_turn_lasts_from_its_first_step_to_its_end() -> None:
    turns = TurnsInProgress()
    turns.go_on("one", A)
    turns.go_on("two", B)
    assert turns.models(2) == {A, B}
    assert turns.end("one")
    assert not turns.end("one")
    assert turns.models(2) == {B}


def test_a_turn_that_nobody_goes_on_with_is_forgotten() -> None:
    turns = TurnsInProgress()
    turns.go_on("one", A)
    turns.renew("one", 10)
    assert turns.models(FORGOTTEN_S + 9) == {A}
    assert turns.models(FORGOTTEN_S + 10) == frozenset()
    turns.renew("one", FORGOTTEN_S + 11)
    assert turns.models(FORGOTTEN_S + 11) == frozenset()


def test_a_step_that_takes_long_is_a_turn_until_it_ends_and_its_tools_have_run() -> None:
    turns = TurnsInProgress()
    turns.go_on("slow", A)
    turns.go_on("tools", B)
    turns.renew("tools", 0)
    assert turns.models(FORGOTTEN_S * 5) == {A}
    turns.renew("slow", FORGOTTEN_S * 5)
    assert turns.models(FORGOTTEN_S * 6 - 1) == {A}
    assert turns.models(FORGOTTEN_S * 6) == frozenset()


def test_the_newest_thousand_are_kept() -> None:
    turns = TurnsInProgress()
    for number in range(MAX_SESSIONS + 5):
        turns.go_on(str(number), ModelKey("p", str(number)))
    assert len(turns.models(1)) == MAX_SESSIONS
    assert ModelKey("p", "4") not in turns.models(1)
