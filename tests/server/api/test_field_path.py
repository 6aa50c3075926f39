"""The field at fault, as OpenAI's API names it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from orch.server.api.field_path import field_error, field_path
from tests.support.fake_ollama import FakeOllama

HI = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ((), ""),
        (("temperature",), "temperature"),
        (("messages", 0, "tool_calls", 1, "id"), "messages[0].tool_calls[1].id"),
        (("messages", 0, "content", "str"), "messages[0].content"),
        (("messages", 0, "content", "list[dict[str,any]]", 0), "messages[0].content"),
        (("input", "function-before[_texts(), list[str]]"), "input"),
        (("input", "0", "role"), "input[0].role"),
    ],
)
def test_a_location_is_a_path_up_to_the_branch_of_a_union(location: Any, path: str) -> None:
    assert field_path(location) == path


def test_the_error_for_a_field_begins_with_its_name() -> None:
    error = field_error("tools.0.name", "must be a text", "give one")
    assert (error.message, error.param, error.code, error.hint) == (
        "tools.0.name: must be a text",
        "tools[0].name",
        "bad_input",
        "give one",
    )


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("chat/completions", {"messages": HI, "temperature": "warm"}, "temperature"),
        ("chat/completions", {"messages": HI, "n": 2}, "n"),
        ("chat/completions", {"messages": [{"role": "robot", "content": ""}]}, "messages[0].role"),
        ("chat/completions", {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        (
            "chat/completions",
            {"messages": HI, "tools": [{"type": "function"}]},
            "tools[0].function",
        ),
        ("chat/completions", {"messages": HI, "model": "nosuchmodel"}, "model"),
        ("completions", {"prompt": [1, 2]}, "prompt"),
        ("completions", {"prompt": "hi", "top_p": 2}, "top_p"),
        ("embeddings", {"input": [[1]]}, "input"),
        ("embeddings", {"input": "hi", "dimensions": 0}, "dimensions"),
        ("responses", {}, "input"),
        ("responses", {"input": 5}, "input"),
        ("responses", {"input": "hi", "max_output_tokens": "x"}, "max_output_tokens"),
        ("responses", {"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        (
            "responses",
            {"input": "hi", "tools": [{"type": "function", "name": "a", "parameters": "none"}]},
            "tools[0].parameters",
        ),
        ("responses", {"input": "hi", "background": True}, "background"),
    ],
)
def test_an_error_names_the_field_and_asks_no_model(
    url: str, ollama: FakeOllama, path: str, body: dict[str, Any], param: str
) -> None:
    response = httpx.post(f"{url}/v1/{path}", json=body)
    error = response.json()["error"]
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert response.status_code == (404 if param == "model" else 400)
    assert not ollama.chats()


def test_a_body_that_is_no_json_names_no_field(url: str) -> None:
    error = httpx.post(f"{url}/v1/responses", content=b"{").json()["error"]
    assert error["param"] is None
