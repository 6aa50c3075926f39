"""Who answers: Open WebUI's status and the line of reasoning, through each API's own client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import httpx
import ollama as ollama_client
import openai
import pytest

from orch.execution.events import (
    Content,
    Done,
    Fallback,
    Metadata,
    RunEvent,
    Thinking,
    ToolCall,
)
from orch.server.api.announcement import (
    announced,
    is_told,
    status_field,
    without_announcements,
)
from orch.text.prompt import Task
from orch.text.raw_prompt import RawPrompt
from orch.types import Decision, ModelKey, Response, RunResult, TaskType, Timing
from tests.conftest import CODER, ROOM
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.http_server import served

TASK = "Write a Python function that sorts a list"
MESSAGES: list[Any] = [{"role": "user", "content": TASK}]
FIRST = Decision("m:7b", "M 7B", "p", TaskType.CODING, 0.9, "fast", (), "balanced", {}, 10, "hash")
NEXT = replace(FIRST, model_id="n:7b", model_name="N 7B")
SWITCH = Fallback(ModelKey("p", "m:7b"), ModelKey("p", "n:7b"), "cut", "cut", 0)
LINE, NEXT_LINE = "[orch] M 7B · coding\n\n", "[orch] N 7B · coding\n\n"
NAME = "Qwen 2.5 Coder 7B"
SHOWN = f"[orch] {NAME} · coding\n\n"


def done(thinking: str = "") -> Done:
    response = Response("text", thinking=thinking)
    return Done(RunResult(FIRST, TaskType.CODING, 0.9, response, Timing(), (), (), "run"))


async def told(task: Task, *events: RunEvent) -> list[RunEvent]:
    async def run() -> AsyncGenerator[RunEvent]:
        for event in events:
            yield event

    return [event async for event in announced(run(), task)]


AUTO = Task(text="")


async def test_the_line_comes_before_the_first_visible_event() -> None:
    seen = await told(AUTO, Metadata(FIRST), Content("a"), Content("b"), done())
    assert seen[:4] == [Metadata(FIRST), Thinking(LINE), Content("a"), Content("b")]
    assert isinstance(seen[4], Done)
    assert seen[4].result.response.thinking == LINE


@pytest.mark.parametrize("event", [Thinking("hm"), ToolCall({"function": {}}), done()])
async def test_every_kind_of_answer_gets_it(event: RunEvent) -> None:
    assert (await told(AUTO, Metadata(FIRST), event))[1] == Thinking(LINE)


async def test_a_whole_answer_has_the_line_before_the_models_thoughts() -> None:
    last = (await told(AUTO, Metadata(FIRST), Thinking("hm"), Content("a"), done("hm")))[-1]
    assert isinstance(last, Done)
    assert last.result.response.thinking == LINE + "hm"


async def test_before_anything_is_shown_only_the_model_that_answers_is_named() -> None:
    seen = await told(AUTO, Metadata(FIRST), SWITCH, Metadata(NEXT), Content("a"))
    assert [event for event in seen if isinstance(event, Thinking)] == [Thinking(NEXT_LINE)]


async def test_a_model_that_takes_over_among_thoughts_is_named_and_within_a_text_not() -> None:
    thoughts = await told(AUTO, Metadata(FIRST), Thinking("a"), SWITCH, Metadata(NEXT), Content(""))
    text = await told(AUTO, Metadata(FIRST), Content("a"), SWITCH, Metadata(NEXT), Content("b"))
    assert Thinking(NEXT_LINE) in thoughts
    assert Thinking(NEXT_LINE) not in text


@pytest.mark.parametrize(
    "task",
    [
        Task(text="", model="m:7b"),
        Task(text="", raw=RawPrompt("def f(", "")),
        Task(text="", extra={"think": False}),
        Task(text="", options={"reasoning_effort": "none"}),
    ],
)
async def test_nobody_is_told_a_name_that_he_gave_or_thoughts_that_he_wants_none_of(
    task: Task,
) -> None:
    events: list[RunEvent] = [Metadata(FIRST), Content("a")]
    assert await told(task, *events) == events


def test_nothing_is_told_of_a_named_model_of_code_and_of_a_chore() -> None:
    named, code = Task(text="", model="m:7b"), Task(text="", raw=RawPrompt("def f(", ""))
    tasks = (AUTO, named, code, Task(text="", chore="title"))
    assert [is_told(task) for task in tasks] == [True, False, False, False]


def test_the_status_is_the_one_that_open_webui_reads() -> None:
    data = {"description": "M 7B · coding", "done": True}
    assert status_field(FIRST) == {"event": {"type": "status", "data": data}}
    assert status_field(None) == {}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (LINE + "I sort it", "I sort it"),
        (LINE.strip() + "\nI sort it", "I sort it"),
        (LINE + "first" + "\n" + NEXT_LINE + "then", "first\nthen"),
        ("I know of [orch] M · coding", "I know of [orch] M · coding"),
        ("[orch] M · cooking", "[orch] M · cooking"),
        (["[orch] M · coding"], ["[orch] M · coding"]),
        (None, None),
    ],
)
def test_the_line_is_taken_out_of_what_a_client_sends_back(
    field: str, sent: object, kept: object
) -> None:
    answer = {"role": "assistant", "content": "x", field: sent}
    assert without_announcements([answer]) == [{**answer, field: kept}]


def test_reasoning_that_was_nothing_else_is_gone_and_other_roles_keep_their_words() -> None:
    answer = {"role": "assistant", "content": "x"}
    person = {"role": "user", "content": LINE, "reasoning": LINE}
    sent = [person, {**answer, "reasoning_content": LINE.strip()}]
    assert without_announcements(sent) == [person, answer]


def test_a_long_text_of_such_beginnings_is_read_in_one_pass() -> None:
    text = "[orch] " + "a · " * 200_000
    answer = {"role": "assistant", "content": "x", "thinking": text}
    assert without_announcements([answer]) == [answer]


# ---------------------------------------------------------------- Open WebUI's status


def chunks_of(url: str, **body: Any) -> list[dict[str, Any]]:
    """The chunks of a stream."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        asked = {"model": "auto", "messages": MESSAGES, **body}
        stream = client.chat.completions.create(stream=True, **asked)
        return [chunk.model_dump(exclude_unset=True) for chunk in stream]


