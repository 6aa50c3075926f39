"""Tool calls in OpenAI's form and in Ollama's: arguments as a JSON string, or as an object (pure)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def openai_calls(calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tool calls of either form in OpenAI's: each with an id and its arguments as a string."""
    return [_openai_call(number, call) for number, call in enumerate(calls)]


def _openai_call(number: int, call: dict[str, Any]) -> dict[str, Any]:
    function = dict(call.get("function") or {})
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        function["arguments"] = json.dumps(arguments if arguments is not None else {}, ensure_ascii=False)
    return {**call, "id": call.get("id") or f"call_{number}", "type": "function", "function": function}


def ollama_calls(calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tool calls of either form in Ollama's: arguments as an object. A string that is no object is kept under `arguments`."""
    return [{**call, "function": _ollama_function(dict(call.get("function") or {}))} for call in calls]


def _ollama_function(function: dict[str, Any]) -> dict[str, Any]:
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            value = json.loads(arguments or "{}")
        except ValueError:
            value = arguments
        function["arguments"] = value if isinstance(value, dict) else {"arguments": value}
    return function
