"""What is kept while an inventory and the recent answers stay the same, and when it is derived
again."""

from __future__ import annotations

import pytest

from orch.routing.model_state import next_use_probability
from orch.routing.registry import Inventory
from orch.routing.scoring.expected_time import MachinePace
from orch.routing.scoring.steady_states import SteadyStates
from orch.types import ModelKey
from tests.support.scoring import state

ANSWERED = {ModelKey("ollama", "a"): 3, ModelKey("ollama", "b"): 1}


def inventory(*, loaded: bool = True) -> Inventory:
    return Inventory((state("a", resident=loaded), state("b")), {}, None)


def test_the_same_inventory_and_answers_give_the_same_states() -> None:
    kept, there = SteadyStates(), inventory()
    states = kept.states(there, lambda: ANSWERED)
    assert kept.states(there, lambda: dict(ANSWERED)) is states
    a, b = states.values()
    assert a.next_use_probability == next_use_probability(3, 4)
    assert b == there.states[1]


def test_other_answers_and_another_inventory_are_seen_at_once() -> None:
    kept, there = SteadyStates(), inventory()
    kept.states(there, lambda: ANSWERED)
    (a, _) = kept.states(there, dict).values()
    assert a.next_use_probability == next_use_probability(0, 0)
    other = inventory(loaded=False)
    assert tuple(kept.states(other, lambda: ANSWERED).values()) == other.states


def test_answers_are_counted_only_if_a_model_is_loaded() -> None:
    SteadyStates().states(inventory(loaded=False), pytest.fail)


def test_the_pace_is_derived_once_for_the_same_states(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, there = SteadyStates(), inventory()
    states = kept.states(there, lambda: ANSWERED)
    pace = kept.pace(states)
    assert pace == MachinePace.of(list(states.values()))
    assert kept.pace(states) is pace
    assert kept.pace(dict(states)) is not pace
