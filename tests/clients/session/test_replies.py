"""The scripted answers in each API: what a client reads of them."""

from __future__ import annotations

import json
from typing import Any

from tests.clients.session import replies
from tests.clients.session.replies import Read, Reply

CALL = Reply(7, "I read.", "Read", {"file_path": "a"})
TEXT = Reply(8, "Done.")
READ = Read(100, 30)


def _events(stream: Any) -> list[Any]:
    lines = b"".join(stream).decode().splitlines()
    texts = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(text) for text in texts if text != "[DONE]"]


def test_a_chat_completion_carries_text_call_and_counts() -> None:
    whole = replies.chat_whole(CALL, READ, "m")
    choice, chunks = whole["choices"][0], _events(replies.chat_stream(CALL, READ, "m"))
    assert choice["message"]["content"] == "I read."
    assert choice["finish_reason"] == "tool_calls"
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == CALL.arguments
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]] == [
        None, None, "tool_calls",
    ]  # fmt: skip
    assert chunks[-1]["timings"]["cache_n"] == 70
    assert chunks[-1]["usage"] == whole["usage"]


def test_a_message_carries_text_call_and_counts() -> None:
    events = _events(replies.messages_stream(CALL, READ, "m"))
    assert events[0]["message"]["usage"]["cache_read_input_tokens"] == 70
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert deltas[0]["text"] == "I read."
    assert json.loads(deltas[1]["partial_json"]) == CALL.arguments
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert replies.messages_whole(TEXT, READ, "m")["stop_reason"] == "end_turn"


def test_a_response_carries_text_call_and_counts() -> None:
    events = _events(replies.responses_stream(CALL, READ, "m"))
    assert [event["type"] for event in events][-1] == "response.completed"
    whole = events[-1]["response"]
    assert [item["type"] for item in whole["output"]] == ["message", "function_call"]
    assert whole["usage"]["input_tokens_details"]["cached_tokens"] == 70
    assert [item["type"] for item in replies.responses_whole(TEXT, READ, "m")["output"]] == [
        "message"
    ]


def test_a_text_ends_a_chat_completion() -> None:
    chunks = _events(replies.chat_stream(TEXT, READ, "m"))
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]] == [
        None, "stop",
    ]  # fmt: skip
