"""Conversion of messages and tool calls between the APIs: nothing is lost, and every tool result is
matched to its call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orch.errors import ProviderError
from orch.providers.message_formats import (
    parse_arguments,
    to_ollama_messages,
    to_openai_messages,
)

PIXEL = "iVBORw0KGgo="
OPENAI_CALL = {"id": "c9", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
OLLAMA_CALL = {"function": {"name": "add", "arguments": {"a": 1}}}
Json = dict[str, Any]


def parts(*given: Json) -> list[Json]:
    """A conversation of one message in OpenAI's parts."""
    return [{"role": "user", "content": list(given)}]


def image(url: str) -> Json:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize("convert", [to_ollama_messages, to_openai_messages])
def test_unknown_fields_are_passed_on(convert: Any) -> None:
    message = {"role": "user", "content": "hi", "name": "Ana", "weight": 1}
    assert convert([message]) == [message]


@pytest.mark.parametrize("convert", [to_ollama_messages, to_openai_messages])
def test_the_role_developer_becomes_system(convert: Any) -> None:
    assert convert([{"role": "developer", "content": "be brief"}]) == [
        {"role": "system", "content": "be brief"}
    ]


@pytest.mark.parametrize("convert", [to_ollama_messages, to_openai_messages])
def test_the_original_messages_are_not_changed(convert: Any) -> None:
    given = [
        {"role": "assistant", "content": None, "tool_calls": [OPENAI_CALL, OLLAMA_CALL]},
        {"role": "tool", "tool_name": "add", "content": "2"},
    ]
    before = json.dumps(given)
    convert(given)
    assert json.dumps(given) == before


# ---------------------------------------------------------------- for Ollama


def test_arguments_become_an_object_and_a_result_gets_its_tools_name() -> None:
    assistant, tool = to_ollama_messages(
        [
            {"role": "assistant", "content": None, "tool_calls": [OPENAI_CALL]},
            {"role": "tool", "tool_call_id": "c9", "content": "2"},
        ]
    )
    assert (assistant["content"], assistant["tool_calls"][0]["function"]) == (
        "",
        OLLAMA_CALL["function"],
    )
    assert (tool["tool_name"], tool["tool_call_id"]) == ("add", "c9")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "\\ud83d\\ude00 \\ud83d"}', {"a": "\N{GRINNING FACE} \N{REPLACEMENT CHARACTER}"}),
        (" ", {}),
        *((text, text) for text in ('{"a": NaN}', "[" * 9_999, "[" * 300 + "]" * 300, "{")),
    ],
)
def test_arguments_that_no_answer_can_hold_stay_a_text(text: str, value: Any) -> None:
    assert parse_arguments(text) == value


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{ "a":1 }', '{ "a":1 }'),
        ({"a": 1}, '{"a": 1}'),
        ("", "{}"),
        ('{"a": ', '{"arguments": "{\\"a\\": "}'),
    ],
)
def test_no_earlier_call_makes_a_server_refuse_the_conversation(arguments: Any, sent: str) -> None:
    call = {"function": {"name": "f", "arguments": arguments}}
    (assistant,) = to_openai_messages([{"role": "assistant", "tool_calls": [call]}])
    assert assistant["tool_calls"][0]["function"]["arguments"] == sent


@pytest.mark.parametrize(
    ("arguments", "read"),
    [("", {}), ("{", {"arguments": "{"}), ("[1]", {"arguments": [1]}), ({"a": 1}, {"a": 1})],
)
def test_arguments_that_are_not_an_object_are_kept(arguments: Any, read: Json) -> None:
    (assistant,) = to_ollama_messages(
        [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}]
    )
    assert assistant["tool_calls"][0]["function"]["arguments"] == read


@pytest.mark.parametrize("kind", ["text", "input_text", "output_text"])
@pytest.mark.parametrize(
    "picture",
    [
        image(f"data:image/png;base64,{PIXEL}"),
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
        image(PIXEL),
    ],
)
def test_parts_become_text_and_images(kind: str, picture: Json) -> None:
    (message,) = to_ollama_messages(
        parts({"type": kind, "text": "one"}, picture, {"type": kind, "text": "two"})
    )
    assert (message["content"], message["images"]) == ("one\ntwo", [PIXEL])


def test_images_of_both_formats_are_kept() -> None:
    (message,) = to_ollama_messages(
        [
            {
                "role": "user",
                "content": [image(f"data:image/png;base64,{PIXEL}")],
                "images": [f"data:image/png;base64,{PIXEL}", PIXEL],
            }
        ]
    )
    assert message["images"] == [PIXEL] * 3


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.png",
        "HTTP://example.org/a.png",
        "file:///etc/passwd",
        "data:image/svg+xml,<svg/>",
    ],
)
@pytest.mark.parametrize("form", ["part", "images"])
def test_an_image_url_is_rejected(url: str, form: str) -> None:
    given = (
        parts(image(url))
        if form == "part"
        else [{"role": "user", "content": "look", "images": [url]}]
    )
    with pytest.raises(ProviderError, match="base64 only") as caught:
        to_ollama_messages(given)
    assert caught.value.code == "bad_input"


