"""Answers from events: what ends one, what does not, and which text counts."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from orch.errors import ProviderError
from orch.providers.chat import Delta
from orch.providers.client import load_stream_error
from orch.providers.streams.answer import StreamedAnswer, until_cut
from orch.providers.streams.sse import Event

MESSAGE = {"role": "assistant", "content": "Hi"}


def piece(text: str | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """One event of a stream."""
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}],
        **fields,
    }


def answered(*events: Event) -> list[Delta]:
    """The deltas of a whole stream that then closes."""
    answer = StreamedAnswer()
    deltas = answer.add_all(events)
    answer.raise_failure(load_stream_error)
    return [*deltas, answer.last()]


def text_of(*events: Event) -> str:
    return "".join(delta.content for delta in answered(*events))


@pytest.mark.parametrize(
    "events",
    [
        (piece("Hi"), piece(None, "stop")),
        (piece("Hi", "stop"),),
        (piece("Hi"), None),
        (piece("Hi"), {"choices": []}, None),
        ({"message": MESSAGE, "done": True},),
        ({"object": "chat.completion", "choices": [{"message": MESSAGE}]},),
    ],
    ids=["finish reason", "at once", "[DONE]", "nothing and [DONE]", "done", "whole message"],
)
def test_a_whole_answer_has_an_end(events: tuple[Event, ...]) -> None:
    deltas = answered(*events)
    assert deltas[-1].completion is not None
    assert "".join(delta.content for delta in deltas) == "Hi"


@pytest.mark.parametrize(
    "events",
    [
        (),
        (piece("Hi"),),
        (piece("Hi"), {"choices": [], "usage": {"completion_tokens": 1}}),
        (piece("Hi", ""),),
        ({"message": MESSAGE, "done": False},),
        ({"object": "chat.completion.chunk", "choices": [{"message": MESSAGE}]},),
        ({"choices": [{"message": MESSAGE}]}, {"choices": [{"message": MESSAGE}]}),
        (piece("Hi"), {"object": "chat.completion", "choices": [{"message": MESSAGE}]}),
    ],
)
def test_a_stream_that_just_closes_was_cut(events: tuple[Event, ...]) -> None:
    with pytest.raises(ProviderError) as caught:
        answered(*events)
    assert caught.value.code == "cut"


@pytest.mark.parametrize(
    ("reason", "code"), [("error", "stream_error"), ("abort", "cut"), ("ERROR", "stream_error")]
)
def test_a_finish_reason_that_is_a_failure_is_none(reason: str, code: str) -> None:
    with pytest.raises(ProviderError) as caught:
        answered(piece("Hi"), piece(None, reason), None)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("fields", "sequence"),
    [
        ({"stop_reason": "END"}, "END"),  # vLLM
        ({"matched_stop": "END"}, "END"),  # SGLang
        ({"stop_reason": 151_645}, ""),  # a token
        ({"matched_stop": None, "stop_reason": None}, ""),
        ({}, ""),
    ],
)
def test_the_stop_sequence_is_the_one_that_the_server_names(
    fields: dict[str, Any], sequence: str
) -> None:
    last = piece("", "stop")
    last["choices"][0] |= fields
    completion = answered(piece("Hi"), last)[-1].completion
    assert completion is not None
    assert completion.stop_sequence == sequence


def test_consecutive_text_is_one_delta_and_a_change_begins_another() -> None:
    thought = {"choices": [{"delta": {"reasoning": "So"}}]}
    deltas = answered(thought, thought, piece("a"), piece("b"), thought, piece("c", "stop"))
    assert [(delta.content, delta.thinking) for delta in deltas] == [
        ("", "SoSo"),
        ("ab", ""),
        ("", "So"),
        ("c", ""),
        ("", ""),
    ]


def test_text_after_the_end_is_not_read() -> None:
    assert text_of(piece("Hi"), None, piece(" again")) == "Hi"
    assert text_of({"message": MESSAGE, "done": True}, {"message": MESSAGE, "done": False}) == "Hi"


def test_text_before_an_error_is_kept_and_after_it_is_not_read() -> None:
    answer = StreamedAnswer()
    deltas = answer.add_all([piece("Hi"), {"error": "broken"}, piece(" again")])
    assert [delta.content for delta in deltas] == ["Hi"]
    with pytest.raises(ProviderError, match="broken"):
        answer.raise_failure(load_stream_error)


def test_text_before_an_unexpected_structure_is_kept() -> None:
    answer = StreamedAnswer()
    assert [delta.content for delta in answer.add_all([piece("Hi"), {"choices": 5}])] == ["Hi"]
    with pytest.raises(ProviderError, match="unexpected structure"):
        answer.raise_failure(load_stream_error)


def test_what_follows_a_whole_answer_in_an_unexpected_structure_does_not_spoil_it() -> None:
    assert text_of(piece("Hi", "stop"), {"choices": 5}) == "Hi"


def test_a_message_that_repeats_the_deltas_is_not_read_again() -> None:
    whole = {"choices": [{"message": MESSAGE, "finish_reason": "stop"}]}
    assert text_of(piece("H"), piece("i"), whole) == "Hi"


def test_messages_instead_of_deltas_are_joined() -> None:
    message = {"choices": [{"message": {"content": "a"}, "finish_reason": None}]}
    assert text_of(message, message, None) == "aa"


@pytest.mark.parametrize("first", [0, 1, 7])
def test_the_choice_that_comes_first_is_the_answer(first: int) -> None:
    def of(index: int, text: str, finish: str | None = None) -> dict[str, Any]:
        return {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}]}

    events = [of(first, "a"), of(3, "x", "stop"), of(first, "b"), of(first, "", "stop")]
    deltas = StreamedAnswer(has_choices=True).add_all(events)
    assert "".join(delta.content for delta in deltas) == "ab"


def test_an_index_that_counts_up_is_no_other_choice_where_one_was_asked_for() -> None:
    def of(index: int, text: str, finish: str | None = None) -> dict[str, Any]:
        return {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}]}

    assert text_of(of(1, "Deep"), of(2, " water"), of(3, ".", "stop")) == "Deep water."


def test_calls_of_a_closing_message_count_though_its_text_does_not() -> None:
    call = {"id": "c1", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Hi", "tool_calls": [call]}
    closing = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    deltas = answered(piece("Hi"), closing)
    assert "".join(delta.content for delta in deltas) == "Hi"
    assert [each["id"] for delta in deltas for each in delta.tool_calls] == ["c1"]


def test_the_usage_of_an_event_without_choices_counts() -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
    completion = answered(piece("Hi"), piece(None, "stop"), usage, None)[-1].completion
    assert completion is not None
    assert (completion.prompt_tokens, completion.completion_tokens) == (5, 2)


def test_ollamas_calls_come_as_they_are_sent() -> None:
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    deltas = answered(
        {"message": {"content": "Hi", "tool_calls": [call]}, "done": False},
        {"message": {"content": ""}, "done": True},
    )
    assert [(delta.content, delta.tool_calls) for delta in deltas] == [("Hi", (call,)), ("", ())]


def test_calls_end_an_answer_without_a_finish_reason() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    end = answered({"choices": [{"delta": {"tool_calls": [call]}}]}, None)[-1]
    assert end.completion is not None
    assert (end.completion.finish_reason, len(end.tool_calls)) == ("tool_calls", 1)


def test_a_finish_reason_in_each_event_ends_nothing() -> None:
    with pytest.raises(ProviderError) as caught:
        answered(piece("a", "stop"), piece("b", "stop"))
    assert caught.value.code == "cut"
    assert text_of(piece("a", "stop"), piece("b", "stop"), None) == "ab"
    assert text_of(piece("a", "stop"), piece("b", "stop"), piece("", "stop")) == "ab"


async def test_a_connection_that_is_left_open_behind_the_end_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orch.providers.streams.answer.USAGE_TIMEOUT_S", 0.01)
    answer, left_open = StreamedAnswer(), asyncio.Event()

    async def batches() -> AsyncGenerator[list[Event]]:
        yield [piece("Hi")]
        yield [piece("", "stop")]
        await left_open.wait()

    deltas: list[Delta] = []
    async for batch in until_cut(batches(), answer):
        deltas += answer.add_all(batch)
    assert [delta.content for delta in (*deltas, answer.last())] == ["Hi", ""]


@pytest.mark.parametrize(
    ("code", "finish"), [("cut", "stop"), ("stalled", "length"), ("bad_response", "stop")]
)
async def test_a_connection_that_breaks_behind_the_end_is_the_end(code: str, finish: str) -> None:
    assert await until_broken(code, piece("Hi", finish)) == ""
    assert await until_broken(code, piece("Hi")) == code
    assert await until_broken("timeout", piece("Hi", finish)) == "timeout"


async def until_broken(code: str, event: Event) -> str:
    """The code of the error of a stream that breaks behind this event; empty if it is none."""

    async def batches() -> AsyncGenerator[list[Event]]:
        yield [event]
        raise ProviderError(code, "broken")

    answer = StreamedAnswer()
    try:
        async for batch in until_cut(batches(), answer):
            answer.add_all(batch)
    except ProviderError as error:
        return error.code
    return ""


def test_a_plain_answer_imports_neither_tool_calls_nor_errors() -> None:
    lines = [
        "import sys",
        "from orch.providers.streams.answer import StreamedAnswer",
        "answer = StreamedAnswer()",
        f"answer.add_all([{piece('Hi')!r}, {piece(None, 'stop')!r}, None])",
        "answer.last()",
        "print([name for name in sys.modules if name.endswith(('tool_calls', 'failures'))])",
    ]
    code = "\n".join(lines)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n"
