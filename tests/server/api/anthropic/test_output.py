"""An answer as content blocks, and the events that build them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from orch.execution.events import Content, Fallback, RunEvent, Thinking, ToolCall
from orch.server.api.anthropic.output import (
    SIGNATURE,
    ContentBlocks,
    delta_usage,
    end_of,
    tool_use,
    usage_of,
)
from orch.types import ModelKey, Response, Usage

CALL = {"id": "c1", "function": {"name": "add", "arguments": '{"a": 1}'}}
FALLBACK = Fallback(ModelKey("p", "a"), ModelKey("p", "b"), "gone", "connect", 3)


def built(*events: RunEvent, shows: bool = True, single: bool = False) -> list[Any]:
    """The events of a stream, shortened: starts by their block's type, deltas by their text."""
    blocks = ContentBlocks("r1", shows_thinking=shows, single_call=single)
    found = [each for event in events for each in blocks.add(event)] + list(blocks.close())
    return [
        (each["index"], each.get("content_block", {}).get("type") or _delta(each)) for each in found
    ]


def _delta(event: dict[str, Any]) -> str:
    return str([*event.get("delta", {"": "stop"}).values()][-1])


def test_each_kind_of_text_is_a_block() -> None:
    assert built(Thinking("hm"), Thinking("m"), Content("a"), Content("b")) == [
        (0, "thinking"),
        (0, "hm"),
        (0, "m"),
        (0, SIGNATURE),
        (0, "stop"),
        (1, "text"),
        (1, "a"),
        (1, "b"),
        (1, "stop"),
    ]


def test_a_call_is_a_block_of_its_own() -> None:
    assert built(Content("a"), ToolCall(CALL), ToolCall(CALL)) == [
        (0, "text"),
        (0, "a"),
        (0, "stop"),
        *((1, each) for each in ("tool_use", '{"a": 1}', "stop")),
        *((2, each) for each in ("tool_use", '{"a": 1}', "stop")),
    ]


def test_thoughts_and_further_calls_can_be_left_out() -> None:
    found = built(Thinking("hm"), ToolCall(CALL), ToolCall(CALL), shows=False, single=True)
    assert found == [(0, "tool_use"), (0, '{"a": 1}'), (0, "stop")]


def test_the_next_model_goes_on_with_the_text_and_thinks_for_itself() -> None:
    assert [index for index, _ in built(Content("a"), FALLBACK, Content("b"))] == [0] * 4
    starts = [
        each for each in built(Thinking("a"), FALLBACK, Thinking("b")) if each[1] == "thinking"
    ]
    assert starts == [(0, "thinking"), (1, "thinking")]


def test_an_empty_piece_opens_no_block() -> None:
    assert built(Content("")) == []


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ({"a": 1}, {"a": 1}),
        ('{"a": 1}', {"a": 1}),
        ("", {}),
        ("{broken", {"arguments": "{broken"}),
        ("[1]", {"arguments": [1]}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(arguments: Any, given: Any) -> None:
    block = tool_use({"function": {"name": "add", "arguments": arguments}}, "r1", 2)
    assert block == {"type": "tool_use", "id": "toolu_r1_2", "name": "add", "input": given}


@pytest.mark.parametrize(
    ("finish", "calls", "named", "reason", "sequence"),
    [
        ("stop", (), "", "end_turn", None),
        ("stop", (), "END", "stop_sequence", "END"),
        ("stop", (), "<|im_end|>", "end_turn", None),
        ("stop", (CALL,), "", "tool_use", None),
        ("length", (CALL,), "", "max_tokens", None),
        ("content_filter", (), "", "refusal", None),
    ],
)
def test_why_an_answer_ended(
    finish: str, calls: tuple[Any, ...], named: str, reason: str, sequence: str | None
) -> None:
    response = Response("a", finish_reason=finish, tool_calls=calls, stop_sequence=named)
    result: Any = SimpleNamespace(response=response)
    assert end_of(result, ("END",)) == {"stop_reason": reason, "stop_sequence": sequence}


def test_a_prompt_that_was_not_counted_is_estimated_and_never_zero() -> None:
    assert usage_of(Usage(0, 5), 12)["input_tokens"] == 12
    assert usage_of(Usage(7, 5), 12)["input_tokens"] == 7
    assert delta_usage(Usage(0, 5), 0) == {
        "input_tokens": 1,
        "output_tokens": 5,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }


def test_what_was_cached_is_no_input_but_read_from_the_cache() -> None:
    usage = delta_usage(Usage(900, 5, cached_tokens=860), 12)
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (40, 860)
