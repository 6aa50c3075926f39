"""Values of foreign JSON: text in any form, numbers in any form; an unexpected structure is a bad
response, never a traceback."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import respx
from hypothesis import given

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers import ProviderClient
from orch.providers.chat import ChatRequest, Delta
from orch.providers.client import load_stream_error
from orch.providers.ollama.client import OllamaClient
from orch.providers.openai_compatible import OpenAIClient
from orch.providers.streams.answer import StreamedAnswer
from orch.providers.streams.values import (
    parse_content,
    parse_count,
    parse_logprobs,
    parse_objects,
    parse_text,
    parse_thinking,
)
from tests.providers.streams.byte_splits import JSON
from tests.support.untimed import untimed

UNREACHABLE = "http://127.0.0.1:9"
KINDS: dict[str, Callable[[Provider], ProviderClient]] = {
    "ollama": OllamaClient,
    "openai": OpenAIClient,
}
CHATS: list[tuple[str, dict[str, Any]]] = [
    ("openai", {"choices": [{"delta": "text", "finish_reason": "stop"}]}),
    ("openai", {"choices": [{"delta": {"content": 5}, "finish_reason": "stop"}]}),
    (
        "openai",
        {"choices": [{"delta": {"content": "a", "tool_calls": [5]}, "finish_reason": "stop"}]},
    ),
    ("ollama", {"message": {"content": 5}, "done": True}),
    ("ollama", {"message": {"content": "a", "thinking": [5]}, "done": True}),
    ("ollama", {"message": {"content": "a", "tool_calls": 5}, "done": True}),
    ("ollama", {"message": {"content": "a", "tool_calls": [5]}, "done": True}),
]
LISTS = [
    ("openai", {"data": ["x"]}),
    ("openai", {"data": 5}),
    ("ollama", {"models": ["x"]}),
    ("ollama", {"models": 5}),
]
VECTORS = [
    ("openai", {"data": []}),
    ("openai", {"data": [{}]}),
    ("openai", {"data": 5}),
    ("ollama", {"embeddings": []}),
    ("ollama", {"embeddings": [5]}),
    ("ollama", {"embeddings": 5}),
]


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        (None, ("", "")),
        ("Hi", ("Hi", "")),
        (["Hi ", "there"], ("Hi there", "")),
        ([{"type": "text", "text": "Hi"}, {"type": "output_text", "text": " you"}], ("Hi you", "")),
        ({"type": "text", "text": {"value": "Hi"}}, ("Hi", "")),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "So"}], "closed": True},
                {"type": "text", "text": "Hi"},
            ],
            ("Hi", "So"),
        ),
        ([{"type": "reasoning", "summary": [{"text": "So"}]}, "Hi"], ("Hi", "So")),
        ([{"type": "reference", "reference_ids": [1]}, {"type": "text", "text": None}], ("", "")),
        ([{"type": "image_url", "image_url": {"url": "data:,"}}], ("", "")),
    ],
)
def test_content_is_read_from_text_and_from_parts(value: Any, parsed: tuple[str, str]) -> None:
    assert parse_content(value) == parsed


@pytest.mark.parametrize(
    "value",
    ["So", {"text": "So"}, {"content": "So"}, ["S", "o"], [{"summary": "So"}], {"thinking": "So"}],
)
def test_thinking_is_read_from_text_objects_and_lists(value: Any) -> None:
    assert parse_thinking(value) == "So"


def test_parts_nested_without_end_are_left_out() -> None:
    value: Any = "deep"
    for _ in range(50):
        value = [value]
    assert parse_content([value]) == ("", "")


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert parse_text("a\ud83d") == "a\ufffd"


@untimed
@given(JSON)
def test_any_json_is_read_or_a_type_error(value: Any) -> None:
    for parse in (parse_content, parse_thinking):
        try:
            parsed = parse(value)
        except TypeError:
            continue
        assert all(
            isinstance(each, str) for each in (parsed if isinstance(parsed, tuple) else [parsed])
        )
    assert isinstance(parse_logprobs(value), tuple)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (3, 3),
        (3.0, 3),
        ("3", 3),
        ("3.0", 3),
        (0, 0),
        (None, None),
        (True, None),
        (-1, None),
        (float("nan"), None),
        (float("inf"), None),
        ("many", None),
        ([3], None),
        (10**400, None),
    ],
)
def test_a_count_is_read_from_any_form_of_a_number(value: Any, count: int | None) -> None:
    assert parse_count(value) == count


# ---------------------------------------------------------------- unexpected JSON


async def error_code(
    kind: str, body: dict[str, Any], ask: Callable[[ProviderClient], Awaitable[Any]]
) -> str:
    """The code of the ProviderError that a client raises when its server says this to
    everything."""
    with respx.mock() as router:
        router.route().respond(json=body)
        try:
            await ask(KINDS[kind](Provider(kind="openai", base_url=UNREACHABLE)))
        except ProviderError as error:
            return error.code
    return "no error"


async def chat(client: ProviderClient) -> list[Delta]:
    """A whole answer."""
    return [
        delta async for delta in client.chat(ChatRequest("m", [{"role": "user", "content": "hi"}]))
    ]


@pytest.mark.parametrize(("kind", "body"), CHATS, ids=str)
async def test_a_chat_with_an_unexpected_structure_is_a_bad_response(
    kind: str, body: dict[str, Any]
) -> None:
    assert await error_code(kind, body, chat) == "bad_response"


@pytest.mark.parametrize(("kind", "body"), LISTS, ids=str)
async def test_a_list_of_models_with_an_unexpected_structure_is_a_bad_response(
    kind: str, body: dict[str, Any]
) -> None:
    assert await error_code(kind, body, lambda client: client.installed()) == "bad_response"


@pytest.mark.parametrize(("kind", "body"), VECTORS, ids=str)
async def test_missing_or_invalid_vectors_are_a_bad_response(
    kind: str, body: dict[str, Any]
) -> None:
    assert await error_code(kind, body, lambda client: client.embed("m", ["a"])) == "bad_response"


async def test_metadata_of_another_type_is_no_failure() -> None:
    listed = {"models": [{"name": "x", "size": "big"}]}
    assert await error_code("ollama", listed, lambda client: client.installed()) == "no error"
    details = {"model_info": 5}
    assert await error_code("ollama", details, lambda client: client.info("x")) == "no error"


def test_a_structure_that_is_too_deep_is_a_bad_response() -> None:
    value: Any = "no slot"
    for _ in range(5_000):
        value = {"message": value}
    answer = StreamedAnswer()
    answer.add_all([{"error": value}])
    with pytest.raises(ProviderError, match="unexpected structure"):
        answer.raise_failure(load_stream_error)


def test_halves_of_surrogate_pairs_in_a_call_are_replaced() -> None:
    call = {"function": {"name": "a\ud83d", "arguments": {"b": ["\ude00"], "c": 1}}}
    ((name, arguments),) = (each["function"].values() for each in parse_objects([call]))
    mark = "\N{REPLACEMENT CHARACTER}"
    assert (name, arguments) == (f"a{mark}", {"b": [mark], "c": 1})
