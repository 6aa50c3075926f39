"""Tools of every kind that clients send: functions are passed on, with their namespace; the others
are ignored with a warning."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from orch.errors import OrchError
from orch.server.api.openai.tools import (
    original_name,
    parse_tool_choice,
    tools_from_chat,
    tools_from_responses,
)
from tests.conftest import CODER
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.responses import warnings_of

ADD = {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": False}
AGENTS = {
    "type": "namespace",
    "name": "agents",
    "tools": [
        {"type": "function", "name": "spawn", "parameters": {}},
        {"type": "custom", "name": "patch"},
    ],
}
FOREIGN: list[dict[str, Any]] = [
    {"type": "web_search", "external_web_access": False},
    {
        "type": "custom",
        "name": "apply_patch",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
    },
    {"type": "local_shell"},
    {"type": "mcp", "server_label": "docs", "server_url": "https://example.org"},
    {"type": "tool_search", "execution": "client"},
    {"name": "typeless"},
]
LEFT_OUT = [
    "web_search",
    "custom apply_patch",
    "local_shell",
    "mcp",
    "tool_search",
    "typeless",
    "custom patch",
]
WARNINGS = [f"the tool {each} was ignored: orch supports functions only" for each in LEFT_OUT]


def caller(ollama: FakeOllama, name: str) -> None:
    """Adds a model that calls that function."""
    ollama.add(
        FakeModel(
            "caller",
            reply=["done"],
            capabilities=["completion", "tools"],
            tool_calls=[{"function": {"name": name, "arguments": {}}}],
        )
    )


def names_sent(ollama: FakeOllama) -> list[str]:
    """The names of the tools that were sent to the model."""
    return [tool["function"]["name"] for tool in ollama.chats()[-1].body.get("tools", [])]


# ---------------------------------------------------------------- the rule


def test_functions_stay_namespaces_are_flattened_and_other_tools_are_named() -> None:
    tools = tools_from_responses([ADD, *FOREIGN, AGENTS])
    assert tools.names == {"add", "agents__spawn"}
    assert list(tools.warnings) == WARNINGS


@pytest.mark.parametrize("called", ["agents__spawn", "agents.spawn", "spawn"])
def test_a_call_of_a_namespaced_function_names_its_namespace(called: str) -> None:
    assert original_name(called, tools_from_responses([ADD, AGENTS]).members) == {
        "name": "spawn",
        "namespace": "agents",
    }


def test_a_bare_name_matches_a_namespaced_function_only_if_unambiguous() -> None:
    tools = tools_from_responses([{**ADD, "name": "spawn"}, AGENTS])
    assert (
        original_name("spawn", tools.members),
        original_name("agents__spawn", tools.members)["namespace"],
    ) == ({"name": "spawn"}, "agents")


def test_the_members_of_a_namespace_are_compared_by_their_hashes() -> None:
    compared: list[object] = []

    class Name(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            compared.append(other)
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    members = [{"type": "function", "name": Name(number)} for number in range(200)]
    tools_from_responses([{"type": "namespace", "name": "n", "tools": members}])
    assert len(compared) < 2_000


@pytest.mark.parametrize(
    ("choice", "value"),
    [
        ("required", "required"),
        ({"type": "function", "name": "add"}, "add"),
        ({"type": "function", "name": "spawn", "namespace": "agents"}, "agents__spawn"),
        ({"type": "allowed_tools", "mode": "required", "tools": []}, "required"),
        ({"type": "web_search"}, None),
        ({"type": "custom", "name": "apply_patch"}, None),
        ({"type": "function", "name": "apply_patch"}, None),
        (None, None),
    ],
)
def test_a_tool_choice_is_passed_on_if_its_function_exists(choice: Any, value: str | None) -> None:
    parsed = parse_tool_choice(choice, tools_from_responses([ADD, *FOREIGN, AGENTS]).names)
    assert (
        parsed.value["function"]["name"] if isinstance(parsed.value, dict) else parsed.value
    ) == value
    assert bool(parsed.warnings) == (value is None and choice is not None)


@pytest.mark.parametrize(
    ("choice", "place"),
    [
        (5, "tool_choice"),
        ({"type": "function", "function": "add"}, "tool_choice.function"),
        ({"type": "allowed_tools", "allowed_tools": ["add"]}, "tool_choice.allowed_tools"),
    ],
)
def test_a_malformed_tool_choice_is_refused(choice: Any, place: str) -> None:
    with pytest.raises(OrchError) as caught:
        parse_tool_choice(choice, {"add"})
    assert (caught.value.code, caught.value.param) == ("bad_input", place)


@pytest.mark.parametrize(("choice", "count"), [("auto", 0), ("none", 0), ("required", 1)])
def test_without_functions_the_tool_choice_is_dropped(choice: str, count: int) -> None:
    parsed = parse_tool_choice(choice, ())
    assert (parsed.value, len(parsed.warnings)) == (None, count)


def test_other_tools_of_a_chat_are_dropped() -> None:
    function = {"type": "function", "function": {"name": "add"}}
    tools = tools_from_chat(
        [function, {"function": {"name": "bare"}}, {"type": "custom", "custom": {"name": "patch"}}]
    )
    assert (tools.names, list(tools.warnings)) == (
        {"add", "bare"},
        ["the tool custom patch was ignored: orch supports functions only"],
    )


def test_a_function_without_a_name_is_refused() -> None:
    with pytest.raises(OrchError, match=r"tools\.1\.name"):
        tools_from_responses([ADD, {"type": "function"}])


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ("none", "parameters"),
        ([], "parameters"),
        ({"type": "objekt"}, "parameters.type"),
        ({"type": {"a": 1}}, "parameters.type"),
        ({"type": "object", "properties": ["a"]}, "parameters.properties"),
    ],
)
def test_parameters_that_are_no_schema_are_refused(schema: Any, place: str) -> None:
    function = {"name": "add", "parameters": schema}
    with pytest.raises(OrchError) as flat:
        tools_from_responses([{"type": "function", **function}])
    with pytest.raises(OrchError) as nested:
        tools_from_chat([{"type": "function", "function": function}])
    assert (flat.value.param, nested.value.param) == (
        f"tools[0].{place}",
        f"tools[0].function.{place}",
    )


@pytest.mark.parametrize(
    "schema", [None, {}, {"type": ["object", "null"]}, {"type": "object", "properties": None}]
)
def test_parameters_may_be_any_schema(schema: Any) -> None:
    tool = {"type": "function", "name": "add", "parameters": schema}
    assert tools_from_responses([tool]).names == {"add"}


# ---------------------------------------------------------------- the endpoint


def test_responses_accept_every_tool_and_call_namespaced_functions_by_name(
    url: str, ollama: FakeOllama
) -> None:
    caller(ollama, "agents__spawn")
    body = {
        "model": "caller",
        "input": "hi",
        "tools": [ADD, *FOREIGN, AGENTS],
        "tool_choice": "auto",
    }
    response = httpx.post(f"{url}/v1/responses", json=body)
    *_, call = response.json()["output"]
    assert (call["type"], call["namespace"], call["name"]) == ("function_call", "agents", "spawn")
    assert (names_sent(ollama), warnings_of(response)) == (["add", "agents__spawn"], WARNINGS)


def test_a_streamed_namespaced_call_makes_the_round_trip(url: str, ollama: FakeOllama) -> None:
    caller(ollama, "spawn")
    body = {"model": "caller", "input": "hi", "tools": [AGENTS], "stream": True}
    assert (
        '"name":"spawn","namespace":"agents"' in httpx.post(f"{url}/v1/responses", json=body).text
    )
    call = {
        "type": "function_call",
        "call_id": "c",
        "name": "spawn",
        "namespace": "agents",
        "arguments": "{}",
    }
    items = [
        {"role": "user", "content": "hi"},
        call,
        {"type": "function_call_output", "call_id": "c", "output": "done"},
    ]
    assert (
        httpx.post(
            f"{url}/v1/responses", json={**body, "input": items, "stream": False}
        ).status_code
        == 200
    )
    assert (
        ollama.chats()[-1].body["messages"][1]["tool_calls"][0]["function"]["name"]
        == "agents__spawn"
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": "hi", "tools": FOREIGN, "tool_choice": {"type": "web_search"}}),
        (
            "/v1/chat/completions",
            {
                "messages": [{"role": "user", "content": "hi"}],
                "tools": FOREIGN[:4],
                "tool_choice": {"type": "custom"},
            },
        ),
        (
            "/api/chat",
            {
                "messages": [{"role": "user", "content": "hi"}],
                "tools": FOREIGN[:4],
                "stream": False,
            },
        ),
    ],
)
def test_a_model_without_tools_answers_if_no_tool_remains(
    url: str, ollama: FakeOllama, path: str, body: dict[str, Any]
) -> None:
    response = httpx.post(f"{url}{path}", json={"model": CODER, **body})
    assert WARNINGS[0] in warnings_of(response)
    assert not {"tools", "tool_choice"} & ollama.chats()[-1].body.keys()
