"""One answer of a model, a text or a call, in the three APIs that agents speak (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

Json = dict[str, Any]


class Reply(NamedTuple):
    """A text, and a call unless `tool` is empty. `number` is part of all ids."""

    number: int
    text: str
    tool: str = ""
    arguments: Json = {}

    @property
    def call_id(self) -> str:
        """The id of the call."""
        return f"call_{self.number:04}"


class Read(NamedTuple):
    """What the real server counted: tokens of the prompt, and of these those that it had to
    read."""

    prompt: int
    read: int


def _event(data: Json) -> bytes:
    kind = f"event: {data['type']}\n" if "type" in data else ""
    return f"{kind}data: {json.dumps(data)}\n\n".encode()


# ---------------------------------------------------------------- chat completions


def chat_stream(reply: Reply, read: Read, model: str) -> Iterator[bytes]:
    """The chunks of a streamed chat completion."""
    head = {"id": f"chatcmpl-{reply.number}", "object": "chat.completion.chunk", "model": model}
    calls = _chat_calls(reply)
    for delta in (
        {"role": "assistant", "content": reply.text},
        *({"tool_calls": calls},) * bool(calls),
    ):
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    end = [{"index": 0, "delta": {}, "finish_reason": _finish(reply)}]
    yield _event({**head, "choices": end})
    yield _event({**head, "choices": [], "usage": _chat_usage(read), "timings": _timings(read)})
    yield b"data: [DONE]\n\n"


def chat_whole(reply: Reply, read: Read, model: str) -> Json:
    """A chat completion in one piece."""
    message: Json = {"role": "assistant", "content": reply.text}
    if calls := _chat_calls(reply):
        message["tool_calls"] = calls
    return {
        "id": f"chatcmpl-{reply.number}",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(reply)}],
        "usage": _chat_usage(read),
        "timings": _timings(read),
    }


def _chat_calls(reply: Reply) -> list[Json]:
    if not reply.tool:
        return []
    function = {"name": reply.tool, "arguments": json.dumps(reply.arguments)}
    return [{"index": 0, "id": reply.call_id, "type": "function", "function": function}]


def _finish(reply: Reply) -> str:
    return "tool_calls" if reply.tool else "stop"


def _chat_usage(read: Read) -> Json:
    return {
        "prompt_tokens": read.prompt,
        "completion_tokens": 1,
        "total_tokens": read.prompt + 1,
        "prompt_tokens_details": {"cached_tokens": read.prompt - read.read},
    }


def _timings(read: Read) -> Json:
    return {"cache_n": read.prompt - read.read, "prompt_n": read.read, "predicted_n": 1}


# ---------------------------------------------------------------- Anthropic's messages


def messages_stream(reply: Reply, read: Read, model: str) -> Iterator[bytes]:
    """The events of a streamed message."""
    whole = messages_whole(reply, read, model)
    yield _event(
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}
    )
    for index, block in enumerate(whole["content"]):
        is_text = block["type"] == "text"
        empty = {**block, "text": ""} if is_text else {**block, "input": {}}
        delta = (
            {"type": "text_delta", "text": block["text"]}
            if is_text
            else {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        )
        yield _event({"type": "content_block_start", "index": index, "content_block": empty})
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield _event({"type": "message_delta", "delta": end, "usage": whole["usage"]})
    yield _event({"type": "message_stop"})


def messages_whole(reply: Reply, read: Read, model: str) -> Json:
    """A message in one piece."""
    blocks: list[Json] = [{"type": "text", "text": reply.text}]
    if reply.tool:
        call = {"id": reply.call_id, "name": reply.tool, "input": dict(reply.arguments)}
        blocks.append({"type": "tool_use", **call})
    return {
        "id": f"msg_{reply.number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": "tool_use" if reply.tool else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": read.read,
            "cache_read_input_tokens": read.prompt - read.read,
            "cache_creation_input_tokens": 0,
            "output_tokens": 1,
        },
    }


# ---------------------------------------------------------------- responses


def responses_stream(reply: Reply, read: Read, model: str) -> Iterator[bytes]:
    """The events of a streamed response."""
    whole = responses_whole(reply, read, model)
    begun = {**whole, "status": "in_progress", "output": []}
    events: list[Json] = [{"type": "response.created", "response": begun}]
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index}
        events.append({"type": "response.output_item.added", **place, "item": _begun(item)})
        if item["type"] == "message":
            text = {"content_index": 0, "item_id": item["id"], "delta": reply.text}
            events.append({"type": "response.output_text.delta", **place, **text})
        events.append({"type": "response.output_item.done", **place, "item": item})
    events.append({"type": "response.completed", "response": whole})
    for number, event in enumerate(events):
        yield _event({**event, "sequence_number": number})


def _begun(item: Json) -> Json:
    empty: Json = {"content": []} if item["type"] == "message" else {"arguments": ""}
    return {**item, "status": "in_progress", **empty}


def responses_whole(reply: Reply, read: Read, model: str) -> Json:
    """A response in one piece."""
    text = {"type": "output_text", "text": reply.text, "annotations": []}
    items: list[Json] = [
        {
            "type": "message",
            "id": f"item_{reply.number}",
            "role": "assistant",
            "status": "completed",
            "content": [text],
        }
    ]
    if reply.tool:
        call = {"name": reply.tool, "arguments": json.dumps(reply.arguments)}
        ids = {"id": f"fc_{reply.number}", "call_id": reply.call_id, "status": "completed"}
        items.append({"type": "function_call", **ids, **call})
    return {
        "id": f"resp_{reply.number}",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "model": model,
        "output": items,
        "usage": {
            "input_tokens": read.prompt,
            "input_tokens_details": {"cached_tokens": read.prompt - read.read},
            "output_tokens": 1,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read.prompt + 1,
        },
    }
