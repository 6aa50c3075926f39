"""Converts messages and tool calls between OpenAI's and Ollama's formats: clients send either, and
each server gets its own (pure)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from orch.errors import ProviderError
from orch.providers.streams.values import parse_text
from orch.types import Message

MAX_DEPTH = 100
"""Levels of a call's arguments that are parsed: what writes the answer refuses some 250."""


def to_openai_calls(
    calls: Sequence[dict[str, Any]], turn: object, before: int = 0
) -> list[dict[str, Any]]:
    """Converts tool calls to OpenAI's format: each with an id and its arguments as a string.

    A generated id must differ from those of other turns. It contains `turn`, which identifies the
    turn, and a number that counts from `before`, the number of earlier calls in it.
    """
    return [
        _openai_call(f"call_{turn}_{number}", call) for number, call in enumerate(calls, before)
    ]


def _openai_call(name: str, call: dict[str, Any]) -> dict[str, Any]:
    function = dict(call.get("function") or {})
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        function["arguments"] = json.dumps(
            arguments if arguments is not None else {}, ensure_ascii=False
        )
    return {**call, "id": call.get("id") or name, "type": "function", "function": function}


def to_ollama_calls(calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Converts tool calls to Ollama's format: arguments as an object. A string that is not a JSON
    object is kept under the key `arguments`."""
    return [
        {**call, "function": _ollama_function(dict(call.get("function") or {}))} for call in calls
    ]


def _ollama_function(function: dict[str, Any]) -> dict[str, Any]:
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        value = parse_arguments(arguments)
        function["arguments"] = value if isinstance(value, dict) else {"arguments": value}
    return function


def parse_arguments(text: str) -> Any:
    """The arguments of a call from their JSON, with halves of surrogate pairs replaced, which no
    UTF-8 has. What is no JSON, or nested too deeply, stays a text."""
    try:
        value = json.loads(text if text.strip() else "{}", parse_constant=_refuse_constant)
        if "\\u" in text:
            value = json.loads(parse_text(json.dumps(value, ensure_ascii=False)))
    except (ValueError, RecursionError):
        return text
    return text if is_too_deep(value) else value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def is_too_deep(value: Any) -> bool:
    """Whether a value has more than MAX_DEPTH levels."""
    layer = [value]
    for _ in range(MAX_DEPTH):
        if not layer:
            return False
        containers = (each for each in layer if isinstance(each, dict | list))
        layer = [
            inner
            for each in containers
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return bool(layer)


# ---------------------------------------------------------------- whole conversations

_IMAGE_PARTS = ("image_url", "input_image")
_ROLES = {"developer": "system"}
"""Chat templates of local models don't know the role developer."""
_MIMES = {"/9j/": "image/jpeg", "R0lG": "image/gif", "UklG": "image/webp"}
"""The first base64 characters of image formats other than PNG."""


def to_ollama_messages(messages: Sequence[Message]) -> list[Message]:
    """Converts a conversation to Ollama's format: text and images separated, arguments as objects,
    a tool's result with the tool's name. Raises ProviderError."""
    unanswered: list[tuple[Any, str]] = []
    converted: list[Message] = []
    for original in messages:
        message = _separate_images(original)
        if calls := message.get("tool_calls"):
            unanswered += [
                (call.get("id"), (call.get("function") or {}).get("name", "")) for call in calls
            ]
            message["tool_calls"] = to_ollama_calls(calls)
        if message["role"] == "tool" and (name := _tool_answered(unanswered, message)):
            message["tool_name"] = name
        thinking = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(thinking, str):
            message.setdefault("thinking", thinking)
        converted.append(message)
    return converted


def _tool_answered(unanswered: list[tuple[Any, str]], result: Message) -> str:
    """The name of the tool that a result is from: of the call that it names by id, its own, or
    that of the first unanswered call. Takes that call out."""
    given, call_id = result.get("tool_name") or result.get("name"), result.get("tool_call_id")
    matches = (
        position
        for position, (id_, name) in enumerate(unanswered)
        if (id_ == call_id if call_id else given in (None, name))
    )
    position = next(matches, None)
    name = unanswered.pop(position)[1] if position is not None else ""
    return str(result.get("tool_name") or name or given or "")


def _separate_images(original: Message) -> Message:
    content = original.get("content") or ""
    parts = content if isinstance(content, list) else []
    images = [data for image in original.get("images") or () if (data := _base64(image))]
    images += [_image(part) for part in parts if part.get("type") in _IMAGE_PARTS]
    if parts:
        content = "\n".join(_text(part) for part in parts if part.get("type") not in _IMAGE_PARTS)
    message = {**original, "role": _role(original), "content": content}
    return {**message, **({"images": images} if images else {})}


def _role(message: Message) -> str:
    role = str(message.get("role", "user"))
    return _ROLES.get(role, role)


def _text(part: dict[str, Any]) -> str:
    text = part.get("text", part.get("refusal"))
    if text is None:
        raise ProviderError(
            "bad_input",
            "Ollama takes text and images, and the message contains a part of type"
            f" {part.get('type')}",
        )
    return str(text)


def _image(part: dict[str, Any]) -> str:
    url = part.get("image_url")
    return _base64(str(url.get("url", "") if isinstance(url, dict) else url or ""))


def _base64(url: str) -> str:
    """The base64 data of an image, without the head of a data: URL."""
    head, _, data = url.rpartition("base64,")
    if head or not (url.startswith("data:") or "://" in url[:20]):
        return data
    raise ProviderError(
        "bad_input", "Ollama takes images as base64 only (a data: URL), and orch fetches nothing"
    )


def to_openai_messages(messages: Sequence[Message]) -> list[Message]:
    """Converts a conversation to OpenAI's format: images as parts, arguments as strings, every call
    with an id and every tool's result with the id of its call."""
    ids = _CallIds(messages)
    converted: list[Message] = []
    for original in messages:
        message = _with_image_parts(original)
        if calls := message.get("tool_calls"):
            message["tool_calls"] = ids.add_calls(calls)
        if message["role"] == "tool":
            name = message.pop("tool_name", None) or message.get("name")
            message["tool_call_id"] = ids.match_result(message.get("tool_call_id"), name)
        if thinking := message.pop("thinking", None):
            message.setdefault("reasoning_content", thinking)
        converted.append(message)
    return converted


class _CallIds:
    """Ids of tool calls: kept if present, generated otherwise, and matched to the results that name
    no call."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._used = {
            call.get("id") for message in messages for call in message.get("tool_calls") or ()
        }
        self._unanswered: list[tuple[str, str]] = []

    def add_calls(self, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        with_ids = [
            {**call, "id": call.get("id") or self._generate(), "function": _sendable(call)}
            for call in calls
        ]
        converted = to_openai_calls(with_ids, turn="unused: every call has an id")
        self._unanswered += [(call["id"], call["function"].get("name", "")) for call in converted]
        return converted

    def match_result(self, call_id: str | None, name: str | None) -> str:
        """The id of the call that a result belongs to: the one it names, else the first unanswered
        call of that tool, else the first unanswered call."""
        unanswered = self._unanswered
        matches = (
            position
            for position, (id_, tool) in enumerate(unanswered)
            if (id_ == call_id if call_id else name in (None, tool))
        )
        position = next(matches, 0 if unanswered and not call_id else None)
        matched = unanswered.pop(position)[0] if position is not None else ""
        return call_id or matched or self._generate()

    def _generate(self) -> str:
        new = next(name for number in count() if (name := f"call_{number}") not in self._used)
        self._used.add(new)
        return new


def _sendable(call: dict[str, Any]) -> dict[str, Any]:
    """The function of an earlier call with arguments that every server can read: llama.cpp and vLLM
    refuse a whole conversation for a text that is not JSON, which stays under `arguments`."""
    function = dict(call.get("function") or {})
    arguments = function.get("arguments")
    if isinstance(arguments, str) and not arguments.strip():
        function["arguments"] = "{}"
    elif isinstance(arguments, str) and not isinstance(parse_arguments(arguments), dict):
        function["arguments"] = json.dumps({"arguments": arguments}, ensure_ascii=False)
    return function


def _with_image_parts(original: Message) -> Message:
    message = {key: value for key, value in original.items() if key != "images"}
    message["role"] = _role(original)
    if images := original.get("images"):
        content = original.get("content")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        urls = ({"url": _data_url(image)} for image in images)
        message["content"] = [*parts, *({"type": "image_url", "image_url": url} for url in urls)]
    return message


def _data_url(image: str) -> str:
    if image.startswith("data:"):
        return image
    return f"data:{_MIMES.get(image[:4], 'image/png')};base64,{image}"
