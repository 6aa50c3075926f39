"""A chore goes to a loaded model that no turn uses; nothing is loaded where something is."""

from __future__ import annotations

from typing import Any

from orch.routing.chore_model import order_for_chore, order_of_session
from orch.routing.machine.admission import NoQueue
from orch.types import Candidate, ModelKey


def candidate(name: str, seconds: float, *, resident: bool | None = True, **more: Any) -> Candidate:
    load = {"load": 0.0 if resident is not False else 3.0}
    return Candidate(name, name, "p", expected_s=seconds, resident=resident, seconds=load, **more)


class Held(NoQueue):
    """Turns that hold these models' prompts, and requests that use those."""

    def __init__(self, *held: str, used: str = "") -> None:
        super().__init__()
        self._held, self._used = {key(name) for name in held}, used

    def in_turn(self) -> frozenset[ModelKey]:
        """The given ones."""
        return frozenset(self._held)

    def in_use(self) -> frozenset[ModelKey]:
        """The given one."""
        return frozenset({key(self._used)})


def names(order: tuple[Candidate, ...]) -> list[str]:
    return [each.model_id for each in order]


def key(name: str) -> ModelKey:
    return ModelKey("p", name)


def test_the_fastest_loaded_model_that_no_turn_uses_is_first() -> None:
    able = [candidate("big", 9), candidate("small", 1), candidate("cold", 0.5, resident=False)]
    order = order_for_chore(able, Held("small"), ())
    assert names(order) == ["big", "small"]
    assert order[0].reasons[0].code == "chore"
    assert names(order_for_chore(able, Held(), ())) == ["small", "big"]


def test_a_model_that_another_chore_uses_goes_before_one_that_holds_a_turns_prompt() -> None:
    able = [candidate("turn", 1), candidate("used", 9), candidate("idle", 10)]
    assert names(order_for_chore(able, Held("turn", used="used"), ())) == ["idle", "used", "turn"]


def test_a_model_that_would_be_loaded_again_with_more_context_is_not_loaded() -> None:
    reload = candidate("short", 1)
    able = [Candidate("short", "short", "p", expected_s=1, resident=True, seconds={"load": 2.0})]
    assert names(order_for_chore([*able, candidate("long", 5)], Held(), ())) == ["long"]
    assert reload.seconds == {"load": 0.0}


def test_a_server_that_does_not_tell_is_asked_behind_those_that_do() -> None:
    able = [candidate("unknown", 1, resident=None), candidate("known", 9)]
    assert names(order_for_chore(able, Held("known"), ())) == ["known", "unknown"]


def test_where_nothing_is_loaded_the_soonest_answer_that_unloads_nothing_is_first() -> None:
    able = [
        candidate("big", 9, resident=False),
        candidate("puts out", 1, resident=False, evicts=1),
        candidate("small", 2, resident=False),
    ]
    order = order_for_chore(able, Held(), ())
    assert names(order) == ["small", "big", "puts out"]
    assert order[0].reasons[0].code == "chore_loads"


def test_a_last_resort_comes_behind_all_others() -> None:
    able = [candidate("resort", 1), candidate("cold", 9, resident=False)]
    assert names(order_for_chore(able, Held(), {key("resort")})) == ["cold", "resort"]


def test_a_summary_stays_with_its_sessions_model() -> None:
    order = (candidate("best", 1), candidate("session", 9))
    kept = order_of_session(order, key("session"))
    assert names(kept) == ["session", "best"]
    assert kept[0].reasons[0].code == "chore_of_session"
    assert order_of_session(order, key("gone")) == order
    assert order_of_session(order, None) == order
