"""Messages and tool calls of either API become those of the other: nothing is lost, and every
answer of a tool finds its call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orch.errors import ProviderError
from orch.providers.message_formats import to_ollama_messages, to_openai_messages

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
def test_what_is_not_known_passes_through(convert: Any) -> None:
    message = {"role": "user", "content": "hi", "name": "Ana", "weight": 1}
    assert convert([message]) == [message]


@pytest.mark.parametrize("convert", [to_ollama_messages, to_openai_messages])
def test_a_developer_speaks_as_the_system(convert: Any) -> None:
    assert convert([{"role": "developer", "content": "be brief"}]) == [
        {"role": "system", "content": "be brief"}
    ]


@pytest.mark.parametrize("convert", [to_ollama_messages, to_openai_messages])
def test_what_was_given_is_not_changed(convert: Any) -> None:
    given = [
        {"role": "assistant", "content": None, "tool_calls": [OPENAI_CALL, OLLAMA_CALL]},
        {"role": "tool", "tool_name": "add", "content": "2"},
    ]
    before = json.dumps(given)
    convert(given)
    assert json.dumps(given) == before


# ---------------------------------------------------------------- for Ollama


def test_arguments_become_an_object_and_an_answer_gets_its_tools_name() -> None:
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
    ("arguments", "read"),
    [("", {}), ("{", {"arguments": "{"}), ("[1]", {"arguments": [1]}), ({"a": 1}, {"a": 1})],
)
def test_arguments_that_are_no_object_are_not_lost(arguments: Any, read: Json) -> None:
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
def test_parts_become_a_text_and_images(kind: str, picture: Json) -> None:
    (message,) = to_ollama_messages(
        parts({"type": kind, "text": "one"}, picture, {"type": kind, "text": "two"})
    )
    assert (message["content"], message["images"]) == ("one\ntwo", [PIXEL])


def test_images_of_both_forms_are_kept() -> None:
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
def test_an_image_that_is_elsewhere_is_refused(url: str, form: str) -> None:
    given = (
        parts(image(url))
        if form == "part"
        else [{"role": "user", "content": "look", "images": [url]}]
    )
    with pytest.raises(ProviderError, match="base64 only") as caught:
        to_ollama_messages(given)
    assert caught.value.code == "rejected"


def test_a_part_that_is_neither_text_nor_image_is_refused_and_not_dropped() -> None:
    with pytest.raises(ProviderError, match="input_audio"):
        to_ollama_messages(
            parts(
                {"type": "text", "text": "what is said?"},
                {"type": "input_audio", "input_audio": {"data": ""}},
            )
        )


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_earlier_reasoning_is_earlier_thinking(field: str) -> None:
    (message,) = to_ollama_messages([{"role": "assistant", "content": "2", field: "1 + 1"}])
    assert message["thinking"] == "1 + 1"


# ---------------------------------------------------------------- for OpenAI


def test_arguments_become_a_string_and_every_call_gets_an_id_of_its_own() -> None:
    turn: list[Json] = [
        {"role": "assistant", "content": "", "tool_calls": [OLLAMA_CALL, OLLAMA_CALL]},
        *[{"role": "tool", "tool_name": "add", "content": "2"}] * 2,
    ]
    made = to_openai_messages([*turn, *turn])
    calls: list[Json] = [call for message in made for call in message.get("tool_calls", ())]
    assert {(call["type"], call["function"]["arguments"]) for call in calls} == {
        ("function", '{"a": 1}')
    }
    assert [call["id"] for call in calls] == ["call_0", "call_1", "call_2", "call_3"]
    assert [message["tool_call_id"] for message in made if message["role"] == "tool"] == [
        "call_0",
        "call_1",
        "call_2",
        "call_3",
    ]
    assert all("tool_name" not in message for message in made)


def test_answers_find_their_calls_by_the_tools_names() -> None:
    calls: list[Json] = [{"function": {"name": name, "arguments": {}}} for name in ("add", "sub")]
    made = to_openai_messages(
        [
            {"role": "assistant", "tool_calls": calls},
            *({"role": "tool", "tool_name": name, "content": ""} for name in ("sub", "add")),
        ]
    )
    assert [message["tool_call_id"] for message in made[1:]] == ["call_1", "call_0"]


@pytest.mark.parametrize("given", ["call_0", "c9"])
def test_ids_that_were_given_stay_and_are_not_made_up_again(given: str) -> None:
    # call_0 is what orch itself makes up for an answer of Ollama's, and what the client sends back
    named = {**OPENAI_CALL, "id": given}
    talk: list[Json] = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [named, OLLAMA_CALL]},
    ]
    made = to_openai_messages(
        [
            *talk,
            {"role": "tool", "tool_call_id": given, "content": "2"},
            {"role": "tool", "tool_name": "add", "content": "3"},
        ]
    )
    first, second = (call["id"] for call in made[1]["tool_calls"])
    assert (made[2]["tool_call_id"], made[3]["tool_call_id"]) == (first, second)
    assert first == given != second


def test_an_answer_without_a_call_gets_an_id_all_the_same() -> None:
    assert to_openai_messages([{"role": "tool", "content": "2"}]) == [
        {"role": "tool", "content": "2", "tool_call_id": "call_0"}
    ]


@pytest.mark.parametrize(
    ("data", "mime"),
    [(PIXEL, "png"), ("/9j/4AAQ", "jpeg"), ("R0lGODlh", "gif"), ("UklGRiQA", "webp")],
)
def test_images_become_parts_of_their_kind(data: str, mime: str) -> None:
    (message,) = to_openai_messages([{"role": "user", "content": "look", "images": [data]}])
    assert message == {
        "role": "user",
        "content": [{"type": "text", "text": "look"}, image(f"data:image/{mime};base64,{data}")],
    }


def test_an_address_of_an_image_is_passed_on_whole() -> None:
    given = parts({"type": "text", "text": "look"}, image("https://example.org/a.png"))
    assert to_openai_messages(given) == given
