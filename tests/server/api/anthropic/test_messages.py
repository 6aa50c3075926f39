"""Anthropic's messages, by Anthropic's own client over a real socket."""

from __future__ import annotations

import json
import re
from itertools import groupby
from typing import Any
from urllib.parse import unquote

import anthropic
import httpx
import pytest
from pydantic import BaseModel

from orch.errors import OrchError
from orch.server.api.anthropic import messages
from orch.server.api.anthropic.messages import message_params, shows_thinking, thinking_fields
from orch.server.api.anthropic.schemas import MessagesRequest
from orch.server.api.anthropic.tools import parse_tools
from tests.conftest import CODER, LLAMA
from tests.server.api.anthropic.conftest import CALLER
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault

TASK = "Write a Python function that sorts a list"
ASKED: list[Any] = [{"role": "user", "content": TASK}]
TOOL: Any = {"name": "add", "description": "Adds", "input_schema": {"type": "object"}}
PNG = "iVBORw0KGgo="


def events_of(url: str, **fields: Any) -> list[dict[str, Any]]:
    """The events of a stream as they are on the wire, each checked against its name."""
    body = {"model": "auto", "max_tokens": 99, "messages": ASKED, "stream": True, **fields}
    text = httpx.post(f"{url}/v1/messages", json=body, timeout=30).text
    pairs = [part.split("\n") for part in text.split("\n\n") if part.startswith("event: ")]
    events = [json.loads(data.removeprefix("data: ")) for _, data in pairs]
    assert [name.removeprefix("event: ") for name, _ in pairs] == [each["type"] for each in events]
    return events


def test_auto_chooses_a_model_and_names_it(claude: anthropic.Anthropic) -> None:
    raw = claude.messages.with_raw_response.create(model="auto", max_tokens=99, messages=ASKED)
    message = raw.parse()
    assert (message.model, message.stop_reason, message.content[0].to_dict()) == (
        CODER,
        "end_turn",
        {"type": "text", "text": "def f(): pass"},
    )
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens == 3
    assert (raw.headers["x-orch-model"], raw.headers["x-orch-task-type"]) == (CODER, "coding")
    assert raw.request_id == f"req_{raw.headers['x-orch-run-id']}"


def test_a_stream_has_every_event_in_order(url: str, ollama: FakeOllama) -> None:
    events = events_of(url)
    assert [kind for kind, _ in groupby(event["type"] for event in events)] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["usage"]["input_tokens"] > 0
    assert events[0]["message"]["stop_reason"] is None
    delta = events[-2]
    assert delta["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert delta["usage"]["output_tokens"] == 3


def test_the_last_event_has_the_tokens_that_the_server_counted(
    url: str, ollama: FakeOllama
) -> None:
    start, *_, delta, _ = events_of(url, messages=[{"role": "user", "content": "1 2 3 " * 200}])
    counted = len(ollama.chats()[-1].body["messages"][0]["content"]) // 4
    estimated = start["message"]["usage"]["input_tokens"]
    assert delta["usage"]["input_tokens"] == pytest.approx(counted, rel=0.1)
    assert estimated > counted * 1.5


def test_the_stream_helper_builds_the_message(
    claude: anthropic.Anthropic, caller: FakeModel
) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 8_000}
    with claude.messages.stream(
        model=CALLER, max_tokens=99, messages=ASKED, tools=[TOOL], thinking=thinking
    ) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    kinds = [block.type for block in message.content]
    assert (text, kinds) == ("It is 3", ["thinking", "text", "tool_use", "tool_use"])
    thought, _, first, second = message.content
    assert (thought.thinking, bool(thought.signature)) == ("add them", True)  # type: ignore[union-attr]
    assert first.input == {"a": 1, "b": 2}  # type: ignore[union-attr]
    assert first.id != second.id  # type: ignore[union-attr]
    assert message.stop_reason == "tool_use"


@pytest.mark.parametrize("thinking", [None, {"type": "disabled"}])
def test_thoughts_are_shown_to_those_who_ask_for_them_alone(
    claude: anthropic.Anthropic, caller: FakeModel, thinking: Any
) -> None:
    caller.tool_calls = []
    fields = {} if thinking is None else {"thinking": thinking}
    message = claude.messages.create(model=CALLER, max_tokens=99, messages=ASKED, **fields)
    assert message.content[0].type == "text"
    with claude.messages.stream(model=CALLER, max_tokens=99, messages=ASKED, **fields) as stream:
        assert stream.get_final_message().content[0].type == "text"


def test_a_client_that_sees_no_thoughts_is_pinged_meanwhile(
    url: str, caller: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "PING_S", -1.0)
    caller.thinking, caller.chunk_delay_s = ["hm "] * 5, 0.02
    kinds = [event["type"] for event in events_of(url, model=CALLER)]
    assert kinds[:3] == ["message_start", "ping", "ping"]


