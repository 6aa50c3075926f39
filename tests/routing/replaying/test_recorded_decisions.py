"""The decisions in the rows of the journal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orch.routing.replaying.recorded_decisions import RecordedDecision, recorded_decisions
from orch.types import ModelKey, TaskType
from tests.support.journal_rows import journal_row


def recorded(**columns: Any) -> RecordedDecision:
    """The decision of one row with these columns."""
    [decision] = recorded_decisions([journal_row(**columns)]).decisions
    return decision


def with_facts(**facts: Any) -> str:
    """The decision of a row with these facts instead, as the journal stores it."""
    return json.dumps(json.loads(journal_row()["decision"]) | facts)


def test_a_conversation_without_a_task_is_read_from_its_last_turn() -> None:
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "then"},
    ]
    assert recorded(task="", messages=json.dumps(messages)).text == "then"


def test_the_previous_turn_is_the_last_one_that_was_answered_or_interrupted() -> None:
    types = (("simple", "ok"), ("writing", "failed"), ("creative", "interrupted"), ("coding", "ok"))
    rows = [journal_row(session="s", task_type=kind, status=status) for kind, status in types]
    decisions = recorded_decisions([*rows, journal_row()]).decisions
    previous = [each.previous_type for each in decisions]
    assert previous == [TaskType.CREATIVE, TaskType.CREATIVE, TaskType.CODING, None, None]


def test_the_session_model_is_the_one_that_answered_the_previous_turn() -> None:
    rows = [journal_row(session="s"), journal_row(session="s", model="b")]
    assert recorded_decisions(rows).decisions[0].session_model == ModelKey("there", "b")


def test_a_conversation_of_another_program_has_a_model_and_no_previous_type() -> None:
    """Its types were found without one: its requests have all messages themselves."""
    rows = [journal_row(session="s", face="openai"), journal_row(session="s", face="openai")]
    decision = recorded_decisions(rows).decisions[0]
    assert (decision.previous_type, decision.session_model) == (None, ModelKey("there", "a"))


@pytest.mark.parametrize(
    "columns",
    [{"source": "cache"}, {"face": "memory"}, {"decision": None}],
    ids=["cached answer", "note", "no decision"],
)
def test_runs_that_the_router_did_not_decide_are_left_out(columns: dict[str, Any]) -> None:
    decisions = recorded_decisions([journal_row(**columns), journal_row()])
    assert (len(decisions.decisions), decisions.left_out) == (1, 1)


def test_runs_of_a_named_model_are_left_out() -> None:
    assert recorded_decisions([journal_row(decision=with_facts(pinned=True))]).left_out == 1


def test_a_run_whose_text_was_not_kept_is_counted() -> None:
    decisions = recorded_decisions([journal_row(task=None)])
    assert (decisions.decisions, decisions.without_text) == ((), 1)


def test_the_model_is_the_first_choice_and_not_the_fallback_that_answered() -> None:
    assert recorded(model="b").model == ModelKey("there", "a")


def test_the_models_that_were_loaded_are_known() -> None:
    candidates = json.loads(journal_row()["decision"])["candidates"]
    candidates[1]["resident"] = True
    assert recorded(decision=with_facts(candidates=candidates)).loaded == {ModelKey("there", "b")}
    del candidates[0]["resident"]  # as in a decision of orch before it was recorded
    assert recorded(decision=with_facts(candidates=candidates)).loaded == {ModelKey("there", "b")}


def test_files_and_piped_text_are_told_apart_from_the_instruction() -> None:
    content = "why?\n\nInput:\n```\nthe log\n```\n\nFile a.py:\n````\nx = '```'\n````"
    messages = json.dumps([{"role": "user", "content": content}])
    assert recorded(messages=messages).attached == ("the log", "x = '```'")


def test_the_prompt_counts_as_many_tokens_as_were_recorded() -> None:
    assert recorded(decision=with_facts(prompt_tokens=4_321)).need.prompt_tokens == 4_321


@pytest.mark.parametrize("fact", [True, False])
def test_a_recorded_fact_tells_whether_the_type_was_forced(fact: bool) -> None:
    assert recorded(decision=with_facts(confidence=1.0, type_forced=fact)).type_forced is fact


def test_an_older_decision_with_confidence_1_counts_as_forced() -> None:
    assert recorded(decision=with_facts(confidence=1.0)).type_forced
