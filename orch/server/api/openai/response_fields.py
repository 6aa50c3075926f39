"""The response object of OpenAI's Responses, without its items (pure but for the time)."""

from __future__ import annotations

import time
from typing import Any

from pydantic_core import to_json

from orch.server.api.openai.schemas import ResponsesRequest
from orch.types import RunResult, Usage

DEFAULTS: dict[str, Any] = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "max_tool_calls": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "top_logprobs": 0,
}
"""Fields that a response repeats from the request, with what OpenAI and Ollama say if it has
none."""
MAX_ECHO_BYTES = 4_096
"""Of a field's JSON that a response repeats from its request. A stream has it three times, and an
agent sends tools of a hundred kilobytes. OpenAI's library requires `tools` to be a list, and takes
what it parses from the request."""


def initial_response(
    body: ResponsesRequest,
    run_id: str,
    model: str,
    *,
    is_stored: bool,
    created_at: int | None = None,
) -> dict[str, Any]:
    """The response before its first item, with the request's parameters, or OpenAI's defaults."""
    fields = body.model_extra or {}
    return {
        "id": f"resp_{run_id}",
        "object": "response",
        "created_at": created_at or int(time.time()),
        "completed_at": None,
        "status": "in_progress",
        "model": model,
        "output": [],
        "error": None,
        "incomplete_details": None,
        "usage": None,
        "instructions": bounded(body.instructions, None),
        "max_output_tokens": body.max_output_tokens,
        "metadata": bounded(body.metadata, {}),
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "reasoning": {"effort": None, "summary": None, **bounded(body.reasoning, {})},
        "temperature": _or(body.temperature, 1),
        "text": {"format": {"type": "text"}, **bounded(body.text, {})},
        "tool_choice": bounded(body.tool_choice or None, "auto"),
        "tools": bounded(body.tools, []),
        "top_p": _or(body.top_p, 1),
        **{name: bounded(fields.get(name), default) for name, default in DEFAULTS.items()},
        "truncation": "disabled",
        "service_tier": "default",
        "background": False,
        "previous_response_id": body.previous_response_id,
        "store": is_stored,
    }


def bounded(value: Any, default: Any) -> Any:
    """A value that a response repeats; the default for none, and for one that is too long."""
    is_long = value is not None and len(to_json(value)) > MAX_ECHO_BYTES
    return default if value is None or is_long else value


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def final_fields(result: RunResult, model: str) -> dict[str, Any]:
    """The fields of the response that the end of a run sets."""
    cut = result.response.finish_reason == "length"
    usage = responses_usage(result.response.usage)
    return {**end_fields(int(time.time()), usage, is_cut=cut), "model": model}


def end_fields(at: int, usage: dict[str, Any], *, is_cut: bool) -> dict[str, Any]:
    """The status of a response that ended at a time (seconds since the epoch), and its tokens."""
    return {
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "completed_at": None if is_cut else at,
        "usage": usage,
    }


def responses_usage(counted: Usage) -> dict[str, Any]:
    """Token counts as Responses names them; the details must be numbers, also where the server
    does not report them."""
    return {
        "input_tokens": counted.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": counted.cached_tokens or 0,
            "cache_write_tokens": 0,
        },
        "output_tokens": counted.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counted.prompt_tokens + counted.completion_tokens,
    }