def test_tools_make_the_round_trip(
    claude: anthropic.Anthropic, ollama: FakeOllama, caller: FakeModel
) -> None:
    asked = claude.messages.create(
        model=CALLER,
        max_tokens=99,
        messages=ASKED,
        tools=[TOOL],
        thinking={"type": "enabled", "budget_tokens": 8_000},
    )
    calls = [block for block in asked.content if block.type == "tool_use"]
    results: list[Any] = [
        {"type": "tool_result", "tool_use_id": calls[0].id, "content": "3"},
        {
            "type": "tool_result",
            "tool_use_id": calls[1].id,
            "content": [{"type": "text", "text": "no such file"}],
            "is_error": True,
        },
    ]
    answer = claude.messages.create(
        model=CALLER,
        max_tokens=99,
        tools=[TOOL],
        messages=[*ASKED, asked.to_param(), {"role": "user", "content": results}],
    )
    assert (answer.content[0].text, answer.stop_reason) == ("It is 3", "end_turn")  # type: ignore[union-attr]
    called, first, second = ollama.chats()[-1].body["messages"][1:]
    assert called["tool_calls"][0]["function"]["arguments"] == {"a": 1, "b": 2}
    assert called["thinking"] == "add them"
    assert (first["tool_name"], first["content"]) == ("add", "3")
    assert second["content"] == "Error: no such file"


def test_one_call_is_handed_on_where_several_are_not_allowed(
    claude: anthropic.Anthropic, caller: FakeModel
) -> None:
    choice: Any = {"type": "auto", "disable_parallel_tool_use": True}
    fields: Any = {"model": CALLER, "max_tokens": 99, "messages": ASKED, "tools": [TOOL]}
    whole = claude.messages.create(**fields, tool_choice=choice)
    with claude.messages.stream(**fields, tool_choice=choice) as stream:
        streamed = stream.get_final_message()
    for message in (whole, streamed):
        assert [block.type for block in message.content] == ["text", "tool_use"]


def test_tool_choice_none_offers_no_tools(
    claude: anthropic.Anthropic, ollama: FakeOllama, caller: FakeModel
) -> None:
    claude.messages.create(
        model=CALLER, max_tokens=99, messages=ASKED, tools=[TOOL], tool_choice={"type": "none"}
    )
    assert "tools" not in ollama.chats()[-1].body


def test_a_tool_of_anthropic_is_left_out_with_a_warning(
    claude: anthropic.Anthropic, ollama: FakeOllama, caller: FakeModel
) -> None:
    tools: Any = [TOOL, {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]
    raw = claude.messages.with_raw_response.create(
        model=CALLER, max_tokens=99, messages=ASKED, tools=tools
    )
    assert "web_search" in unquote(raw.headers["x-orch-warning"])
    assert len(ollama.chats()[-1].body["tools"]) == 1


def test_images_go_to_a_model_that_sees(
    claude: anthropic.Anthropic, ollama: FakeOllama, caller: FakeModel
) -> None:
    caller.tool_calls = []
    source: Any = {"type": "base64", "media_type": "image/png", "data": PNG}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    message = claude.messages.create(
        model="auto", max_tokens=99, messages=[{"role": "user", "content": content}]
    )
    assert message.model == CALLER
    assert ollama.chats()[-1].body["messages"][-1]["images"] == [PNG]


def test_sampling_fields_are_options_and_the_rest_is_not_passed_on(
    url: str, ollama: FakeOllama
) -> None:
    body = {
        "model": CODER,
        "max_tokens": 77,
        "messages": ASKED,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "x"},
        "context_management": {"edits": []},
        "output_config": {"effort": "high"},
        "service_tier": "auto",
        "container": "c",
        "mcp_servers": [],
        "betas": ["a"],
    }
    response = httpx.post(f"{url}/v1/messages?beta=true", json=body)
    assert response.status_code == 200
    sent = ollama.chats()[-1].body
    assert sent.keys() == {"model", "messages", "stream", "truncate", "options"}
    assert sent["options"] == {
        "num_predict": 77,
        "num_ctx": 8_192,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "stop": ["END"],
    }


def test_an_answer_that_was_cut_says_so(claude: anthropic.Anthropic, ollama: FakeOllama) -> None:
    ollama.models[CODER].faults += [Fault("length", after=2)] * 2
    whole = claude.messages.create(model=CODER, max_tokens=2, messages=ASKED)
    with claude.messages.stream(model=CODER, max_tokens=2, messages=ASKED) as stream:
        assert (whole.stop_reason, stream.get_final_message().stop_reason) == ("max_tokens",) * 2


