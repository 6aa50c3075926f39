"""The scripted session grows as a real one does, and only its first line changes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from orch.server.api.anthropic.blocks import to_conversation
from orch.server.api.anthropic.schemas import MessageInput
from orch.server.chores.rule_list import shipped_rules
from tests.bench.session.agent import TURNS, AgentSession
from tests.bench.session.chores import chore_body


def _unmarked(value: Any) -> Any:
    """A body without the marks of the prompt cache."""
    if isinstance(value, list):
        return [_unmarked(each) for each in value]
    if isinstance(value, dict):
        return {key: _unmarked(each) for key, each in value.items() if key != "cache_control"}
    return value


@pytest.mark.parametrize("tools", [True, False])
def test_each_turn_begins_with_all_of_the_turn_before(tools: bool) -> None:
    session = AgentSession("inventory", tools)
    bodies = [_unmarked(session.body(turn)) for turn in range(TURNS)]
    for earlier, later in pairwise(bodies):
        assert later["messages"][: len(earlier["messages"])] == earlier["messages"]
        assert len(later["messages"]) > len(earlier["messages"])


def test_of_the_rest_only_the_first_line_of_the_system_prompt_differs() -> None:
    first, second = (_unmarked(AgentSession("inventory").body(turn)) for turn in (3, 4))
    assert first["system"][0] != second["system"][0]
    for body in (first, second):
        del body["system"][0], body["messages"]
    assert first == second


def test_every_call_has_its_result_in_the_next_message() -> None:
    messages = AgentSession("inventory").body(TURNS - 1)["messages"]
    calls = [
        (number, block["id"])
        for number, message in enumerate(messages)
        if isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == "tool_use"
    ]
    assert len(calls) > TURNS // 2
    for number, call in calls:
        assert messages[number + 1]["content"][0]["tool_use_id"] == call


def test_sessions_on_two_topics_share_the_preamble_and_no_text_of_their_turns() -> None:
    one, other = (AgentSession(name).body(9) for name in ("inventory", "atlas"))
    assert (one["tools"], one["system"]) == (other["tools"], other["system"])
    texts = [
        {
            block["text"]
            for message in body["messages"]
            for block in message["content"][1:]
            if isinstance(block, dict)
            and message["role"] == "user"
            and "text" in block
            and "list of things" not in block["text"]
        }
        for body in (one, other)
    ]
    assert texts[0]
    assert not texts[0] & texts[1]


def test_chores_of_one_chat_share_its_text_and_differ_in_the_task() -> None:
    title, tags, _, other = (chore_body(number)["messages"][0]["content"] for number in range(4))
    assert title.partition("### Chat History:")[2] == tags.partition("### Chat History:")[2]
    assert title.partition("\n")[2] != tags.partition("\n")[2]
    assert title.partition("### Chat History:")[0] == other.partition("### Chat History:")[0]
    assert title != other


@pytest.mark.parametrize(("number", "chore"), [(0, "title"), (1, "tags"), (2, "follow_ups")])
def test_orch_recognises_the_chores(number: int, chore: str) -> None:
    body = chore_body(number)
    found = shipped_rules().recognise(body["messages"], False, body["max_tokens"])
    assert found is not None
    assert found.name == chore


def test_orch_recognises_the_title_of_the_agent_and_takes_no_turn_for_a_chore() -> None:
    session = AgentSession("inventory")
    for body, name in ((session.title_body(), "title"), (session.body(3), None)):
        messages = to_conversation(body["system"], list(map(_message, body["messages"]))).messages
        found = shipped_rules().recognise(messages, "tools" in body, body["max_tokens"])
        assert (found and found.name) == name


def _message(message: Any) -> MessageInput:
    return MessageInput(**message)
