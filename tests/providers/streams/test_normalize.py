"""One event of any server in the normal form: null wherever a value may be missing, text in any
form, OpenAI's words for the end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.providers.streams.normalize import NormalEvent, normalize, parse_finish_reason, token_of
from orch.providers.streams.values import STRUCTURE_ERRORS
from tests.providers.streams.byte_splits import JSON
from tests.support.untimed import untimed

KEYS = st.sampled_from(
    [
        *("choices", "delta", "message", "content", "text", "reasoning", "tool_calls", "error"),
        *("finish_reason", "index", "usage", "done", "response", "detail", "function", "x_y"),
    ]
)
EVENTS = st.recursive(
    JSON,
    lambda inner: st.dictionaries(KEYS, inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=12,
).filter(lambda value: isinstance(value, dict))


def choice(body: Any, **fields: Any) -> dict[str, Any]:
    """An event with one choice."""
    return {"choices": [{"index": 0, "delta": body, "finish_reason": None, **fields}]}


@pytest.mark.parametrize(
    ("event", "content", "thinking"),
    [
        (choice({"content": "Hi"}), "Hi", ""),
        (choice({"content": "", "refusal": "I may not."}), "I may not.", ""),
        (choice({"role": "assistant", "content": "Hi", "tool_calls": None}), "Hi", ""),
        (choice({"content": None, "reasoning_content": "So"}), "", "So"),
        (choice({"content": "Hi", "reasoning": "So"}), "Hi", "So"),
        (choice({"content": "Hi", "thinking": {"text": "So"}}), "Hi", "So"),
        (choice({"reasoning": "So", "reasoning_details": [{"text": "So"}]}), "", "So"),
        (choice({"reasoning": None, "reasoning_details": [{"summary": "So"}]}), "", "So"),
        (choice({"content": None, "refusal": "I can't"}), "I can't", ""),
        (choice({}, message={"content": "Hi"}), "Hi", ""),
        (choice(None, text="Hi"), "Hi", ""),
        (choice({"content": "Hi"}, message={"content": "Hi"}), "Hi", ""),
        ({"choices": {"delta": {"content": "Hi"}}}, "Hi", ""),
        ({"message": {"content": "Hi", "thinking": None}, "done": False}, "Hi", ""),
        ({"message": {"content": "", "thinking": "So"}, "done": False}, "", "So"),
        ({"response": "Hi", "done": False}, "Hi", ""),
        ({"content": "Hi", "stop": False}, "Hi", ""),
        (choice(None), "", ""),
        ({"choices": [None]}, "", ""),
        ({"choices": None}, "", ""),
        ({"choices": [], "usage": {}}, "", ""),
        ({}, "", ""),
    ],
    ids=str,
)
def test_text_is_found_in_any_form(event: dict[str, Any], content: str, thinking: str) -> None:
    normal = normalize(event)
    assert (normal.content, normal.thinking, normal.error) == (content, thinking, None)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("", ""),
        (None, ""),
        ("null", ""),
        (False, ""),
    ],
)
def test_the_end_has_openais_word(word: Any, reason: str) -> None:
    assert parse_finish_reason(word) == reason


def test_the_end_of_ollamas_stream_is_the_end() -> None:
    assert normalize({"message": {"content": ""}, "done": True}).finish_reason == "stop"
    assert normalize({"done": True, "done_reason": "length"}).finish_reason == "length"
    assert normalize({"content": "", "stop": True}).finish_reason == "stop"


def test_a_call_in_the_form_from_before_tools_is_a_call() -> None:
    function = {"name": "add", "arguments": "{}"}
    assert normalize(choice({"function_call": function})).tool_calls == (
        {"index": 0, "function": function},
    )


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"tokens": ["a"]}, 5, "x"])
def test_logprobs_in_another_form_are_none(logprobs: Any) -> None:
    assert normalize(choice({"content": "Hi"}, logprobs=logprobs)).logprobs == ()


def test_an_error_in_the_choice_is_the_error() -> None:
    assert normalize(choice({"content": ""}, error={"message": "m"})).error == {"message": "m"}
    assert normalize(choice({"content": "a"}, error=None)).error is None


@untimed
@given(EVENTS)
def test_any_object_is_read_or_has_an_unexpected_structure(event: dict[str, Any]) -> None:
    try:
        normal = normalize(event)
    except STRUCTURE_ERRORS:
        return
    assert isinstance(normal, NormalEvent)
    assert isinstance(normal.content, str)
    assert isinstance(normal.thinking, str)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (choice({"content": "Hi"}), "Hi"),
        (choice({"role": "assistant", "content": "Hi"}, logprobs=None) | {"usage": None}, "Hi"),
        (choice({"content": ""}), ""),
        (choice({"content": "Hi"}, finish_reason="stop"), ""),
        (choice({"content": "Hi"}, logprobs={"content": [{"token": "Hi"}]}), ""),
        (choice({"content": "Hi"}) | {"usage": {"prompt_tokens": 3}}, ""),
        (choice({"content": "Hi"}) | {"timings": {"prompt_n": 3}}, ""),
        (choice({"content": "Hi"}) | {"error": "full"}, ""),
        (choice({"content": "Hi", "tool_calls": [{}]}), ""),
        (choice({"content": ["Hi"]}), ""),
        ({"choices": [{"index": 1, "delta": {"content": "Hi"}}]}, ""),
        ({"choices": {"delta": {"content": "Hi"}}}, ""),
        ({"choices": 3}, ""),
        ({}, ""),
        (choice({"content": "S\u00ed"}), "S\u00ed"),
    ],
)
def test_a_token_is_an_event_that_says_nothing_else(event: dict[str, Any], text: str) -> None:
    assert token_of(event, 0) == text


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "Hi"),
        ({"created_at": "now", "done": False}, "Hi"),
        ({"done": True}, ""),
        ({"message": {"role": "assistant", "content": "Hi", "thinking": "So"}}, ""),
        ({"logprobs": [{"token": "Hi"}]}, ""),
        ({"choices": [{"index": 0, "delta": {"content": "Hi"}}]}, ""),
        ({"error": "full"}, ""),
    ],
)
def test_a_token_of_ollama_is_one_too(more: dict[str, Any], text: str) -> None:
    event = {"message": {"role": "assistant", "content": "Hi"}, **more}
    assert token_of(event, None) == text


@untimed
@given(EVENTS, st.dictionaries(KEYS, JSON, max_size=2), st.sampled_from([0, None]))
def test_a_token_says_what_its_event_says(
    event: dict[str, Any], more: dict[str, Any], index: int | None
) -> None:
    native = {"message": {"content": "Hi"}, **more}
    for each in (
        event,
        native,
        choice({"content": "Hi", **more}),
        choice({"content": "Hi"}, **more),
    ):
        if text := token_of(each, index):
            normal = normalize(each)
            assert normal == NormalEvent(text, choice=index, is_native=index is None)
