"""OpenAI's Responses, by OpenAI's own client over a real socket."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel

from orch.errors import OrchError
from orch.server.api.openai.responses import responses_params
from orch.server.api.openai.schemas import ResponsesRequest
from orch.server.api.openai.tools import tools_from_responses
from orch.server.api.request_task import ChatParams
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.faults import FAULTS, NAMES

TASK = "Write a Python function that sorts a list"
SOON = {"x-orch-timeout": "1.5"}
CALL = {"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
TOOLS: list[Any] = [
    {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": False}
]


def test_a_response_contains_the_answer_and_usage(client: openai.OpenAI) -> None:
    raw = client.responses.with_raw_response.create(model="auto", input=TASK)
    answer = raw.parse()
    assert (answer.status, answer.output_text, answer.model) == (
        "completed",
        "def f(): pass",
        CODER,
    )
    assert (answer.id, raw.headers["x-orch-task-type"]) == (
        f"resp_{raw.headers['x-orch-run-id']}",
        "coding",
    )
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 3


def test_items_reach_the_model_as_messages(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.models[CODER].capabilities = ["completion", "vision"]
    image = {"type": "input_image", "image_url": "data:image/png;base64,QUJD"}
    items: list[Any] = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": "first"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "second", "annotations": []}],
        },
        {"role": "user", "content": [{"type": "input_text", "text": "third"}, image]},
    ]
    client.responses.create(model=CODER, instructions="be kind", input=items)
    sent = [
        (message["role"], message["content"]) for message in ollama.chats()[-1].body["messages"]
    ]
    assert sent == [
        ("system", "be kind\n\nbe brief"),
        ("user", "first"),
        ("assistant", "second"),
        ("user", "third"),
    ]
    assert ollama.chats()[-1].body["messages"][-1]["images"] == ["QUJD"]


def test_a_function_call_makes_the_round_trip(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.add(
        FakeModel(
            "caller",
            reply=["I ", "add"],
            capabilities=["completion", "tools"],
            tool_calls=[CALL, CALL],
        )
    )
    answer = client.responses.create(model="caller", input=TASK, tools=TOOLS, tool_choice="auto")
    text, first, second = answer.output
    assert (text.type, first.type, second.type) == ("message", "function_call", "function_call")
    assert (first.name, first.arguments, first.call_id != second.call_id) == (  # type: ignore[union-attr]
        "add",
        '{"a": 1, "b": 2}',
        True,
    )
    results = [
        {"type": "function_call_output", "call_id": each.call_id, "output": "3"}  # type: ignore[union-attr]
        for each in (first, second)
    ]
    items: Any = [
        {"role": "user", "content": TASK},
        *(item.to_dict() for item in answer.output),
        *results,
    ]
    client.responses.create(model="caller", input=items, tools=TOOLS)
    sent = ollama.chats()[-1].body
    assert [message["role"] for message in sent["messages"]] == [
        "user",
        "assistant",
        "tool",
        "tool",
    ]
    assert [call["function"]["arguments"] for call in sent["messages"][1]["tool_calls"]] == [
        {"a": 1, "b": 2}
    ] * 2
    assert (sent["messages"][1]["content"], sent["tools"][0]["function"]["name"]) == (
        "I add",
        "add",
    )


class Sum(BaseModel):
    """The schema of an answer."""

    total: int


def test_a_schema_is_sent_and_its_answer_parsed(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = ['{"total"', ": 3}"]
    answer = client.responses.parse(model=CODER, input=TASK, text_format=Sum)
    assert answer.output_parsed == Sum(total=3)
    assert ollama.chats()[-1].body["format"]["properties"]["total"]["type"] == "integer"


def test_settings_reach_the_model_under_its_own_names(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    ollama.models[CODER].capabilities, ollama.models[CODER].family = (
        ["completion", "thinking"],
        "gptoss",
    )
    client.responses.create(
        model=CODER,
        input=TASK,
        max_output_tokens=50,
        temperature=0.5,
        reasoning={"effort": "low"},
        user="me",
        parallel_tool_calls=False,
        prompt_cache_key="k",
        safety_identifier="s",
        service_tier="auto",
        include=["reasoning.encrypted_content"],
        extra_body={"weird": {"a": 1}, "client_metadata": {"b": "2"}},
    )
    sent = ollama.chats()[-1].body
    assert (sent["options"]["num_predict"], sent["options"]["temperature"]) == (50, 0.5)
    assert (sent["think"], sent["weird"]) == ("low", {"a": 1})
    assert sent.keys() <= {
        *("model", "messages", "stream", "options", "think", "weird", "truncate", "keep_alive"),
    }


def test_an_answer_cut_at_its_limit_is_incomplete(client: openai.OpenAI) -> None:
    answer = client.responses.create(model=CODER, input=TASK, max_output_tokens=1)
    assert (answer.status, answer.output_text, answer.output[0].status) == (  # type: ignore[union-attr]
        "incomplete",
        "def ",
        "incomplete",
    )
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"
    *_, last = client.responses.create(model=CODER, input=TASK, max_output_tokens=1, stream=True)
    assert last.type == "response.incomplete"


# ---------------------------------------------------------------- streams


def test_a_stream_contains_the_events_of_every_item(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    ollama.add(
        FakeModel(
            "caller",
            reply=["I add"],
            thinking=["hm"],
            capabilities=["completion", "tools", "thinking"],
            tool_calls=[CALL],
        )
    )
    events: list[Any] = list(
        client.responses.create(model="caller", input=TASK, tools=TOOLS, stream=True)
    )
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type.removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        *(
            "output_item.added",
            "content_part.added",
            "reasoning_text.delta",
            "reasoning_text.done",
            "content_part.done",
            "output_item.done",
        ),
        *(
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
        ),
        *(
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
        ),
        "completed",
    ]
    assert [
        event.output_index for event in events if event.type == "response.output_item.done"
    ] == [0, 1, 2]
    assert [event.item for event in events if event.type == "response.output_item.done"] == events[
        -1
    ].response.output


def test_the_client_reassembles_the_response_from_its_stream(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    ollama.models[CODER].reply = ['{"total"', ": 3}"]
    with client.responses.stream(model=CODER, input=TASK, text_format=Sum) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == '{"total": 3}'
    assert (final.output_parsed, final.status) == (Sum(total=3), "completed")
    assert final.usage is not None
    assert final.usage.output_tokens == 2


def test_each_event_has_an_event_line(url: str) -> None:
    body = httpx.post(
        f"{url}/v1/responses", json={"model": CODER, "input": TASK, "stream": True}
    ).text
    for event in body.strip().split("\n\n"):
        name, data = event.split("\n")
        assert data.startswith('data: {"sequence_number":')
        assert f'"type":"{name.removeprefix("event: ")}"' in data
    assert "[DONE]" not in body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=NAMES)
def test_a_failure_falls_back_silently_until_something_was_sent(
    client: openai.OpenAI, ollama: FakeOllama, fault: Fault, code: str, stream: bool
) -> None:
    ollama.models[CODER].faults.append(fault)
    if stream:
        *_, last = client.responses.create(
            model="auto", input=TASK, stream=True, extra_headers=SOON
        )
        assert last.type == "response.completed"
        answer = last.response
    else:
        answer = client.responses.create(model="auto", input=TASK, extra_headers=SOON)
    assert (answer.model, answer.output_text) == (
        LLAMA,
        ("def " if fault.after and stream else "") + "Hello world",
    )


@pytest.mark.parametrize(
    "fault",
    [fault for fault, _ in FAULTS if fault.after],
    ids=[fault.kind for fault, _ in FAULTS if fault.after],
)
def test_an_interrupted_answer_fails_with_its_partial_text(
    client: openai.OpenAI, ollama: FakeOllama, fault: Fault
) -> None:
    ollama.models[CODER].faults += [fault, fault]
    events = list(client.responses.create(model=CODER, input=TASK, stream=True, extra_headers=SOON))
    last = events[-1]
    assert last.type == "response.failed"
    assert (last.response.status, last.response.output_text, last.response.output[0].status) == (  # type: ignore[union-attr]
        "failed",
        "def ",
        "incomplete",
    )
    assert last.response.error is not None
    assert last.response.to_dict()["store"] is False
    assert CODER in last.response.error.message
    assert not {"response.completed", "response.incomplete", "response.output_text.done"} & {
        event.type for event in events
    }


# ---------------------------------------------------------------- what is repeated, and refused


@pytest.mark.parametrize("stream", [False, True])
def test_long_tools_and_instructions_are_not_repeated(
    client: openai.OpenAI, ollama: FakeOllama, stream: bool
) -> None:
    ollama.add(FakeModel("caller", capabilities=["completion", "tools"]))
    long: list[Any] = [{**TOOLS[0], "name": f"add{n}", "description": "x" * 900} for n in range(60)]
    wish: Any = {"model": "caller", "input": TASK, "instructions": "be kind " * 2_000}
    if stream:
        events = list(client.responses.create(**wish, tools=long, stream=True))
        answers = [event.response for event in events if hasattr(event, "response")]
        assert sum(len(event.to_json()) for event in events) < 20_000
    else:
        answers = [client.responses.create(**wish, tools=long)]
    assert [(answer.tools, answer.instructions) for answer in answers] == [([], None)] * len(
        answers
    )
    assert len(ollama.chats()[-1].body["tools"]) == 60
    short = client.responses.create(model="caller", input=TASK, tools=TOOLS, instructions="be kind")
    assert (short.tools[0].to_dict()["name"], short.instructions) == ("add", "be kind")


def test_too_long_a_prompt_fails_in_the_form_that_codex_compacts_at(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    ollama.models[CODER].context_length = 4_096
    prompt = "many words of a long text " * 4_000
    events = list(client.responses.create(model=CODER, input=prompt, stream=True))
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.failed",
    ]
    failed: Any = events[-1]
    assert (failed.response.status, failed.response.error.code) == (
        "failed",
        "context_length_exceeded",
    )
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=CODER, input=prompt)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")
    assert not ollama.chats()


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_the_server_finds_too_long_fails_in_the_same_form(
    client: openai.OpenAI, ollama: FakeOllama, stream: bool
) -> None:
    ollama.models[CODER].faults.append(Fault("overflow", times=-1))
    if stream:
        *_, last = client.responses.create(model=CODER, input=TASK, stream=True)
        error: Any = last.response.error  # type: ignore[union-attr]
        assert last.type == "response.failed"
    else:
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model=CODER, input=TASK)
        error = caught.value
    assert error.code == "context_length_exceeded"


# ---------------------------------------------------------------- what can't be done


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"previous_response_id": "resp_1"}, "there is no stored response 'resp_1'"),
        ({"conversation": "conv_1"}, "conversation: orch keeps no conversations"),
        ({"background": True}, "background: orch answers while the client waits"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt: orch keeps no prompt templates"),
        ({"tools": [{"type": "function"}]}, "tools.0.name: must be a text"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]},
            "tools.0.tools.0.name: must be a text",
        ),
        ({"text": {"format": {"type": "grammar"}}}, "text.format: "),
        ({"input": []}, "input"),
        ({"input": [{"type": "reasoning", "summary": []}]}, "input: contains no message"),
        ({"input": [{"type": "web_search_call"}]}, "input: contains no message"),
        ({"input": [{"role": "robot", "content": "hi"}]}, "input.0.role: 'robot'"),
        ({"input": [{"role": "user"}]}, "input.0.content: must be a text"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "input.0.content.0: orch supports texts and images",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input.0.content.0: orch keeps no files",
        ),
        (
            {"input": [{"type": "function_call", "call_id": "c", "name": "add"}]},
            "input.0.arguments: must be a text",
        ),
        (
            {"input": [{"type": "function_call_output", "output": "3"}]},
            "input.0.call_id: must be a text",
        ),
    ],
)
def test_unsupported_requests_are_rejected_and_reach_no_model(
    client: openai.OpenAI, ollama: FakeOllama, body: Any, message: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": CODER, "input": TASK} | body)
    assert message in caught.value.message
    assert not ollama.chats()


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model="llama3.1:8b-instruct-q4_K_X", input=TASK)
    assert caught.value.code == "model_not_found"


def test_logprobs_that_are_not_asked_for_are_no_fault_and_not_passed_on() -> None:
    def params(**fields: Any) -> ChatParams:
        body = ResponsesRequest.model_validate({"input": "hi", **fields})
        return responses_params(body, tools_from_responses(()))

    assert params(top_logprobs=0).extra == {}
    with pytest.raises(OrchError) as caught:
        params(top_logprobs=5, include=["reasoning.encrypted_content"])
    assert caught.value.param == "top_logprobs"
