"""Translates a Responses request to chat completions: items to messages, flat formats to nested
ones (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orch.errors import OrchError
from orch.server.api.openai.tools import namespaced_name
from orch.types import Message

Item = dict[str, Any]
ROLES = ("user", "assistant", "system", "developer")
TEXT_PARTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
"""Text part types, and the field that holds the text."""
NO_LOGPROBS = "orch supports logprobs in chat completions only"


def input_messages(given: str | Sequence[Item], instructions: str | None) -> list[Message]:
    """The conversation. Raises OrchError (`bad_input`) for an item without an equivalent in a
    chat."""
    messages: list[Message] = [{"role": "system", "content": instructions}] if instructions else []
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    for number, item in enumerate(items):
        place, kind = f"input.{number}", item.get("type") or "message"
        if kind == "message":
            messages.append(
                {
                    "role": _role(item, place),
                    "content": _content(item.get("content"), f"{place}.content"),
                }
            )
        elif kind == "function_call":
            _add_call(messages, item, place)
        elif kind == "function_call_output":
            answer = _content(item.get("output"), f"{place}.output")
            messages.append(
                {"role": "tool", "tool_call_id": _text(item, "call_id", place), "content": answer}
            )
        elif kind == "item_reference":
            raise field_error(place, "orch is stateless and keeps no items: send the item itself")
        elif kind != "reasoning":  # a model's earlier reasoning is not sent to it
            raise field_error(
                place, f"orch supports messages, function calls and their outputs, not {kind!r}"
            )
    if not messages:
        raise field_error("input", "contains no message")
    return messages


def field_error(place: str, message: str) -> OrchError:
    """The error for a field of the body."""
    return OrchError(f"{place}: {message}", code="bad_input")


def _add_call(messages: list[Message], item: Item, place: str) -> None:
    """Adds a call to the assistant message before it, beside that message's other calls."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    name, arguments = (
        namespaced_name(str(item.get("namespace") or ""), _text(item, "name", place)),
        _text(item, "arguments", place),
    )
    call = {
        "id": _text(item, "call_id", place),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
    messages[-1].setdefault("tool_calls", []).append(call)


def _role(item: Item, place: str) -> str:
    role = item.get("role")
    if role not in ROLES:
        raise field_error(f"{place}.role", f"{role!r} is none of {', '.join(ROLES)}")
    return str(role)


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