def test_an_answer_that_a_filter_refuses_is_a_refusal(
    claude: anthropic.Anthropic, ollama: FakeOllama
) -> None:
    ollama.models[CODER].faults += [
        Fault("status", status=400, message="refused by a content filter: not this", times=2),
        Fault("error_line", after=1, message="refused by a content filter: not this"),
    ]
    asked: Any = {"model": CODER, "max_tokens": 9, "messages": ASKED}
    whole = claude.messages.create(**asked)
    with claude.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    with claude.messages.stream(**asked) as stream:
        begun = stream.get_final_message()
    assert [message.stop_reason for message in (whole, streamed, begun)] == ["refusal"] * 3
    assert whole.stop_details is not None
    assert "not this" in str(whole.stop_details.explanation)
    assert (whole.content, streamed.content, begun.content[0].to_dict()["text"]) == ([], [], "def ")


class Sum(BaseModel):
    """What the model is to answer."""

    total: int


def test_a_schema_of_the_output_reaches_the_model(
    claude: anthropic.Anthropic, ollama: FakeOllama
) -> None:
    ollama.models[CODER].reply = ['{"total"', ": 3}"]
    message = claude.messages.parse(model=CODER, max_tokens=99, messages=ASKED, output_format=Sum)
    assert message.parsed_output == Sum(total=3)
    assert ollama.chats()[-1].body["format"]["properties"].keys() == {"total"}


# ---------------------------------------------------------------- the system prompt


def test_the_billing_line_never_reaches_the_model(
    claude: anthropic.Anthropic, ollama: FakeOllama
) -> None:
    for turn in ("a1", "b2"):
        line = f"x-anthropic-billing-header: cc_version=1.{turn}; cch={turn};"
        claude.messages.create(
            model=CODER,
            max_tokens=9,
            messages=ASKED,
            system=[{"type": "text", "text": line}, {"type": "text", "text": "Be brief"}],
        )
    sent = [request.body["messages"] for request in ollama.chats()]
    assert sent[0] == sent[1]
    assert sent[0][0] == {"role": "system", "content": "Be brief"}


# ---------------------------------------------------------------- errors


def test_an_unknown_model_is_not_found(claude: anthropic.Anthropic, ollama: FakeOllama) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        claude.messages.create(model=f"{LLAMA}X", max_tokens=9, messages=ASKED)
    assert (caught.value.type, f"did you mean {LLAMA}" in caught.value.message) == (
        "not_found_error",
        True,
    )
    assert caught.value.request_id
    assert not ollama.chats()


@pytest.mark.parametrize("model", [CODER, "auto"])
def test_too_long_a_prompt_is_told_as_claude_code_looks_for_it(
    claude: anthropic.Anthropic, ollama: FakeOllama, model: str
) -> None:
    with pytest.raises(
        anthropic.BadRequestError, match=r"prompt is too long: (\d+) tokens > (\d+) maximum"
    ) as caught:
        claude.messages.create(
            model=model, max_tokens=9, messages=[{"role": "user", "content": "a b " * 90_000}]
        )
    words = caught.value.message.partition(": ")[2].partition(" maximum")[0]
    tokens, limit = map(int, re.findall(r"\b\d+\b", words.partition("too long")[2]))
    assert tokens > limit == 32_768
    assert caught.value.type == "invalid_request_error"
    assert not ollama.chats()


def test_a_prompt_that_the_server_finds_too_long_is_told_alike(
    claude: anthropic.Anthropic, ollama: FakeOllama
) -> None:
    ollama.models[CODER].bytes_per_token = 0.1
    with pytest.raises(anthropic.BadRequestError, match=r"prompt is too long: \d+ tokens > \d+"):
        claude.messages.create(
            model=CODER, max_tokens=9, messages=[{"role": "user", "content": TASK * 100}]
        )


def test_a_failure_within_a_stream_is_an_error_event(url: str, ollama: FakeOllama) -> None:
    ollama.models[CODER].faults += [Fault("error_line", after=2)] * 2
    events = events_of(url, model=CODER)
    assert events[-1]["type"] == "error"
    assert events[-1]["error"]["type"] == "api_error"
    assert "message_stop" not in [event["type"] for event in events]


def test_the_client_raises_the_error_of_a_stream(
    claude: anthropic.Anthropic, ollama: FakeOllama
) -> None:
    ollama.models[CODER].faults += [Fault("error_line", after=2)] * 2
    with (
        claude.messages.stream(model=CODER, max_tokens=99, messages=ASKED) as stream,
        pytest.raises(anthropic.APIStatusError, match="something broke"),
    ):
        stream.get_final_message()


