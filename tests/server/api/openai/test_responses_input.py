"""A Responses request as chat messages."""

from __future__ import annotations

from typing import Any

import pytest

from orch.errors import OrchError
from orch.server.api.openai.responses_input import field_error, input_messages, response_format_of

CALL: dict[str, Any] = {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"}
OUTPUT: dict[str, Any] = {"type": "function_call_output", "call_id": "c", "output": "3"}


def test_a_text_is_one_message_of_the_user_after_the_instructions() -> None:
    assert input_messages("hi", None) == [{"role": "user", "content": "hi"}]
    assert input_messages("hi", "be brief") == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
    ]


def test_parts_of_text_are_joined_and_images_keep_theirs() -> None:
    texts = [{"type": "input_text", "text": "a"}, {"type": "refusal", "refusal": "b"}]
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"}
    joined, mixed = input_messages(
        [{"role": "user", "content": texts}, {"role": "user", "content": [texts[0], image]}], None
    )
    assert joined["content"] == "a\nb"
    assert mixed["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": image["image_url"], "detail": "low"}},
    ]


def test_calls_belong_to_the_assistants_message_before_them() -> None:
    messages = input_messages(
        [
            {"role": "user", "content": "add"},
            {"role": "assistant", "content": "I add"},
            CALL,
            {**CALL, "call_id": "d", "namespace": "agents"},
            OUTPUT,
        ],
        None,
    )
    _, assistant, output = messages
    assert assistant["content"] == "I add"
    assert [call["id"] for call in assistant["tool_calls"]] == ["c", "d"]
    assert [call["function"]["name"] for call in assistant["tool_calls"]] == ["add", "agents__add"]
    assert output == {"role": "tool", "tool_call_id": "c", "content": "3"}


def test_a_call_without_a_message_before_it_gets_one() -> None:
    assistant, _ = input_messages([CALL, OUTPUT], None)
    assert (assistant["role"], assistant["content"]) == ("assistant", None)


def test_earlier_reasoning_is_left_out() -> None:
    items: list[Any] = [{"type": "reasoning", "summary": []}, {"role": "user", "content": "hi"}]
    assert input_messages(items, None) == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"type": "item_reference", "id": "x"}, r"input\.0: orch is stateless"),
        ({"type": "web_search_call"}, r"input\.0: orch supports messages"),
        ({"role": "robot", "content": "hi"}, r"input\.0\.role: 'robot'"),
        ({"role": "user", "content": 5}, r"input\.0\.content: must be a text"),
        ({"role": "user", "content": [5]}, r"input\.0\.content\.0: .* not 'int'"),
        ({**CALL, "arguments": {}}, r"input\.0\.arguments: must be a text"),
    ],
)
def test_an_item_without_an_equivalent_is_an_error_that_names_its_place(
    item: dict[str, Any], message: str
) -> None:
    with pytest.raises(OrchError, match=message) as caught:
        input_messages([item], None)
    assert caught.value.code == "bad_input"


def test_the_error_for_a_field_begins_with_its_name() -> None:
    assert field_error("tools.0", "has no name").message == "tools.0: has no name"


@pytest.mark.parametrize("form", [None, "text", {"type": "text"}, {}])
def test_plain_text_has_no_response_format(form: Any) -> None:
    assert response_format_of(form) is None


def test_a_flat_format_becomes_a_nested_one() -> None:
    schema = {"type": "object"}
    form = {"type": "json_schema", "name": "sum", "schema": schema, "strict": None}
    assert response_format_of({"type": "json_object"}) == {"type": "json_object"}
    assert response_format_of(form) == {
        "type": "json_schema",
        "json_schema": {"name": "sum", "schema": schema},
    }
    for wrong in ({"type": "grammar"}, {"type": "json_schema"}):
        with pytest.raises(OrchError, match=r"text\.format"):
            response_format_of(wrong)
