"""orch's checks of tool calls on the recorded forms: no value reaches a client that no model wrote,
and as many broken calls as before are repaired or asked for again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.evals.tool_call_cases.clients import is_sendable, through_all_clients
from tests.evals.tool_call_cases.verdicts import Case, Settlement, judge, parse, read
from tests.evals.tool_calls import OWN, product, sample, summary

SETS = {path.stem: read(path) for path in sorted(OWN.glob("*.jsonl"))}
EVERY = [case for cases in SETS.values() for case in cases]
REPAIRED, ASKED_AGAIN = 0.75, 0.9
"""Shares that each set must reach."""
CALL = {"function": {"name": "read", "arguments": '{"path": "a",}'}}
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}


@dataclass(frozen=True)
class Settled:
    """A settlement that a test makes up."""

    text: str = ""
    calls: tuple[Any, ...] = ()
    repairs: tuple[str, ...] = ()
    fault: str = ""


def case(outcome: str, content: str = "", **expect: Any) -> Case:
    """A case with one call, or with text in its place."""
    answer = {"content": content or None, "tool_calls": [] if content else [CALL]}
    head = {"id": "x", "kind": "x", "source": "x", "tools": [TOOL], "answer": answer}
    return parse({**head, "expect": {"outcome": outcome, "calls": [], **expect}})


def called(**arguments: Any) -> Settled:
    """A settlement with one call."""
    call = {"function": {"name": "read", "arguments": json.dumps(arguments)}}
    return Settled(calls=(call,), repairs=("comma",))


# ---------------------------------------------------------------- what the product does


@pytest.mark.parametrize("name", SETS)
def test_no_value_reaches_a_client_that_no_model_wrote(name: str) -> None:
    assert summary(SETS[name], product())["wrongly_touched"] == []


@pytest.mark.parametrize("name", SETS)
def test_broken_calls_are_repaired_or_asked_for_again(name: str) -> None:
    counts = summary(SETS[name], product())
    right, n = counts["repaired rightly"]
    assert right / n >= REPAIRED, counts["missed"]
    right, n = counts["asked again rightly"]
    assert right / n >= ASKED_AGAIN, counts["missed"]


def test_the_same_reaches_the_clients_of_three_apis_streamed_and_whole() -> None:
    chosen = sample([case for case in EVERY if is_sendable(case)], 12)
    arrived = through_all_clients(chosen)
    assert arrived["wrongly_touched"] == []
    assert arrived["right"] / arrived["n"] >= REPAIRED


def test_without_the_checks_the_clients_get_what_the_model_wrote() -> None:
    broken = [case for case in EVERY if case.kind in ("boolean_as_text", "text_tag")][:2]
    arrived = through_all_clients(broken, tool_calls="as_is")
    assert arrived["right"] == 0


# ---------------------------------------------------------------- the cases


def test_the_cases_are_enough_of_each_outcome() -> None:
    outcomes = Counter(case.outcome for case in EVERY)
    assert len(EVERY) >= 200
    assert outcomes["as_is"] >= 60
    assert outcomes["ask_again"] >= 40


def test_each_case_has_an_id_and_a_source_and_names_offered_tools() -> None:
    assert len({case.id for case in EVERY}) == len(EVERY)
    for each in EVERY:
        offered = {tool["function"]["name"] for tool in each.tools}
        assert each.source
        assert {name for name, _ in each.expected} <= offered, each.id


def test_the_two_sets_share_no_tool_and_no_answer() -> None:
    dev, held_out = SETS.values()
    names = [
        {tool["function"]["name"] for case in cases for tool in case.tools}
        for cases in SETS.values()
    ]
    assert not names[0] & names[1]
    assert not {case.text for case in dev if case.text} & {case.text for case in held_out}


# ---------------------------------------------------------------- the judge


@pytest.mark.parametrize(
    ("expected", "settled", "verdict"),
    [
        (case("as_is"), Settled(calls=(CALL,)), "right"),
        (case("as_is"), Settled(calls=(CALL,), repairs=("comma",)), "wrong"),
        (case("as_is"), Settled(calls=(CALL,), text="so"), "wrong"),
        (case("as_is"), Settled(), "wrong"),
        (case("as_is"), Settled(fault="no"), "wrong"),
        (case("as_is", "well"), Settled("well"), "right"),
        (case("as_is", "well"), Settled("we"), "wrong"),
        (case("ask_again"), Settled(fault="no"), "right"),
        (case("ask_again"), Settled(calls=(CALL,)), "missed"),
        (case("ask_again"), called(path="a"), "wrong"),
        (case("ask_again", "well"), Settled("well"), "missed"),
        (case("repaired"), Settled(fault="no"), "missed"),
        (case("repaired"), Settled(calls=(CALL,)), "missed"),
    ],
)
def test_a_settlement_is_judged(expected: Case, settled: Settlement, verdict: str) -> None:
    assert judge(expected, settled) == verdict


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [({"n": 1}, "right"), ({"n": 1.0}, "right"), ({"n": True}, "wrong"), ({"n": "1"}, "wrong")],
)
def test_only_the_very_value_is_right(arguments: Any, verdict: str) -> None:
    expected = case("repaired", calls=[{"name": "read", "arguments": {"n": 1}}])
    assert judge(expected, called(**arguments)) == verdict


def test_text_that_stays_beside_a_call_is_not_right() -> None:
    expected = case("repaired", "so <call>", calls=[{"name": "read", "arguments": {}}], text="so")
    assert judge(expected, replace(called(), text="so\n")) == "right"
    assert judge(expected, replace(called(), text="so <call>")) == "wrong"
