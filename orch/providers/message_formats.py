"""Messages and tool calls in OpenAI's form and in Ollama's: clients send either, and each server
gets its own (pure)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from orch.errors import ProviderError
from orch.types import Message


def to_openai_calls(
    calls: Sequence[dict[str, Any]], turn: object, before: int = 0
) -> list[dict[str, Any]]:
    """Tool calls of either form in OpenAI's: each with an id and its arguments as a string.

    A made up id must differ from those of other turns: it holds what names the `turn`, and
    `before`, the calls that came earlier in it.
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
    """Tool calls of either form in Ollama's: arguments as an object. A string that is no object is
    kept under `arguments`."""
    return [
        {**call, "function": _ollama_function(dict(call.get("function") or {}))} for call in calls
    ]


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

_ROLES = {"developer": "system"}
"""Chat templates of local models know no developer."""
_MIMES = {"/9j/": "image/jpeg", "R0lG": "image/gif", "UklG": "image/webp"}
"""How the base64 of an image begins, other than PNG."""


def to_ollama_messages(messages: Sequence[Message]) -> list[Message]:
    """A conversation as Ollama reads it: text and images apart, arguments as objects, a tool's
    answer under the tool's name. Raises BackendError."""
    names: dict[Any, str] = {}
    found: list[Message] = []
    for message in messages:
        made = _flat(message)
        if calls := made.get("tool_calls"):
            names |= {
                call.get("id"): (call.get("function") or {}).get("name", "") for call in calls
            }
            made["tool_calls"] = to_ollama_calls(calls)
        if (
            made["role"] == "tool"
            and "tool_name" not in made
            and (name := names.get(made.get("tool_call_id"), made.get("name")))
        ):
            made["tool_name"] = name
        thought = made.get("reasoning_content") or made.get("reasoning")
        found.append(
            {**made, "thinking": thought}
            if isinstance(thought, str) and "thinking" not in made
            else made
        )
    return found


def _flat(message: Message) -> Message:
    made = {**message, "role": _role(message), "content": message.get("content") or ""}
    parts = made["content"] if isinstance(made["content"], list) else []
    images = [bare for image in message.get("images") or () if (bare := _bare(image))]
    images += [_image(part) for part in parts if part.get("type") in ("image_url", "input_image")]
    if parts:
        made["content"] = "\n".join(
            _text(part) for part in parts if part.get("type") not in ("image_url", "input_image")
        )
    return {**made, **({"images": images} if images else {})}


def _role(message: Message) -> str:
    role = str(message.get("role", "user"))
    return _ROLES.get(role, role)


def _text(part: dict[str, Any]) -> str:
    said = part.get("text", part.get("refusal"))
    if said is None:
        raise ProviderError(
            "rejected",
            "Ollama takes text and images, and the message holds a part of type"
            f" {part.get('type')}",
        )
    return str(said)


def _image(part: dict[str, Any]) -> str:
    told = part.get("image_url")
    return _bare(str(told.get("url", "") if isinstance(told, dict) else told or ""))


def _bare(url: str) -> str:
    """The base64 of an image."""
    head, _, data = url.rpartition("base64,")
    if head or not (url.startswith("data:") or "://" in url[:20]):
        return data
    raise ProviderError(
        "rejected", "Ollama takes images as base64 only (a data: URL), and orch fetches nothing"
    )


def to_openai_messages(messages: Sequence[Message]) -> list[Message]:
    """A conversation as OpenAI's API reads it: images as parts, arguments as strings, every call
    with an id and every tool's answer with its call's."""
    ids = _Ids(messages)
    found: list[Message] = []
    for message in messages:
        made = _with_parts(message)
        if calls := made.get("tool_calls"):
            made["tool_calls"] = ids.of_calls(calls)
        if made["role"] == "tool":
            made["tool_call_id"] = ids.of_answer(
                made.get("tool_call_id"), made.pop("tool_name", None)
            )
        if thought := made.pop("thinking", None):
            made.setdefault("reasoning_content", thought)
        found.append(made)
    return found


class _Ids:
    """Ids of tool calls: as they were given, made up where there is none, and found again for the
    answers that name no call."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._given = {
            call.get("id") for message in messages for call in message.get("tool_calls") or ()
        }
        self._unanswered: list[tuple[str, str]] = []

    def of_calls(self, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        named = to_openai_calls(
            [{**call, "id": call.get("id") or self._new()} for call in calls], turn="made up above"
        )
        self._unanswered += [(call["id"], call["function"].get("name", "")) for call in named]
        return named

    def of_answer(self, given: str | None, name: str | None) -> str:
        """The call that an answer belongs to: the one it names, else the first of that tool's that
        has no answer yet, else the first one."""
        open_calls = self._unanswered
        fits = (
            at
            for at, (call, tool) in enumerate(open_calls)
            if (call == given if given else name in (None, tool))
        )
        at = next(fits, 0 if open_calls and not given else None)
        called = open_calls.pop(at)[0] if at is not None else ""
        return given or called or self._new()

    def _new(self) -> str:
        found = next(name for number in count() if (name := f"call_{number}") not in self._given)
        self._given.add(found)
        return found


def _with_parts(message: Message) -> Message:
    made = {key: value for key, value in message.items() if key != "images"} | {
        "role": _role(message)
    }
    images, content = message.get("images"), message.get("content")
    if images:
        said = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        made["content"] = [
            *said,
            *({"type": "image_url", "image_url": {"url": _data_url(image)}} for image in images),
        ]
    return made


def _data_url(image: str) -> str:
    return (
        image
        if image.startswith("data:")
        else f"data:{_MIMES.get(image[:4], 'image/png')};base64,{image}"
    )
