"""A Responses request as chat messages."""

from __future__ import annotations

from typing import Any

import pytest

from orch.errors import OrchError
from orch.server.api.openai.responses_input import input_messages, response_format_of
from orch.types import Message

CALL: dict[str, Any] = {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"}
OUTPUT: dict[str, Any] = {"type": "function_call_output", "call_id": "c", "output": "3"}


def messages_of(given: Any, instructions: str | None = None) -> list[Message]:
    """The messages of a request."""
    return input_messages(given, instructions).messages


def test_a_text_is_one_message_of_the_user_after_the_instructions() -> None:
    assert messages_of("hi", None) == [{"role": "user", "content": "hi"}]
    assert messages_of("hi", "be brief") == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
    ]


def test_parts_of_text_are_joined_and_images_keep_theirs() -> None:
    texts = [{"type": "input_text", "text": "a"}, {"type": "refusal", "refusal": "b"}]
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"}
    joined, mixed = messages_of(
        [{"role": "user", "content": texts}, {"role": "user", "content": [texts[0], image]}], None
    )
    assert joined["content"] == "a\nb"
    assert mixed["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": image["image_url"], "detail": "low"}},
    ]


def test_calls_belong_to_the_assistants_message_before_them() -> None:
    messages = messages_of(
        [
            {"role": "user", "content": "add"},
            {"role": "assistant", "content": "I add"},
            CALL,
            {**CALL, "call_id": "d", "namespace": "agents"},
            OUTPUT,
        ]
    )
    _, assistant, output = messages
    assert assistant["content"] == "I add"
    assert [call["id"] for call in assistant["tool_calls"]] == ["c", "d"]
    assert [call["function"]["name"] for call in assistant["tool_calls"]] == ["add", "agents__add"]
    assert output == {"role": "tool", "tool_call_id": "c", "content": "3"}


def test_a_call_without_a_message_before_it_gets_one() -> None:
    assistant, _ = messages_of([CALL, OUTPUT], None)
    assert (assistant["role"], assistant["content"]) == ("assistant", None)


def test_earlier_reasoning_is_left_out() -> None:
    items: list[Any] = [{"type": "reasoning", "summary": []}, {"role": "user", "content": "hi"}]
    assert messages_of(items, None) == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("item", "message"),
    [
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
        messages_of([item], None)
    assert caught.value.code == "bad_input"


def test_earlier_messages_stand_between_the_instructions_and_the_items() -> None:
    before: list[Message] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
    ]
    conversation = input_messages([CALL, OUTPUT], "be brief", before)
    assert [each["role"] for each in conversation.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
    ]
    assert conversation.messages[2]["tool_calls"][0]["id"] == "c"
    assert "tool_calls" not in before[1]


def test_instructions_among_the_items_are_the_developers() -> None:
    items = [{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}]
    assert [each["role"] for each in messages_of(items)] == ["developer", "developer"]


@pytest.mark.parametrize(
    "kind",
    [
        "web_search_call",
        "file_search_call",
        "image_generation_call",
        "item_reference",
        "compaction",
        "mcp_list_tools",
        "tool_search_output",
        "of_the_future",
    ],
)
def test_an_item_of_another_kind_is_left_out_with_one_warning(kind: str) -> None:
    items = [{"type": kind, "id": "x"}, {"type": kind}, {"role": "user", "content": "hi"}]
    messages, warnings = input_messages(items, None)
    assert messages == [{"role": "user", "content": "hi"}]
    assert warnings == (f"an input item of the type {kind} was left out",)


def test_calls_of_other_tools_are_calls_with_their_results() -> None:
    messages, warnings = input_messages(
        [
            {"role": "user", "content": "patch it"},
            {
                "type": "custom_tool_call",
                "call_id": "c",
                "name": "apply_patch",
                "input": "*** Begin",
            },
            {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
            {"type": "local_shell_call", "call_id": "d", "action": {"command": ["ls"]}},
            {"type": "local_shell_call_output", "id": "d", "output": "a.py"},
            {"type": "mcp_call", "id": "e", "name": "find", "arguments": "{}", "output": "7"},
        ],
        None,
    )
    assert [message["role"] for message in messages] == [
        "user",
        *("assistant", "tool") * 3,
    ]
    calls = [call for each in messages for call in each.get("tool_calls", ())]
    assert [(call["id"], call["function"]["name"]) for call in calls] == [
        ("c", "apply_patch"),
        ("d", "local_shell"),
        ("e", "find"),
    ]
    results = [(m["tool_call_id"], m["content"]) for m in messages if m["role"] == "tool"]
    assert (results, warnings) == ([("c", "done"), ("d", "a.py"), ("e", "7")], ())


def test_the_error_for_an_item_names_its_field() -> None:
    with pytest.raises(OrchError) as caught:
        input_messages([{"role": "user", "content": [{"type": "input_text"}]}], None)
    assert caught.value.param == "input[0].content[0].text"


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
