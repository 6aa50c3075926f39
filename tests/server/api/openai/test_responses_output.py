"""An answer as output items of Responses, and the events that build them."""

from __future__ import annotations

from typing import Any

from orch.execution.events import Content, Fallback, RunEvent, Thinking, ToolCall
from orch.server.api.openai.responses_output import OutputItems, stored_items
from orch.types import ModelKey

CALL = {"function": {"name": "agents__spawn", "arguments": {"a": 1}}}
MEMBERS = {"agents__spawn": ("agents", "spawn")}
SWITCH = Fallback(ModelKey("p", "a"), ModelKey("p", "b"), "cut", "cut", 0)


def built(*events: RunEvent, status: str = "completed") -> tuple[list[Any], list[Any]]:
    """The events and the items of a run."""
    output = OutputItems("run", MEMBERS)
    sent = [each for event in events for each in output.add(event)]
    sent += output.close(status)
    return sent, output.items


def test_pieces_of_one_kind_are_one_item() -> None:
    sent, (item,) = built(Content("a"), Content("b"))
    assert item == {
        "id": "msg_run_0",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "ab", "annotations": [], "logprobs": []}],
    }
    assert [event["type"].removeprefix("response.") for event in sent] == [
        *("output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done"),
    ]
    assert [event["delta"] for event in sent if "delta" in event] == ["a", "b"]


def test_thinking_text_and_calls_are_items_of_their_own_in_order() -> None:
    sent, items = built(Thinking("hm"), Content("a"), ToolCall(CALL), Content("b"))
    assert [(item["type"], item["id"]) for item in items] == [
        ("reasoning", "rs_run_0"),
        ("message", "msg_run_0"),
        ("function_call", "fc_run_0"),
        ("message", "msg_run_1"),
    ]
    finished = [event for event in sent if event["type"] == "response.output_item.done"]
    assert [event["item"] for event in finished] == items
    assert [event["output_index"] for event in finished] == [0, 1, 2, 3]


def test_a_call_of_a_namespaced_function_has_its_name_and_namespace() -> None:
    sent, (item,) = built(ToolCall(CALL))
    assert (item["name"], item["namespace"], item["arguments"]) == ("spawn", "agents", '{"a": 1}')
    assert sent[0]["item"]["arguments"] == ""
    assert sent[1]["delta"] == item["arguments"]


def test_after_a_fallback_the_thoughts_begin_anew_and_the_text_goes_on() -> None:
    _, items = built(Thinking("a"), SWITCH, Thinking("b"), Content("c"), SWITCH, Content("d"))
    assert [item["content"][0]["text"] for item in items] == ["a", "b", "cd"]


def test_a_stored_answer_has_the_ids_of_the_one_that_was_sent() -> None:
    _, sent = built(Thinking("hm"), Content("a"), ToolCall(CALL))
    stored = {"tool_calls": [CALL], "namespaced": [["agents", "spawn"]]}
    assert stored_items("run", "a", stored, is_cut=False) == sent[1:]
    assert stored_items("run", "a", {}, is_cut=True)[0]["status"] == "incomplete"


def test_an_item_that_was_cut_is_incomplete() -> None:
    _, (item,) = built(Content("a"), status="incomplete")
    assert item["status"] == "incomplete"


def test_a_failed_run_keeps_its_whole_items_and_the_open_one_as_incomplete() -> None:
    output = OutputItems("run", {})
    for event in (Thinking("hm"), Content("a")):
        list(output.add(event))
    assert [(item["type"], item["status"]) for item in output.partial_items()] == [
        ("reasoning", "completed"),
        ("message", "incomplete"),
    ]
    assert [item["type"] for item in output.items] == ["reasoning"]
