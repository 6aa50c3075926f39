"""A recorded run as a conversation and as items."""

from __future__ import annotations

from typing import Any

import pytest

from orch.errors import OrchError
from orch.server.api.openai.stored_conversation import (
    IMAGES_WARNING,
    MAX_STORED_CHARS,
    MAX_STORED_MESSAGES,
    NOTHING_BEFORE,
    REDACTED_WARNING,
    answer_of,
    conversation_of,
    input_items,
)

HI = {"role": "user", "content": "hi"}
CALL = {"function": {"name": "add", "arguments": {"a": 1}}}


def row(**other: Any) -> dict[str, Any]:
    """A row as `find_response` gives it."""
    usual = {"run_id": "r", "messages": [HI], "answer": "yes", "redacted": 0, "response": {}}
    return {**usual, **other}


def test_the_answer_ends_the_conversation() -> None:
    before = ([HI, {"role": "assistant", "content": "yes"}], (), "api-1")
    assert conversation_of(row(session="api-1")) == before
    assert conversation_of(row(messages=None)).messages == [answer_of(row())]
    assert NOTHING_BEFORE == ([], (), "")


def test_an_answer_that_was_begun_for_the_model_is_one_message() -> None:
    begun = {"role": "assistant", "content": "Oh "}
    whole = {"role": "assistant", "content": "Oh yes"}
    assert conversation_of(row(messages=[HI, begun])).messages == [HI, whole]


def test_calls_have_the_ids_that_the_client_was_given() -> None:
    calls = [CALL, {"id": "its own", **CALL}]
    answer = answer_of(row(answer="", response={"tool_calls": calls}))
    assert (answer["content"], [call["id"] for call in answer["tool_calls"]]) == (
        None,
        ["call_r_0", "its own"],
    )


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("[an image, 4 characters of base64]", "text"),
        ("https://example.org/a.png", "image_url"),
        ("data:image/png;base64,QUJD", "image_url"),
    ],
)
def test_the_placeholder_of_an_image_is_a_text(url: str, part: str) -> None:
    image = {"type": "image_url", "image_url": {"url": url}}
    stored = [{"role": "user", "content": [{"type": "text", "text": "what?"}, image]}]
    messages, warnings, _ = conversation_of(row(messages=stored))
    assert messages[0]["content"][1]["type"] == part
    assert warnings == ((IMAGES_WARNING,) if part == "text" else ())


def test_a_redacted_conversation_says_so() -> None:
    assert conversation_of(row(redacted=1)).warnings == (REDACTED_WARNING,)


@pytest.mark.parametrize(
    "messages", [[HI] * MAX_STORED_MESSAGES, [{**HI, "content": "x" * MAX_STORED_CHARS}]]
)
def test_too_long_a_conversation_is_refused(messages: Any) -> None:
    with pytest.raises(OrchError, match="more than") as caught:
        conversation_of(row(messages=messages))
    assert caught.value.param == "previous_response_id"


def test_messages_are_items_in_order() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    items = input_items(
        "r",
        [
            {"role": "developer", "content": "be brief"},
            HI,
            {"role": "assistant", "content": "I add", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "3"},
        ],
    )
    assert [(item["id"], item["type"]) for item in items] == [
        ("in_r_0", "message"),
        ("in_r_1", "message"),
        ("in_r_2", "message"),
        ("in_r_3", "function_call"),
        ("in_r_4", "function_call_output"),
    ]
    assert [item["content"][0]["type"] for item in items[:3]] == [
        "input_text",
        "input_text",
        "output_text",
    ]
    assert (items[3]["name"], items[3]["call_id"], items[4]["output"]) == ("add", "c", "3")
