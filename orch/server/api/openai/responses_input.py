"""Translates a Responses request to chat completions: items to messages, flat formats to nested
ones (pure)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from orch.server.api.field_path import field_error
from orch.server.api.openai.foreign_items import FOREIGN_CALLS, FOREIGN_OUTPUTS, hosted_result
from orch.server.api.openai.tools import namespaced_name
from orch.types import Message

Item = dict[str, Any]
ROLES = ("user", "assistant", "system", "developer")
TEXT_PARTS = {
    "input_text": "text",
    "output_text": "text",
    "text": "text",
    "summary_text": "text",
    "reasoning_text": "text",
    "refusal": "refusal",
}
"""Text part types, and the field that holds the text."""
NO_LOGPROBS = "orch supports logprobs in chat completions only"
UNSENT_ITEMS = frozenset({"reasoning"})
"""Items that are left out without a warning: a model's earlier reasoning is not sent to it."""


class Conversation(NamedTuple):
    """The messages of a request's items, and a warning for each kind of item that was left out."""

    messages: list[Message]
    warnings: tuple[str, ...]


def input_messages(
    given: str | Sequence[Item], instructions: str | None, before: Sequence[Message] = ()
) -> Conversation:
    """The conversation: instructions, the messages `before`, then the items. Items of kinds that no
    model can be sent are left out. Raises OrchError (`bad_input`) for a malformed one, and where
    nothing is left to answer."""
    head = [{"role": "system", "content": instructions}] if instructions else []
    reader = _Reader([*head, *before])
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    for number, item in enumerate(items):
        reader.add(item, f"input.{number}")
    if not reader.messages:
        raise field_error("input", "contains no message")
    return Conversation(reader.messages, tuple(reader.warnings))


class _Reader:
    """The messages so far."""

    def __init__(self, messages: list[Message]) -> None:
        self.messages = messages
        self.warnings: dict[str, None] = {}

    def add(self, item: Item, place: str) -> None:
        """Adds an item, or a warning that it was left out."""
        kind = str(item.get("type") or "message")
        if read := _READERS.get(kind):
            read(self, item, place)
        elif kind in FOREIGN_CALLS:
            name, arguments = FOREIGN_CALLS[kind](item)
            self._add_foreign_call(item, name, arguments)
        elif kind in FOREIGN_OUTPUTS:
            self._add_result(_call_id(item), FOREIGN_OUTPUTS[kind](item))
        elif kind not in UNSENT_ITEMS:
            self.warnings[f"an input item of the type {kind:.60} was left out"] = None

    def add_message(self, item: Item, place: str) -> None:
        """A message. An instruction within the conversation has the developer's role, which is
        kept apart from the request's `instructions`."""
        role = item.get("role")
        if role not in ROLES:
            raise field_error(f"{place}.role", f"{role!r} is none of {', '.join(ROLES)}")
        content = _content(item.get("content"), f"{place}.content")
        role = "developer" if role == "system" else str(role)
        self.messages.append({"role": role, "content": content})

    def add_call(self, item: Item, place: str) -> None:
        """A function call."""
        name = namespaced_name(str(item.get("namespace") or ""), _text(item, "name", place))
        self._add_call(_text(item, "call_id", place), name, _text(item, "arguments", place))

    def add_output(self, item: Item, place: str) -> None:
        """The result of a call: a text or parts."""
        answer = _content(item.get("output"), f"{place}.output")
        self._add_result(_text(item, "call_id", place), answer)

    def _add_foreign_call(self, item: Item, name: str, arguments: Any) -> None:
        call = _call_id(item)
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        self._add_call(call, name, text)
        if (result := hosted_result(item)) is not None:
            self._add_result(call, result)

    def _add_call(self, call_id: str, name: str, arguments: str) -> None:
        """Adds a call to the assistant message before it, beside that message's other calls."""
        if not self.messages or self.messages[-1]["role"] != "assistant":
            self.messages.append({"role": "assistant", "content": None})
        function = {"name": name, "arguments": arguments}
        call = {"id": call_id, "type": "function", "function": function}
        last = self.messages[-1] = {**self.messages[-1]}
        last["tool_calls"] = [*(last.get("tool_calls") or ()), call]

    def _add_result(self, call_id: str, content: str | list[dict[str, Any]]) -> None:
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": content})


_READERS: dict[str, Callable[[_Reader, Item, str], None]] = {
    "message": _Reader.add_message,
    "function_call": _Reader.add_call,
    "function_call_output": _Reader.add_output,
    "custom_tool_call_output": _Reader.add_output,
}
"""The items of functions and messages, which must be well-formed."""


def _call_id(item: Item) -> str:
    """The id by which a call and its output belong together."""
    return str(item.get("call_id") or item.get("id") or "call")


def _text(item: Item, name: str, place: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise field_error(f"{place}.{name}", "must be a text")
    return value


def _content(value: Any, place: str) -> str | list[dict[str, Any]]:
    """A text, or a list of parts if there are images."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise field_error(place, "must be a text or a list of parts")
    parts = [_part(part, f"{place}.{number}") for number, part in enumerate(value)]
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _part(part: Any, place: str) -> dict[str, Any]:
    kind = str(part.get("type")) if isinstance(part, dict) else type(part).__name__
    if kind in TEXT_PARTS:
        return {"type": "text", "text": _text(part, TEXT_PARTS[kind], place)}
    if kind != "input_image":
        raise field_error(place, f"orch supports texts and images, not {kind!r}")
    if part.get("image_url") is None and part.get("file_id") is not None:
        raise field_error(place, "orch keeps no files: send the image as a data: URL")
    detail = {"detail": part["detail"]} if part.get("detail") else {}
    return {"type": "image_url", "image_url": {"url": _text(part, "image_url", place), **detail}}


# ---------------------------------------------------------------- formats


def response_format_of(form: Any) -> dict[str, Any] | None:
    """`text.format` as response_format; None for plain text."""
    kind = form.get("type") if isinstance(form, dict) else form
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return {"type": "json_object"}
    if kind != "json_schema" or not isinstance(form.get("schema"), dict):
        raise field_error("text.format", "text, json_object, or json_schema with a schema")
    return {
        "type": "json_schema",
        "json_schema": {
            name: value for name, value in form.items() if name != "type" and value is not None
        },
    }