def descriptions(chunks: list[dict[str, Any]]) -> list[str | None]:
    """What each chunk tells of the model."""
    return [chunk["event"]["data"]["description"] if "event" in chunk else None for chunk in chunks]


def test_the_first_chunk_tells_the_chosen_model_and_the_type(url: str) -> None:
    told_in = descriptions(chunks_of(url))
    assert told_in == [f"{NAME} · coding", *[None] * (len(told_in) - 1)]


def test_a_model_that_was_named_is_not_told(url: str) -> None:
    assert set(descriptions(chunks_of(url, model=CODER))) == {None}


def test_after_a_fallback_the_next_chunk_names_the_new_model(url: str, ollama: FakeOllama) -> None:
    ollama.models[CODER].faults += [Fault("cut", after=1)] * 2
    told_in = [name for name in descriptions(chunks_of(url)) if name]
    assert told_in == [f"{NAME} · coding", "Llama 3.1 8B · coding"]


def test_a_whole_answer_has_no_status(url: str) -> None:
    body = {"model": "auto", "messages": MESSAGES}
    assert "event" not in httpx.post(f"{url}/v1/chat/completions", json=body).json()


# ---------------------------------------------------------------- the line of reasoning


@pytest.fixture
def announcing(ollama: FakeOllama, home: Path) -> Iterator[str]:
    """A server that announces the model."""
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text(f"{ROOM}serve: {{announce: reasoning}}\n")
    with served() as there:
        yield there


def test_openais_chat_has_the_line_in_its_reasoning(announcing: str) -> None:
    with openai.OpenAI(base_url=f"{announcing}/v1", api_key="none") as client:
        answer = client.chat.completions.create(model="auto", messages=MESSAGES)
        stream = list(client.chat.completions.create(model="auto", messages=MESSAGES, stream=True))
    whole = answer.choices[0].message.model_dump()
    assert (whole["reasoning_content"], whole["content"]) == (SHOWN, "def f(): pass")
    deltas = [chunk.choices[0].delta.model_dump() for chunk in stream if chunk.choices]
    assert "".join(each.get("reasoning_content") or "" for each in deltas) == SHOWN
    assert "".join(each["content"] or "" for each in deltas) == "def f(): pass"


