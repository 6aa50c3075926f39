"""Thinking, tool calls and fences that a server leaves in the text: in the library, the command and
the endpoint, on both wires, streamed and whole."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from orch import OrchError, Orchestrator
from orch.execution.events import Chunk
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.orch_command import orch

TASK = "What is a mutex?"
HARMONY = (
    "<|channel|>analysis<|message|>They ask for a lock.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>A lock.<|return|>"
)
LOOK_UP = (
    "<|channel|>analysis<|message|>I look.<|end|><|start|>assistant<|channel|>commentary"
    ' to=functions.look_up <|constrain|>json<|message|>{"word": "mutex"}<|call|>'
)
SAMPLES = {
    "harmony": HARMONY,
    "tags": "\n\n<Thinking>They ask for a lock.</Thinking>\n\nA lock.",
    "magistral": "[THINK]They ask for a lock.[/THINK]A lock.",
}
UNOPENED = "They ask for a lock.\n</think>\n\nA lock."
SCHEMA: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "n", "schema": {"type": "object", "required": ["name"]}},
}
FENCED = 'Here it is:\n\n```json\n{"name": "Ada"}\n```\nAnything else?'


def pieces(text: str) -> list[str]:
    """The text as tokens of a model: markers whole, the rest in words."""
    return [piece for piece in re.split(r"(<[^>]+>|\s+)", text) if piece]


def models(ollama: FakeOllama, kind: str) -> dict[str, Any]:
    """The coder alone, on that wire."""
    providers = {"there": {"kind": kind, "base_url": ollama.url}}
    return {
        "unlisted": "ignore",
        "providers": providers,
        "models": [{"id": CODER, "provider": "there"}],
    }


def open_orchestrator(ollama: FakeOllama, kind: str, text: str) -> Orchestrator:
    ollama.models[CODER].reply = pieces(text)
    return Orchestrator(models(ollama, kind), {"version": 1, "memory_budget_gb": 100})


async def chunks_of(orchestrator: Orchestrator, **wishes: Any) -> list[Chunk]:
    """What `execute_streaming` gives."""
    async with orchestrator:
        return [chunk async for chunk in orchestrator.execute_streaming(TASK, **wishes)]


def joined(chunks: list[Chunk], kind: str) -> str:
    return "".join(chunk["chunk"] for chunk in chunks if chunk["type"] == kind)


@pytest.mark.parametrize("kind", ["ollama", "openai"])
@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
async def test_marked_thinking_is_no_part_of_the_answer(
    ollama: FakeOllama, kind: str, text: str
) -> None:
    async with open_orchestrator(ollama, kind, text) as orchestrator:
        response = (await orchestrator.execute(TASK)).response
    assert (response.content, response.thinking) == ("A lock.", "They ask for a lock.")
    chunks = await chunks_of(open_orchestrator(ollama, kind, text), fresh=True)
    assert joined(chunks, "content") == "A lock."
    assert joined(chunks, "thinking") == "They ask for a lock."


@pytest.mark.parametrize("kind", ["ollama", "openai"])
async def test_a_call_in_the_text_is_a_tool_call(ollama: FakeOllama, kind: str) -> None:
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    ollama.models[CODER].capabilities = ["completion", "tools"]
    chunks = await chunks_of(open_orchestrator(ollama, kind, LOOK_UP), tools=tools)
    (call,) = [chunk["tool_call"] for chunk in chunks if chunk["type"] == "tool_call"]
    assert call["function"] == {"name": "look_up", "arguments": '{"word": "mutex"}'}
    assert joined(chunks, "content") == ""
    assert joined(chunks, "thinking") == "I look."


async def test_a_marker_in_the_name_of_a_tool_is_taken_off(ollama: FakeOllama) -> None:
    call = {"function": {"name": "look_up<|channel|>commentary", "arguments": {}}}
    model = ollama.models[CODER]
    model.tool_calls, model.capabilities = [call], ["completion", "tools"]
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    async with open_orchestrator(ollama, "ollama", "") as orchestrator:
        result = await orchestrator.execute(TASK, tools=tools)
    assert [each["function"]["name"] for each in result.response.tool_calls] == ["look_up"]


@pytest.mark.parametrize("kind", ["ollama", "openai"])
async def test_an_unopened_thought_is_separated_where_nobody_saw_it(
    ollama: FakeOllama, kind: str
) -> None:
    async with open_orchestrator(ollama, kind, UNOPENED) as orchestrator:
        response = (await orchestrator.execute(TASK)).response
    assert (response.content, response.thinking) == ("A lock.", "They ask for a lock.\n")


async def test_text_that_was_shown_is_left_as_it_is(ollama: FakeOllama) -> None:
    chunks = await chunks_of(open_orchestrator(ollama, "ollama", UNOPENED))
    assert joined(chunks, "content") == UNOPENED
    assert chunks[-1]["result"].response.content == UNOPENED


async def test_a_marker_beside_separated_thinking_is_text(ollama: FakeOllama) -> None:
    ollama.models[CODER].thinking = ["They ask about tags."]
    text = "<think> opens a thought.</think>"
    async with open_orchestrator(ollama, "ollama", text) as orchestrator:
        response = (await orchestrator.execute(TASK)).response
    assert (response.content, response.thinking) == (text, "They ask about tags.")


@pytest.mark.parametrize("options", [(), ("--no-stream",), ("--plain",)], ids=str)
def test_the_command_prints_the_answer_alone(ollama: FakeOllama, options: tuple[str, ...]) -> None:
    ollama.models[CODER].reply = pieces(HARMONY)
    result = orch("run", *options, "-m", CODER, TASK)
    assert (result.returncode, result.stdout) == (0, b"A lock.")


def test_no_stream_shows_the_separated_thought_if_asked(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = pieces(UNOPENED)
    result = orch("run", "--no-stream", "--show-thinking", "-m", CODER, TASK)
    assert (result.returncode, result.stdout) == (0, b"A lock.")
    assert b"They ask for a lock." in result.stderr


@pytest.mark.parametrize("stream", [False, True])
def test_the_endpoint_separates_harmony(ollama: FakeOllama, url: str, stream: bool) -> None:
    ollama.models[CODER].reply = pieces(LOOK_UP)
    ollama.models[CODER].capabilities = ["completion", "tools"]
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    body = {
        "model": CODER,
        "messages": [{"role": "user", "content": TASK}],
        "tools": tools,
        "stream": stream,
    }
    answer = httpx.post(f"{url}/v1/chat/completions", json=body)
    events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    values = [json.loads(event) for event in events] if stream else [answer.json()]
    choices = [choice for value in values for choice in value["choices"]]
    said = [choice.get("delta") or choice.get("message") or {} for choice in choices]
    calls = [call["function"]["name"] for part in said for call in part.get("tool_calls") or ()]
    assert calls == ["look_up"]
    assert "".join(part.get("content") or "" for part in said) == ""
    assert choices[-1]["finish_reason"] == "tool_calls"


# ---------------------------------------------------------------- JSON in a fence


@pytest.mark.parametrize("kind", ["ollama", "openai"])
async def test_json_is_taken_out_of_its_fence(ollama: FakeOllama, kind: str) -> None:
    async with open_orchestrator(ollama, kind, FENCED) as orchestrator:
        result = await orchestrator.execute(TASK, response_format=SCHEMA)
    assert result.response.content == '{"name": "Ada"}'
    chunks = await chunks_of(
        open_orchestrator(ollama, kind, FENCED), response_format=SCHEMA, fresh=True
    )
    assert joined(chunks, "content") == '{"name": "Ada"}'


async def test_json_that_begins_as_such_still_streams(ollama: FakeOllama) -> None:
    text = '{"name": "Ada Lovelace"}'
    chunks = await chunks_of(open_orchestrator(ollama, "ollama", text), response_format=SCHEMA)
    contents = [chunk["chunk"] for chunk in chunks if chunk["type"] == "content"]
    assert "".join(contents) == text
    assert len(contents) > 1


async def test_a_fence_that_breaks_the_schema_is_named(ollama: FakeOllama) -> None:
    with pytest.raises(OrchError) as caught:
        await chunks_of(
            open_orchestrator(ollama, "ollama", "```json\n{}\n```"), response_format=SCHEMA
        )
    (attempt,) = caught.value.attempts
    assert attempt.code == "schema_mismatch"
    assert attempt.message.startswith("the answer wraps its JSON in a code fence, and breaks")


async def test_a_fence_after_shown_text_is_named(ollama: FakeOllama) -> None:
    text = '[like this]\n```json\n{"name": "Ada"}\n```'
    with pytest.raises(OrchError) as caught:
        await chunks_of(open_orchestrator(ollama, "ollama", text), response_format=SCHEMA)
    (attempt,) = caught.value.attempts
    assert (attempt.code, attempt.outcome) == ("invalid_json", "partial")
    assert "code fence, after text that was already shown" in attempt.message


def test_the_command_pipes_the_json_alone(ollama: FakeOllama, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SCHEMA["json_schema"]["schema"]))
    ollama.models[CODER].reply = pieces(FENCED)
    result = orch("run", "--schema", str(schema), "-m", CODER, TASK)
    assert (result.returncode, result.stdout) == (0, b'{"name": "Ada"}')
