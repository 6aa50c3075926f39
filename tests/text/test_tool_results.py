"""Each tool's result stands behind its own call; what answers none is the user's text."""

from __future__ import annotations

from typing import Any

import pytest

from orch.text.tool_results import results_behind_calls

Message = dict[str, Any]
STEER: Message = {"role": "user", "content": "steer"}


def call(tool: str, call_id: str = "") -> Message:
    function = {"name": tool, "arguments": "{}"}
    return {"function": function, **({"id": call_id} if call_id else {})}


def asked(*calls: Message) -> Message:
    return {"role": "assistant", "tool_calls": list(calls)}


def result(content: str, **more: str) -> Message:
    return {"role": "tool", "content": content, **more}


def order(*messages: Message) -> list[str]:
    """What the messages say, in their new order: `a=1` for a result, `(1)` for a foreign one."""
    placed = results_behind_calls(messages, lambda each: {**each, "role": "foreign"})
    return [_said(message) for message in placed]


def _said(message: Message) -> str:
    if message["role"] == "assistant":
        return "+".join(each.get("id", each["function"]["name"]) for each in message["tool_calls"])
    if message["role"] == "tool":
        answered = message.get("tool_call_id") or message.get("tool_name") or message.get("name")
        return f"{answered}={message['content']}"
    return f"({message['content']})"


def test_results_that_come_late_stand_behind_their_own_calls() -> None:
    first, second = asked(call("f", "a")), asked(call("g", "b"))
    results = result("1", tool_call_id="a"), result("2", tool_call_id="b")
    assert order(first, STEER, second, *results) == ["a", "a=1", "(steer)", "b", "b=2"]
    assert order(first, STEER, second, *results[::-1]) == ["a", "a=1", "(steer)", "b", "b=2"]
    assert order(first, second, *results) == ["a", "b", "a=1", "b=2"]


def test_a_second_result_and_one_of_another_id_are_foreign() -> None:
    both = asked(call("f", "a"), call("g", "b"))
    named = [result(str(n), tool_call_id=each) for n, each in enumerate("aab")]
    assert order(both, *named) == ["a+b", "a=0", "b=2", "(1)"]
    named = [result(str(n), tool_call_id=each) for n, each in enumerate(("zz", "b", "a"))]
    assert order(both, *named) == ["a+b", "b=1", "a=2", "(0)"]
    assert order(result("1", tool_call_id="a"), both) == ["(1)", "a+b"]


def test_one_open_call_takes_the_only_result_whatever_its_id() -> None:
    assert order(asked(call("f", "a")), result("1", tool_call_id="zz")) == ["a", "a=1"]
    two = result("1", tool_call_id="y"), result("2", tool_call_id="z")
    assert order(asked(call("f", "a")), *two) == ["a", "(1)", "(2)"]


@pytest.mark.parametrize("field", ["name", "tool_name"])
def test_results_without_an_id_are_told_by_their_tool(field: str) -> None:
    both = asked(call("f"), call("g"))
    results = result("1", **{field: "g"}), result("2", **{field: "f"})
    assert order(both, *results) == ["f+g", "g=1", "f=2"]


def test_results_without_id_and_name_follow_the_order_of_the_calls() -> None:
    both = asked(call("f"), call("g"))
    assert order(both, result("1"), result("2"), result("3")) == ["f+g", "f=1", "g=2", "(3)"]
    assert order(asked(call("f", "a"), call("g", "b")), result("1"), result("2")) == [
        "a+b",
        "a=1",
        "b=2",
    ]


def test_a_call_without_an_id_takes_the_id_from_its_result() -> None:
    both = asked(call("f"), call("g"))
    results = result("1", tool_call_id="x", name="g"), result("2", tool_call_id="y")
    assert order(both, *results) == ["f+g", "g=1", "f=2"]


def test_an_id_that_comes_again_is_that_of_the_latest_call() -> None:
    again = asked(call("f", "a")), result("1", tool_call_id="a")
    assert order(*again, STEER, *again) == ["a", "a=1", "(steer)", "a", "a=1"]