def test_a_repaired_call_behind_the_line_is_told_in_the_header(
    announcing: str, ollama: FakeOllama
) -> None:
    for model in ollama.models.values():
        model.capabilities = ["completion", "tools"]
        model.turns = [("", [{"function": {"name": "Look", "arguments": {}}}])]
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    body = {"messages": MESSAGES, "tools": tools, "stream": True}
    answer = httpx.post(f"{announcing}/v1/chat/completions", json={"model": "auto", **body})
    assert answer.headers["x-orch-repaired"] == "1"
    assert answer.text.index("[orch] ") < answer.text.index('"look"')


def test_a_response_has_it_as_a_reasoning_item(announcing: str) -> None:
    with openai.OpenAI(base_url=f"{announcing}/v1", api_key="none") as client:
        answer = client.responses.create(model="auto", input=TASK)
        with client.responses.stream(model="auto", input=TASK) as stream:
            last = stream.get_final_response()
    for response in (answer, last):
        reasoning, message = response.output
        assert reasoning.type == "reasoning"
        assert reasoning.content is not None
        assert reasoning.content[0].text == SHOWN
        assert (message.type, response.output_text) == ("message", "def f(): pass")


def test_a_message_has_it_as_a_signed_thought_where_the_client_shows_thoughts(
    announcing: str,
) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 4_096}
    asked: dict[str, Any] = {"model": "auto", "max_tokens": 8_000, "messages": MESSAGES}
    with anthropic.Anthropic(base_url=announcing, api_key="none", max_retries=0) as client:
        answer = client.messages.create(**asked, thinking=thinking)
        with client.messages.stream(**asked, thinking=thinking) as stream:
            last = stream.get_final_message()
        plain = client.messages.create(**asked)
    for message in (answer, last):
        thought, text = (block.model_dump() for block in message.content)
        assert (thought["thinking"], bool(thought["signature"])) == (SHOWN, True)
        assert text["type"] == "text"
    assert [block.type for block in plain.content] == ["text"]


def test_ollamas_chat_has_it_in_its_thinking(announcing: str) -> None:
    with ollama_client.Client(announcing) as client:
        answer = client.chat("auto", MESSAGES)
        pieces = list(client.chat("auto", MESSAGES, stream=True))
        unthinking = client.chat("auto", MESSAGES, think=False)
        generated = client.generate("auto", TASK)
    assert (answer.message.thinking, answer.message.content) == (SHOWN, "def f(): pass")
    assert "".join(piece.message.thinking or "" for piece in pieces) == SHOWN
    assert unthinking.message.thinking is None
    assert generated.thinking == SHOWN


def test_the_model_never_reads_the_line_again(announcing: str, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("thinker", thinking=["hm"], capabilities=["completion", "thinking"]))
    said = {"role": "assistant", "content": "def f(): pass"}
    thought = {"type": "thinking", "thinking": SHOWN + "hm", "signature": "b3JjaA=="}
    blocks = [thought, {"type": "text", "text": said["content"]}]
    answers = {
        "/v1/chat/completions": {**said, "reasoning_content": SHOWN + "hm"},
        "/api/chat": {**said, "thinking": SHOWN + "hm"},
        "/v1/messages": {**said, "content": blocks},
    }
    for path, answer in answers.items():
        messages = [*MESSAGES, answer, {"role": "user", "content": "And backwards?"}]
        body = {"model": "thinker", "max_tokens": 100, "stream": False, "messages": messages}
        httpx.post(announcing + path, json=body).raise_for_status()
    read = [chat.body["messages"] for chat in ollama.chats()]
    assert [messages[1]["thinking"] for messages in read] == ["hm"] * 3


def test_the_journal_keeps_the_models_own_thoughts(announcing: str) -> None:
    answer = httpx.post(
        f"{announcing}/v1/chat/completions", json={"model": "auto", "messages": MESSAGES}
    )
    run = httpx.get(f"{announcing}/orch/runs/{answer.headers['x-orch-run-id']}").json()
    assert "[orch]" not in str(run)