def test_no_provider_is_no_fault_of_the_client(
    claude: anthropic.Anthropic, ollama: FakeOllama
) -> None:
    ollama.stop()
    with pytest.raises(anthropic.InternalServerError) as caught:
        claude.messages.create(model=CODER, max_tokens=9, messages=ASKED)
    assert caught.value.type == "api_error"


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages.0.role"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"tools": [{"name": "add", "input_schema": "no schema"}]}, "tools.0.input_schema"),
        ({"tools": [{"input_schema": {"type": "object"}}]}, "tools.0.name"),
        ({"tools": [TOOL] * 1_025}, "tools"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
        (
            {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
            "messages.0.content.0.type",
        ),
    ],
)
def test_bad_input_names_its_field_and_asks_no_model(
    url: str, ollama: FakeOllama, fields: dict[str, Any], place: str
) -> None:
    body = {"model": CODER, "max_tokens": 9, "messages": ASKED, **fields}
    response = httpx.post(f"{url}/v1/messages", json=body)
    error = response.json()
    assert (response.status_code, error["type"], error["error"]["type"]) == (
        400,
        "error",
        "invalid_request_error",
    )
    assert error["error"]["message"].startswith(f"{place}:")
    assert not ollama.chats()


def test_a_thousand_tools_are_not_too_many(
    claude: anthropic.Anthropic, ollama: FakeOllama, caller: FakeModel
) -> None:
    tools: Any = [{**TOOL, "name": f"add_{number}"} for number in range(1_000)]
    caller.context_length = 131_072
    claude.messages.create(model=CALLER, max_tokens=99, messages=ASKED, tools=tools)
    assert len(ollama.chats()[-1].body["tools"]) == 1_000


def test_a_result_of_ten_megabytes_is_refused_as_too_long(
    claude: anthropic.Anthropic, ollama: FakeOllama, caller: FakeModel
) -> None:
    call: Any = {"type": "tool_use", "id": "c1", "name": "add", "input": {}}
    result: Any = {
        "type": "tool_result",
        "tool_use_id": "c1",
        "content": "line of a log\n" * 740_000,
    }
    turns: Any = [
        *ASKED,
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        claude.messages.create(model=CALLER, max_tokens=9, messages=turns, tools=[TOOL])
    assert not ollama.chats()


def test_a_client_that_leaves_ends_the_work_at_the_model(
    claude: anthropic.Anthropic, ollama: FakeOllama, caller: FakeModel
) -> None:
    caller.reply, caller.chunk_delay_s = ["a "] * 500, 0.02
    with claude.messages.stream(
        model=CALLER, max_tokens=999, messages=ASKED, tools=[TOOL]
    ) as stream:
        next(iter(stream.text_stream))
    ollama.wait_for(lambda: ollama.chats()[-1].aborted)


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("thinking", "fields"),
    [
        (None, {}),
        ({"type": "adaptive"}, {}),
        ({"type": "disabled"}, {"think": False}),
        ({"type": "enabled"}, {"think": True}),
        ({"type": "enabled", "budget_tokens": 1_024}, {"think": "low"}),
        ({"type": "enabled", "budget_tokens": 10_000}, {"think": True}),
        ({"type": "enabled", "budget_tokens": 31_999}, {"think": "high"}),
    ],
)
def test_thinking_becomes_a_wish(thinking: Any, fields: dict[str, Any]) -> None:
    assert thinking_fields(thinking) == fields


def test_a_model_that_cannot_think_answers_without(
    claude: anthropic.Anthropic, ollama: FakeOllama
) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 10_000}
    for model in ("auto", CODER):
        claude.messages.create(model=model, max_tokens=99, messages=ASKED, thinking=thinking)
        assert "think" not in ollama.chats()[-1].body


@pytest.mark.parametrize("tokens", [None, 0, -1])
def test_without_max_tokens_the_models_own_limit_counts(tokens: int | None) -> None:
    body = MessagesRequest.model_validate({"messages": ASKED, "max_tokens": tokens})
    assert message_params(body, parse_tools((), None)).options == {}
    assert not shows_thinking(body)


def test_an_unknown_kind_of_thinking_is_refused() -> None:
    with pytest.raises(OrchError, match=r"thinking\.type"):
        thinking_fields({"type": "deep"})


@pytest.mark.parametrize("arguments", ['{"a": "\\ud83d"}', "[" * 300 + "]" * 300, "[" * 9_999])
def test_a_call_behind_text_whose_arguments_are_no_json_is_still_a_call(
    claude: anthropic.Anthropic, caller: FakeModel, arguments: str
) -> None:
    caller.tool_calls = [{"function": {"name": "add", "arguments": arguments}}]
    caller.reply = ["I add."]
    fields: Any = {"model": CALLER, "max_tokens": 99, "messages": ASKED, "tools": [TOOL]}
    with claude.messages.stream(**fields) as stream:
        streamed = stream.get_final_message()
    assert streamed.content[-1].type == "tool_use"
