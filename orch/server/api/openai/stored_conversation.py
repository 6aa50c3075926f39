"""A recorded run as the conversation that a further request continues, and as the items that it
came from (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from orch.providers.message_formats import to_openai_calls
from orch.server.api.field_path import field_error
from orch.text.prompt import message_text
from orch.text.slices import is_image_data_url
from orch.types import Message

Item = dict[str, Any]
MAX_STORED_MESSAGES, MAX_STORED_CHARS = 4_096, 16_000_000
"""Messages of a conversation that is continued by an id, and characters of them. A request's body
has similar limits, and no model reads as much."""
REDACTED_WARNING = (
    "the conversation before was taken from the journal, which redacts secrets: the model does not"
    " see those"
)
IMAGES_WARNING = (
    "the conversation before was taken from the journal, which keeps no images: the model does not"
    " see those; send them again"
)


class StoredConversation(NamedTuple):
    """Everything before a request: messages without instructions, warnings about what they lack,
    and the session in the journal."""

    messages: list[Message]
    warnings: tuple[str, ...] = ()
    session: str = ""


NOTHING_BEFORE = StoredConversation([])


def conversation_of(row: Mapping[str, Any]) -> StoredConversation:
    """The conversation up to the answer of a run, from a row of `find_response`. Raises OrchError
    (`bad_input`) for one that is too long."""
    stored = row["messages"] or []
    messages = [_without_placeholders(message) for message in stored]
    warnings = ((REDACTED_WARNING,) if row["redacted"] else ()) + (
        (IMAGES_WARNING,) if messages != stored else ()
    )
    messages = _with_answer(messages, answer_of(row))
    _check_size(messages)
    return StoredConversation(messages, warnings, str(row.get("session") or ""))


def _with_answer(messages: list[Message], answer: Message) -> list[Message]:
    """The messages and the answer, which goes on from the text of an assistant at the end."""
    last = messages[-1] if messages else {}
    begun = last.get("content")
    if last.get("role") != "assistant" or last.get("tool_calls") or not isinstance(begun, str):
        return [*messages, answer]
    return [*messages[:-1], {**answer, "content": begun + (answer["content"] or "")}]


def answer_of(row: Mapping[str, Any]) -> Message:
    """The answer with its calls, whose ids are those that the client was given."""
    calls = (row["response"] or {}).get("tool_calls") or []
    answer: Message = {"role": "assistant", "content": row["answer"] or None}
    if calls:
        answer["tool_calls"] = to_openai_calls(calls, row["run_id"])
    return answer


def _check_size(messages: Sequence[Message]) -> None:
    chars = sum(len(str(message)) for message in messages)
    if len(messages) > MAX_STORED_MESSAGES or chars > MAX_STORED_CHARS:
        raise field_error(
            "previous_response_id",
            f"the conversation before has {len(messages):,} messages of {chars:,} characters, more"
            f" than {MAX_STORED_MESSAGES:,} or {MAX_STORED_CHARS:,}: send a shorter one as input",
        )


def _without_placeholders(message: Message) -> Message:
    """The message with text in place of an image, of which the journal keeps the size."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_part_without_placeholder(part) for part in content]}


def _part_without_placeholder(part: Any) -> Any:
    image = part.get("image_url") if isinstance(part, dict) else None
    url = str(image.get("url")) if isinstance(image, dict) else ""
    if not image or is_image_data_url(url) or "://" in url:
        return part
    return {"type": "text", "text": url}


# ---------------------------------------------------------------- the items


def input_items(run_id: str, messages: Sequence[Message]) -> list[Item]:
    """The messages of a request as items of the Responses API, in order."""
    items: list[Item] = []
    for message in messages:
        if message.get("role") == "tool":
            output = {"call_id": message.get("tool_call_id"), "output": _text(message)}
            items.append({"type": "function_call_output", **output})
            continue
        if message.get("content"):
            items.append(_message_item(message))
        items += map(_call_item, message.get("tool_calls") or ())
    ids = (f"in_{run_id}_{number}" for number in range(len(items)))
    return [
        {"id": name, "status": "completed", **item} for name, item in zip(ids, items, strict=True)
    ]


def _message_item(message: Message) -> Item:
    role = message.get("role")
    part: Item = {"type": "input_text", "text": _text(message)}
    if role == "assistant":
        part |= {"type": "output_text", "annotations": []}
    return {"type": "message", "role": role, "content": [part]}


def _call_item(call: Mapping[str, Any]) -> Item:
    function = call.get("function") or {}
    fields = {name: function.get(name) for name in ("name", "arguments")}
    return {"type": "function_call", "call_id": call.get("id"), **fields}


def _text(message: Message) -> str:
    return message_text(_without_placeholders(message))
