"""Messages and tool calls in OpenAI's form and in Ollama's: clients send either, and each server gets its own (pure)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from orch.errors import BackendError
from orch.types import Message


def openai_calls(calls: Sequence[dict[str, Any]], turn: object, before: int = 0) -> list[dict[str, Any]]:
    """Tool calls of either form in OpenAI's: each with an id and its arguments as a string.

    A made up id must differ from those of other turns: it holds what names the `turn`, and `before`, the calls that came earlier in it.
    """
    return [_openai_call(f"call_{turn}_{number}", call) for number, call in enumerate(calls, before)]


def _openai_call(name: str, call: dict[str, Any]) -> dict[str, Any]:
    function = dict(call.get("function") or {})
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        function["arguments"] = json.dumps(arguments if arguments is not None else {}, ensure_ascii=False)
    return {**call, "id": call.get("id") or name, "type": "function", "function": function}


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


# ---------------------------------------------------------------- whole conversations


def for_ollama(messages: Sequence[Message]) -> list[Message]:
    """A conversation as Ollama reads it: text and images apart, arguments as objects, a tool's answer under the tool's name. Raises BackendError."""
    names: dict[str, str] = {}
    found: list[Message] = []
    for message in messages:
        made = _flat(message)
        if made.get("role") == "developer":
            made["role"] = "system"
        if made.get("tool_calls"):
            names |= {str(call.get("id")): str((call.get("function") or {}).get("name", "")) for call in made["tool_calls"] if call.get("id")}
            made["tool_calls"] = ollama_calls(made["tool_calls"])
        if made.get("role") == "tool" and "tool_name" not in made and made.get("tool_call_id") in names:
            made["tool_name"] = names[made["tool_call_id"]]
        found.append(made)
    return found


def _flat(message: Message) -> Message:
    content = message.get("content")
    if not isinstance(content, list):
        return {**message, "content": content or ""}
    texts = [str(part.get("text", "")) for part in content if part.get("type") in ("text", "input_text", "output_text")]
    images = [_image(part) for part in content if part.get("type") in ("image_url", "input_image")]
    return {**message, "content": "\n".join(texts), **({"images": images} if images else {})}


def _image(part: dict[str, Any]) -> str:
    told = part.get("image_url")
    url = str(told.get("url", "") if isinstance(told, dict) else told or "")
    if url.startswith(("http://", "https://")):
        raise BackendError("rejected", "Ollama takes images as data: URLs only, and orch fetches nothing")
    return url.partition("base64,")[2] or url


def for_openai(messages: Sequence[Message]) -> list[Message]:
    """A conversation as OpenAI's API reads it: images as parts, arguments as strings, every call with an id and every tool's answer with its call's."""
    found: list[Message] = []
    waiting: list[tuple[str, str]] = []
    for message in messages:
        made = _with_parts(message)
        if made.get("tool_calls"):
            made["tool_calls"] = openai_calls(made["tool_calls"], len(found))
            waiting = [(call["id"], call["function"].get("name", "")) for call in made["tool_calls"]]
        if made.get("role") == "tool" and "tool_call_id" not in made:
            name = made.pop("tool_name", None)
            place = next((at for at, (_, called) in enumerate(waiting) if name in (None, called)), 0)
            made["tool_call_id"] = waiting.pop(place)[0] if waiting else "call_0"
        found.append(made)
    return found


def _with_parts(message: Message) -> Message:
    images = message.get("images")
    if not images:
        return dict(message)
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.get("content") or ""}]
    parts += [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}} for image in images]
    return {**{key: value for key, value in message.items() if key != "images"}, "content": parts}
