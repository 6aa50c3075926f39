"""An answer as content blocks of Anthropic's API, and the events that build them (pure)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from orch.errors import OrchError
from orch.execution.events import Content, Fallback, RunEvent, Thinking, ToolCall
from orch.providers.message_formats import parse_arguments
from orch.types import RunResult, Usage

Event = dict[str, Any]
Block = dict[str, Any]
SIGNATURE = "b3JjaA=="
"""Stands for Anthropic's signature of a thought, which clients require and send back: "orch"."""
_TEXT_BLOCKS: dict[str, Block] = {
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
    "text": {"type": "text", "text": ""},
}
_REASONS = {"length": "max_tokens", "content_filter": "refusal"}
"""Finish reasons that count more than a call: the last one may be cut."""
_CACHE = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


class ContentBlocks:
    """Builds the events of content blocks. Without `shows_thinking` thoughts are left out, and with
    `single_call` all calls but the first."""

    def __init__(self, run_id: str, *, shows_thinking: bool, single_call: bool) -> None:
        self._run_id, self._shows_thinking, self._single = run_id, shows_thinking, single_call
        self._index, self._kind, self._calls = 0, "", 0

    def add(self, event: RunEvent) -> Iterator[Event]:
        """The events of Anthropic's stream for an event of the run."""
        if isinstance(event, Content):
            yield from self._add_text("text", event.text)
        elif isinstance(event, Thinking):
            if self._shows_thinking:
                yield from self._add_text("thinking", event.text)
        elif isinstance(event, ToolCall):
            if not (self._single and self._calls):
                yield from self._add_call(event.call)
        elif isinstance(event, Fallback) and self._kind == "thinking":
            # the next model thinks for itself, but continues the text
            yield from self.close()

    def _add_text(self, kind: str, text: str) -> Iterator[Event]:
        if not text:
            return
        if kind != self._kind:
            yield from self.close()
            self._kind = kind
            yield self._start(_TEXT_BLOCKS[kind])
        yield self._delta(f"{kind}_delta", kind, text)

    def _add_call(self, call: dict[str, Any]) -> Iterator[Event]:
        """A tool call arrives whole."""
        yield from self.close()
        block = tool_use(call, self._run_id, self._calls)
        self._calls += 1
        self._kind = "tool_use"
        yield self._start({**block, "input": {}})
        text = json.dumps(block["input"], ensure_ascii=False)
        yield self._delta("input_json_delta", "partial_json", text)
        yield from self.close()

    def close(self) -> Iterator[Event]:
        """Finishes the open block, if there is one."""
        if not self._kind:
            return
        if self._kind == "thinking":
            yield self._delta("signature_delta", "signature", SIGNATURE)
        yield {"type": "content_block_stop", "index": self._index}
        self._index, self._kind = self._index + 1, ""

    def _start(self, block: Block) -> Event:
        return {"type": "content_block_start", "index": self._index, "content_block": block}

    def _delta(self, kind: str, field: str, text: str) -> Event:
        delta = {"type": kind, field: text}
        return {"type": "content_block_delta", "index": self._index, "delta": delta}


def content_blocks(
    result: RunResult, *, shows_thinking: bool = True, single_call: bool = False
) -> list[Block]:
    """The content of a finished run."""
    response, blocks = result.response, list[Block]()
    if response.thinking and shows_thinking:
        blocks.append({"type": "thinking", "thinking": response.thinking, "signature": SIGNATURE})
    if response.content:
        blocks.append({"type": "text", "text": response.content})
    calls = response.tool_calls[:1] if single_call else response.tool_calls
    blocks += (tool_use(call, result.run_id, number) for number, call in enumerate(calls))
    return blocks


def tool_use(call: dict[str, Any], run_id: str, number: int) -> Block:
    """A model's call as a block. Arguments that are not an object are kept under `arguments`: the
    client's check of its tool's schema then says what is wrong."""
    function = call.get("function") or {}
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        arguments = parse_arguments(arguments)
    return {
        "type": "tool_use",
        "id": call.get("id") or f"toolu_{run_id}_{number}",
        "name": str(function.get("name") or ""),
        "input": arguments if isinstance(arguments, dict) else {"arguments": arguments},
    }


def end_of(result: RunResult, stop_sequences: Collection[str]) -> dict[str, Any]:
    """Why the answer ended: of the client's stop sequences the one that its server names."""
    response, named = result.response, result.response.stop_sequence
    reason = _REASONS.get(response.finish_reason)
    if reason is None and response.tool_calls:
        reason = "tool_use"
    if reason is None and named and named in stop_sequences:
        return {"stop_reason": "stop_sequence", "stop_sequence": named}
    return {"stop_reason": reason or "end_turn", "stop_sequence": None}


def is_refusal(error: OrchError) -> bool:
    """Whether a content filter kept every model that was asked from answering: in Anthropic's API
    that is an answer."""
    codes = {attempt.code for attempt in error.attempts}
    return codes == {"content_filter"}


def refusal_end(error: OrchError) -> dict[str, Any]:
    """The end of a refused answer."""
    details = {"type": "refusal", "category": None, "explanation": error.message}
    return {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}


def usage_of(counted: Usage, estimated_tokens: int) -> dict[str, Any]:
    """Token counts as Anthropic's API has them in a message; the estimate stands in for a prompt
    that was not counted."""
    return {
        **delta_usage(counted, estimated_tokens),
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
    }


def delta_usage(counted: Usage, estimated_tokens: int) -> dict[str, Any]:
    """Token counts as they stand in the last event of a stream: `input_tokens` are those that the
    server had not cached."""
    cached, estimate = counted.cached_tokens or 0, max(estimated_tokens, 1)
    return {
        "input_tokens": counted.prompt_tokens - cached if counted.prompt_tokens else estimate,
        "output_tokens": counted.completion_tokens,
        **_CACHE,
        "cache_read_input_tokens": cached,
    }
