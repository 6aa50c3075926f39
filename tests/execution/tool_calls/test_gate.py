"""The calls of one answer: held until it is whole, then settled."""

from __future__ import annotations

from typing import Any

import pytest

from orch.execution.tool_calls.faults import NO_CALL, ToolCallError
from orch.execution.tool_calls.gate import CallGate
from orch.providers.chat import ChatRequest
from tests.execution.tool_calls.tools import TOOLS, call

WRITTEN = '<tool_call>{"name": "list_notes"}</tool_call>'


def gate(*, streams: bool = True, forgives_missing: bool = False, **fields: Any) -> CallGate:
    """The gate of a request with tools."""
    request = ChatRequest("m", [], tools=TOOLS, **fields)
    return CallGate(request, streams=streams, forgives_missing=forgives_missing)


async def test_a_written_call_is_held_and_settled() -> None:
    one = gate()
    assert one.feed("I look.\n" + WRITTEN) == "I look.\n"
    assert one.pending == WRITTEN
    settled = await one.settle("I look.\n", is_shown=True, is_seen=True, cut=False)
    assert one.pending == ""
    assert (settled.text, settled.calls) == ("I look.", [call("list_notes", "{}")])


async def test_a_call_of_which_a_part_was_shown_stays_text() -> None:
    text = f"I look.\n{WRITTEN}"
    settled = await gate().settle(text, is_shown=True, is_seen=True, cut=False)
    assert (settled.text, settled.calls) == (text, [])


async def test_text_is_held_only_where_it_may_hold_calls() -> None:
    json_answer = {"type": "json_object"}
    for one in (
        gate(streams=False),
        gate(response_format=json_answer),
        gate(extra={"tool_choice": "none"}),
    ):
        assert one.feed(WRITTEN) == WRITTEN
    for one in (gate(response_format=json_answer), gate(extra={"tool_choice": "none"})):
        settled = await one.settle(WRITTEN, is_shown=False, is_seen=False, cut=False)
        assert (settled.text, settled.calls) == (WRITTEN, [])


async def test_a_missing_call_is_forgiven_after_it_was_asked_for_once() -> None:
    required = {"tool_choice": "required"}
    for forgives in (False, True):
        one = gate(extra=required, forgives_missing=forgives)
        if forgives:
            settled = await one.settle("It rains.", is_shown=False, is_seen=False, cut=False)
            assert (settled.text, settled.fault) == ("It rains.", NO_CALL)
        else:
            with pytest.raises(ToolCallError, match=NO_CALL):
                await one.settle("It rains.", is_shown=False, is_seen=False, cut=False)


async def test_a_faulty_answer_is_dropped_unless_a_part_was_seen() -> None:
    for is_seen in (False, True):
        one = gate()
        one.calls.append(call("get_weather", {}))
        if is_seen:
            settled = await one.settle("I look.", is_shown=True, is_seen=True, cut=False)
            assert (settled.calls, bool(settled.fault)) == (one.calls, True)
        else:
            with pytest.raises(ToolCallError, match="there is no tool") as caught:
                await one.settle("I look.", is_shown=False, is_seen=False, cut=False)
            assert caught.value.correction[0]["content"] == "I look."