def test_a_part_that_is_neither_text_nor_image_is_rejected() -> None:
    with pytest.raises(ProviderError, match="input_audio"):
        to_ollama_messages(
            parts(
                {"type": "text", "text": "what is said?"},
                {"type": "input_audio", "input_audio": {"data": ""}},
            )
        )


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_becomes_thinking(field: str) -> None:
    (message,) = to_ollama_messages([{"role": "assistant", "content": "2", field: "1 + 1"}])
    assert message["thinking"] == "1 + 1"


# ---------------------------------------------------------------- for OpenAI


def test_arguments_become_a_string_and_every_call_gets_a_unique_id() -> None:
    turn: list[Json] = [
        {"role": "assistant", "content": "", "tool_calls": [OLLAMA_CALL, OLLAMA_CALL]},
        *[{"role": "tool", "tool_name": "add", "content": "2"}] * 2,
    ]
    converted = to_openai_messages([*turn, *turn])
    calls: list[Json] = [call for message in converted for call in message.get("tool_calls", ())]
    assert {(call["type"], call["function"]["arguments"]) for call in calls} == {
        ("function", '{"a": 1}')
    }
    assert [call["id"] for call in calls] == ["call_0", "call_1", "call_2", "call_3"]
    assert [message["tool_call_id"] for message in converted if message["role"] == "tool"] == [
        "call_0",
        "call_1",
        "call_2",
        "call_3",
    ]
    assert all("tool_name" not in message for message in converted)


def test_results_are_matched_to_calls_by_tool_name() -> None:
    calls: list[Json] = [{"function": {"name": name, "arguments": {}}} for name in ("add", "sub")]
    converted = to_openai_messages(
        [
            {"role": "assistant", "tool_calls": calls},
            *({"role": "tool", "tool_name": name, "content": ""} for name in ("sub", "add")),
        ]
    )
    assert [message["tool_call_id"] for message in converted[1:]] == ["call_1", "call_0"]


@pytest.mark.parametrize("given", ["call_0", "c9"])
def test_existing_ids_are_kept_and_not_generated_again(given: str) -> None:
    # call_0 is what orch itself makes up for an answer of Ollama's, and what the client sends back
    named = {**OPENAI_CALL, "id": given}
    talk: list[Json] = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [named, OLLAMA_CALL]},
    ]
    converted = to_openai_messages(
        [
            *talk,
            {"role": "tool", "tool_call_id": given, "content": "2"},
            {"role": "tool", "tool_name": "add", "content": "3"},
        ]
    )
    first, second = (call["id"] for call in converted[1]["tool_calls"])
    assert (converted[2]["tool_call_id"], converted[3]["tool_call_id"]) == (first, second)
    assert first == given != second


def test_a_result_without_a_call_gets_an_id() -> None:
    assert to_openai_messages([{"role": "tool", "content": "2"}]) == [
        {"role": "tool", "content": "2", "tool_call_id": "call_0"}
    ]


@pytest.mark.parametrize(
    ("data", "mime"),
    [(PIXEL, "png"), ("/9j/4AAQ", "jpeg"), ("R0lGODlh", "gif"), ("UklGRiQA", "webp")],
)
def test_images_become_parts_with_their_media_type(data: str, mime: str) -> None:
    (message,) = to_openai_messages([{"role": "user", "content": "look", "images": [data]}])
    assert message == {
        "role": "user",
        "content": [{"type": "text", "text": "look"}, image(f"data:image/{mime};base64,{data}")],
    }


def test_an_image_url_is_passed_on_unchanged() -> None:
    given = parts({"type": "text", "text": "look"}, image("https://example.org/a.png"))
    assert to_openai_messages(given) == given


# ---------------------------------------------------------------- calls without ids


def two_calls(*results: Json) -> list[Json]:
    calls: list[Json] = [{"function": {"name": name, "arguments": {}}} for name in ("add", "sub")]
    return [
        {"role": "assistant", "content": "", "tool_calls": calls},
        *({"role": "tool", "content": "1", **each} for each in results),
    ]


@pytest.mark.parametrize(
    ("results", "tools"),
    [
        ([{}, {}], ["add", "sub"]),
        ([{"name": "sub"}, {"name": "add"}], ["sub", "add"]),
        ([{"tool_name": "sub"}, {}], ["sub", "add"]),
    ],
)
def test_results_of_calls_without_ids_have_the_names_of_their_own_tools(
    results: list[Json], tools: list[str]
) -> None:
    assert [each["tool_name"] for each in to_ollama_messages(two_calls(*results))[1:]] == tools


@pytest.mark.parametrize("field", ["name", "tool_name"])
def test_the_name_of_a_result_tells_its_call(field: str) -> None:
    converted = to_openai_messages(two_calls({field: "sub"}, {field: "add"}))
    ids = [each["id"] for each in converted[0]["tool_calls"]]
    assert [each["tool_call_id"] for each in converted[1:]] == ids[::-1]
