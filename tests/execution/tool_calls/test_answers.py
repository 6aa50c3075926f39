"""Tool calls from the model's server to the caller: in the library and all APIs, on both wires,
streamed and whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from orch import OrchError, Orchestrator
from orch.execution.attempt import ModelCall
from orch.execution.events import Chunk
from tests.conftest import CODER, LLAMA
from tests.execution.tool_calls.tools import FORECAST, TOOLS, call
from tests.support.fake_ollama import FakeOllama, Fault

TASK = "Will it rain in Oslo?"
GOOD, BAD = call("get_forecast", '{"town": "Oslo"}'), call("get_forecast", '{"city": "Oslo"}')
SLOPPY = call("Get_Forecast", "{'town': 'Oslo', 'days': '3',}")
MENDED = {"town": "Oslo", "days": 3}
WRITTEN = '<tool_call>{"name": "get_forecast", "arguments": {"town": "Oslo"}}</tool_call>'
KINDS = pytest.mark.parametrize("kind", ["ollama", "openai"])


@pytest.fixture
def ollama(ollama: FakeOllama) -> FakeOllama:
    """The fake Ollama, with two models that have tools."""
    for model in ollama.models.values():
        model.capabilities = ["completion", "tools"]
    return ollama


def opened(ollama: FakeOllama, kind: str = "openai", **routing: Any) -> Orchestrator:
    """Both models on that wire, the coder first."""
    providers = {"there": {"kind": kind, "base_url": ollama.url}}
    models = [
        {"id": CODER, "provider": "there", "quality_rating": 9},
        {"id": LLAMA, "provider": "there", "quality_rating": 7},
    ]
    configured = {"version": 1, "memory_budget_gb": 100, **routing}
    return Orchestrator(
        {"unlisted": "ignore", "providers": providers, "models": models}, configured
    )


async def chunks_of(orchestrator: Orchestrator, **wishes: Any) -> list[Chunk]:
    """What `execute_streaming` gives."""
    async with orchestrator:
        given = {"tools": TOOLS, "model": CODER, **wishes}
        return [chunk async for chunk in orchestrator.execute_streaming(TASK, **given)]


def calls_of(chunks: list[Chunk]) -> list[Any]:
    return [chunk["tool_call"]["function"] for chunk in chunks if chunk["type"] == "tool_call"]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk["chunk"] for chunk in chunks if chunk["type"] == "content")


# ---------------------------------------------------------------- as they are, and repaired


@KINDS
async def test_a_valid_call_arrives_as_it_was_sent(ollama: FakeOllama, kind: str) -> None:
    written = '{ "town":"Oslo" , "days":3}'
    sent = json.loads(written) if kind == "ollama" else written
    ollama.models[CODER].turns = [("I look.", [call("get_forecast", sent)])]
    chunks = await chunks_of(opened(ollama, kind))
    assert calls_of(chunks) == [{"name": "get_forecast", "arguments": sent}]
    assert chunks[-1]["result"].attempts[0].repairs == ()


@KINDS
async def test_a_certain_repair_reaches_caller_and_journal(ollama: FakeOllama, kind: str) -> None:
    sent = {"Town": "Oslo", "days": "3"} if kind == "ollama" else SLOPPY["function"]["arguments"]
    ollama.models[CODER].turns = [("", [call("Get_Forecast", sent)])]
    orchestrator = opened(ollama, kind)
    async with orchestrator:
        result = await orchestrator.execute(TASK, tools=TOOLS, model=CODER)
        (stored,) = orchestrator.runtime.journal.history.attempts_of(result.run_id)
    (made,) = result.response.tool_calls
    assert made["function"]["name"] == "get_forecast"
    assert json.loads(made["function"]["arguments"]) == MENDED
    assert set(result.attempts[0].repairs) >= {"name", "number_as_text"}
    assert tuple(json.loads(stored["repairs"])) == result.attempts[0].repairs


@KINDS
async def test_a_call_in_the_text_is_no_part_of_the_answer(ollama: FakeOllama, kind: str) -> None:
    ollama.models[CODER].reply = ["I ", "look.\n", *WRITTEN.split(" "), "</tool_call>"][:2] + [
        piece for piece in WRITTEN
    ]
    chunks = await chunks_of(opened(ollama, kind))
    assert text_of(chunks).strip() == "I look."
    assert json.loads(calls_of(chunks)[0]["arguments"]) == {"town": "Oslo"}
    assert chunks[-1]["result"].response.content.strip() == "I look."


async def test_text_is_shown_while_the_model_still_writes(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = ["It ", "will ", "rain."]
    chunks = await chunks_of(opened(ollama))
    assert [chunk["chunk"] for chunk in chunks if chunk["type"] == "content"]
    assert text_of(chunks) == "It will rain."


async def test_an_answer_about_calls_stays_as_it_is(ollama: FakeOllama) -> None:
    text = f"Models call a tool like this:\n{WRITTEN}\nThat is all."
    ollama.models[CODER].reply = list(text)
    chunks = await chunks_of(opened(ollama))
    assert (text_of(chunks), calls_of(chunks)) == (text, [])


async def test_as_is_checks_nothing(ollama: FakeOllama) -> None:
    ollama.models[CODER].turns = [(WRITTEN, [BAD])]
    chunks = await chunks_of(opened(ollama, tool_calls="as_is"))
    assert (text_of(chunks), calls_of(chunks)) == (WRITTEN, [BAD["function"]])


# ---------------------------------------------------------------- asked again


@KINDS
async def test_the_model_is_asked_once_more_with_the_fault_named(
    ollama: FakeOllama, kind: str
) -> None:
    bad = call("get_forecast", {"city": "Oslo"}) if kind == "ollama" else BAD
    ollama.models[CODER].turns = [("", [bad]), ("", [call("get_forecast", {"town": "Oslo"})])]
    chunks = await chunks_of(opened(ollama, kind))
    result = chunks[-1]["result"]
    assert json.dumps(calls_of(chunks)).count("town") == 1
    assert [(each.model, each.outcome, each.code) for each in result.attempts] == [
        (CODER, "failed", "tool_call_invalid"),
        (CODER, "ok", ""),
    ]
    assert any("is asked once more" in warning for warning in result.warnings)
    first, second = [each.body["messages"] for each in ollama.chats()]
    assert second[: len(first)] == first
    assert [each["role"] for each in second[len(first) :]] == ["assistant", "tool"]
    assert "'town' is a required property" in second[-1]["content"]


async def test_then_the_next_model_is_asked(ollama: FakeOllama) -> None:
    ollama.models[CODER].turns = [("", [BAD])] * 2
    ollama.models[LLAMA].turns = [("", [GOOD])]
    orchestrator = opened(ollama, fallback={"max_attempts": 2})
    async with orchestrator:
        result = await orchestrator.execute(TASK, tools=TOOLS, task_type="coding")
    assert [(each.model, each.code) for each in result.attempts] == [
        (CODER, "tool_call_invalid"),
        (CODER, "tool_call_invalid"),
        (LLAMA, ""),
    ]
    assert "'town'" not in json.dumps(ollama.chats()[-1].body["messages"])


async def test_where_no_model_is_left_the_run_fails_and_says_why(ollama: FakeOllama) -> None:
    ollama.models[CODER].turns = [("", [call("get_weather", "{}")])] * 2
    orchestrator = opened(ollama)
    async with orchestrator:
        with pytest.raises(OrchError) as caught:
            await orchestrator.execute(TASK, tools=TOOLS, model=CODER)
    assert 'there is no tool "get_weather"' in caught.value.message
    assert (caught.value.code, len(caught.value.attempts)) == ("all_failed", 2)
    assert "tool_calls: as_is" in caught.value.hint


async def test_one_bad_call_of_three_has_all_of_them_asked_for_again(ollama: FakeOllama) -> None:
    three = [GOOD, BAD, call("list_notes", "{}")]
    ollama.models[CODER].turns = [("", three), ("", [GOOD, GOOD])]
    assert len(calls_of(await chunks_of(opened(ollama)))) == 2


async def test_after_shown_text_a_bad_call_is_passed_on_with_a_warning(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].turns = [("I look.", [BAD])]
    chunks = await chunks_of(opened(ollama))
    assert (text_of(chunks), calls_of(chunks)) == ("I look.", [BAD["function"]])
    assert any("'town' is a required" in each for each in chunks[-1]["result"].warnings)
    assert len(ollama.chats()) == 1


def test_a_call_of_a_program_that_offered_no_tools_is_asked_for_in_words(
    url: str, ollama: FakeOllama
) -> None:
    ollama.models[CODER].turns = [("", [GOOD]), ("It will rain.", [])]
    body = {"model": CODER, "messages": [{"role": "user", "content": TASK}]}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60).raise_for_status()
    message = answer.json()["choices"][0]["message"]
    assert (message["content"], "tool_calls" in message) == ("It will rain.", False)
    assert [each["role"] for each in ollama.chats()[1].body["messages"]][-3:] == [
        "user",
        "assistant",
        "user",
    ]


async def test_without_a_program_a_call_of_no_offered_tool_is_shown_as_it_is(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].turns = [("", [GOOD])]
    chunks = await chunks_of(opened(ollama), tools=None)
    assert calls_of(chunks) == [GOOD["function"]]
    assert len(ollama.chats()) == 1


@pytest.mark.parametrize(
    "message",
    [
        "The model produced output that does not match the expected peg-native format",
        "error parsing tool call: raw='{', err=unexpected end of JSON input",
    ],
)
async def test_a_server_that_cannot_read_a_call_is_not_dead(
    ollama: FakeOllama, message: str
) -> None:
    model = ollama.models[CODER]
    model.faults.append(Fault("status", status=500, message=message))
    model.reply, model.tool_calls = [], [GOOD]
    chunks = await chunks_of(opened(ollama))
    assert calls_of(chunks) == [GOOD["function"]]
    attempts = chunks[-1]["result"].attempts
    assert [each.code for each in attempts] == ["tool_call_invalid", ""]
    assert message.split(":")[0] in ollama.chats()[-1].body["messages"][-1]["content"]


async def test_a_missing_call_is_asked_for_once_and_then_told(ollama: FakeOllama) -> None:
    ollama.models[CODER].turns = [("It may rain.", []), ("It will rain.", [])]
    orchestrator = opened(ollama)
    async with orchestrator:
        task = orchestrator.execute(
            TASK, tools=TOOLS, model=CODER, options={"tool_choice": "required"}
        )
        result = await task
    assert result.response.content == "It will rain."
    assert any("no tool was called" in each for each in result.warnings)


async def test_a_call_cut_at_the_callers_own_limit_is_passed_on(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = list('<tool_call>{"name": "get_forecast", "arg')
    chunks = await chunks_of(opened(ollama), options={"max_tokens": 20})
    assert text_of(chunks).startswith("<tool_call>")
    assert chunks[-1]["result"].response.finish_reason == "length"


# ---------------------------------------------------------------- the APIs

CHAT_TOOLS = {"messages": [{"role": "user", "content": TASK}], "tools": TOOLS}
RESPONSE_TOOLS = [{"type": "function", **each["function"]} for each in TOOLS[:1]]
ANTHROPIC_TOOLS = [{"name": "get_forecast", "input_schema": FORECAST}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT_TOOLS,
    "/api/chat": CHAT_TOOLS,
    "/v1/responses": {"input": TASK, "tools": RESPONSE_TOOLS},
    "/v1/messages": {
        "messages": [{"role": "user", "content": TASK}],
        "tools": ANTHROPIC_TOOLS,
        "max_tokens": 500,
    },
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", BODIES)
def test_every_api_gives_the_repaired_call_and_tells_of_it(
    url: str, ollama: FakeOllama, path: str, stream: bool
) -> None:
    ollama.models[CODER].turns = [("", [call("Get_Forecast", {"Town": "Oslo", "days": "3"})])]
    body = {**BODIES[path], "model": CODER, "stream": stream}
    answer = httpx.post(url + path, json=body)
    assert answer.status_code == 200
    assert answer.headers["x-orch-repaired"] == "3"
    text = answer.text.replace("\\", "").replace(" ", "")
    assert '"town":"Oslo"' in text
    assert '"days":3' in text
    assert "get_forecast" in text
    assert "Get_Forecast" not in text


def test_a_prompt_with_a_correction_is_not_held_as_the_conversation(
    url: str, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[bool] = []
    sent_prompt = ModelCall.sent_prompt

    def noting(call: ModelCall, *, is_changed: bool) -> Any:
        changed.append(is_changed)
        return sent_prompt(call, is_changed=is_changed)

    monkeypatch.setattr(ModelCall, "sent_prompt", noting)
    ollama.models[CODER].turns = [("", [call("get_weather", {})]), ("It will.", [])]
    body = {**CHAT_TOOLS, "model": CODER, "stream": False}
    assert httpx.post(f"{url}/v1/chat/completions", json=body).status_code == 200
    assert changed == [False, True]


@pytest.mark.parametrize("path", BODIES)
def test_a_call_that_stays_wrong_is_an_error_of_the_api(
    url: str, ollama: FakeOllama, path: str
) -> None:
    ollama.models[CODER].turns = [("", [call("get_weather", {})])] * 2
    answer = httpx.post(url + path, json={**BODIES[path], "model": CODER, "stream": False})
    assert answer.status_code == 502
    assert "get_weather" in json.dumps(answer.json()["error"]).replace("\\", "")
    assert "x-orch-repaired" not in answer.headers


def test_without_repairs_there_is_no_header(url: str, ollama: FakeOllama) -> None:
    ollama.models[CODER].turns = [("", [call("get_forecast", {"town": "Oslo"})])]
    answer = httpx.post(f"{url}/v1/chat/completions", json={**CHAT_TOOLS, "model": CODER})
    assert answer.json()["choices"][0]["finish_reason"] == "tool_calls"
    assert "x-orch-repaired" not in answer.headers


@pytest.fixture
def leaving(url: str, ollama: FakeOllama) -> Iterator[httpx.Client]:
    """A client that leaves when it likes."""
    ollama.models[CODER].reply = ["I look.\n", '<tool_call>{"name": ', *["x"] * 200]
    ollama.models[CODER].chunk_delay_s = 0.05
    with httpx.Client(base_url=url) as client:
        yield client


def test_what_a_client_left_behind_in_a_call_is_journaled(
    leaving: httpx.Client, ollama: FakeOllama
) -> None:
    body = {**CHAT_TOOLS, "model": CODER, "stream": True}
    with leaving.stream("POST", "/v1/chat/completions", json=body) as answer:
        run_id = answer.headers["x-orch-run-id"]
        lines = answer.iter_lines()
        while "I look" not in next(lines):
            pass
    row: Any = {}
    while row.get("status") != "interrupted":  # until the server has noticed
        row = leaving.get(f"/orch/runs/{run_id}").json()
        row = row.get("run", row)
    assert row["answer"].startswith("I look.")
