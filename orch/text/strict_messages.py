"""Puts a conversation into the form that the strictest chat templates accept: one system message
first, user and assistant in turns, tool results after their calls (pure).

Every message depends only on those before it, and on the results of its calls, so that a
conversation that grows keeps its beginning, and with it what the server's prefix cache holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orch.text.lines import one_line
from orch.text.prompt import fenced_block, message_text
from orch.text.tool_results import results_behind_calls
from orch.types import Message

INTERRUPTED_ANSWER = "[I was interrupted before I answered.]"
"""Stands for an answer that never came: strict templates refuse an empty answer, two user messages
in a row, and a user message after a tool's result."""
ASSISTANT_BEGINS = "[The assistant begins.]"
"""The user's turn before a conversation that begins with the assistant's."""
NO_RESULT = "[There is no result: the call was interrupted.]"
_ROLES = {"developer": "system", "function": "tool"}
_KNOWN = ("system", "user", "assistant", "tool")
_THINKING = ("thinking", "reasoning_content", "reasoning")


def strict_messages(messages: Sequence[Message]) -> list[Message]:
    """The same conversation with one system message at most, first, then turns of the user and of
    the assistant, the user's first. Nothing that was said is lost; empty messages are.

    The last message is the assistant's where the conversation given ends so: a text to continue.
    """
    turns = _Turns()
    known = [each for each in map(_with_known_role, messages) if _counts(each)]
    for message in results_behind_calls(known, _as_user):
        turns.add(message)
    return turns.finished() or [{**message, "role": "user"} for message in messages[-1:]]


def append_to_last_user(messages: Sequence[Message], text: str) -> list[Message]:
    """The messages with a text after a blank line at the end of the user's last one."""
    last = max(index for index, each in enumerate(messages) if each.get("role") == "user")
    name = {"name": messages[last]["name"]} if "name" in messages[last] else {}
    joined = _joined([messages[last], {"content": text, **name}])
    return [*messages[:last], joined, *messages[last + 1 :]]


# ---------------------------------------------------------------- one message


def _with_known_role(message: Message) -> Message:
    role = str(message.get("role", "user"))
    role = _ROLES.get(role, role)
    known = {**message, "role": role if role in _KNOWN else "user"}
    call = known.get("function_call")
    if isinstance(call, dict) and not known.get("tool_calls"):  # OpenAI's form before tools
        del known["function_call"]
        known["tool_calls"] = [{"type": "function", "function": call}]
    if isinstance(known.get("refusal"), str) and _is_empty({**known, "tool_calls": None}):
        known["content"] = known.pop("refusal")
    return known


def _counts(message: Message) -> bool:
    return message["role"] == "tool" or not _is_empty(message)


def _is_empty(message: Message) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    return not (
        message.get("images")
        or message.get("tool_calls")
        or message_text(message).strip()
        or any(_text_of(part) is None for part in parts)
    )


def _text_of(part: Any) -> str | None:
    """The text of a part; None for an image or any other part."""
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else None


def _as_user(result: Message) -> Message:
    """A result of no call, as part of a user's turn."""
    name = result.get("tool_name") or result.get("name") or result.get("tool_call_id")
    return _fenced(f"Result of the tool {name or 'call'}", result)


def _fenced(title: str, message: Message) -> Message:
    """A message of another role as part of a user's turn or of a tool's result."""
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    others = [part for part in parts if _text_of(part) is None]
    text = fenced_block(title, message_text(message))
    images = {"images": message["images"]} if message.get("images") else {}
    block: Any = [{"type": "text", "text": text}, *others] if others else text
    return {"role": "user", "content": block, **images}


# ---------------------------------------------------------------- the turns


class _Turns:
    """The conversation so far: the system messages, and a list of messages for each turn, which
    become one."""

    def __init__(self) -> None:
        self._system: list[Message] = []
        self._turns: list[list[Message]] = []
        self._open: list[dict[str, Any]] = []
        """Calls of the last turn that have no result yet."""

    def add(self, message: Message) -> None:
        """Adds a message behind the others."""
        role = message["role"]
        if role == "tool":
            self._add_result(message)
        elif role == "assistant":
            self._add_answer(message)
        elif role == "user":
            self._add_user(message)
        elif self._turns:
            self._add_instruction(_fenced("System instruction", message))
        else:
            self._system.append(message)

    def finished(self) -> list[Message]:
        """The messages, one for each turn. System messages alone are the user's: templates want a
        question."""
        self._close_calls()
        if self._system and not self._turns:
            return [{**_joined(self._system), "role": "user"}]
        system = [_joined(self._system)] if self._system else []
        return system + list(map(_joined, self._turns))

    @property
    def _last_role(self) -> str:
        return str(self._turns[-1][0]["role"]) if self._turns else ""

    def _append(self, message: Message) -> None:
        self._turns.append([message])

    def _add_user(self, message: Message) -> None:
        self._close_calls()
        if self._last_role == "user":
            self._turns[-1].append(message)
            return
        if self._last_role == "tool":
            self._append({"role": "assistant", "content": INTERRUPTED_ANSWER})
        self._append(message)

    def _add_answer(self, message: Message) -> None:
        if self._last_role == "assistant":
            self._turns[-1].append(message)
        else:
            self._close_calls()
            if not self._turns:
                self._append({"role": "user", "content": ASSISTANT_BEGINS})
            self._append(message)
        self._open += message.get("tool_calls") or ()

    def _add_result(self, message: Message) -> None:
        call_id, name = message.get("tool_call_id"), message.get("tool_name") or message.get("name")
        same = (
            place
            for place, call in enumerate(self._open)
            if (
                call.get("id") == call_id if call_id else _tool(call) == name and not call.get("id")
            )
        )
        del self._open[next(same, 0)]
        self._append(message)

    def _add_instruction(self, message: Message) -> None:
        """A system message within the conversation: part of the user's turn, or of the results
        that the assistant goes on from."""
        self._close_calls()
        if self._last_role == "tool":
            self._turns[-1].append({**message, "role": "tool"})
        else:
            self._add_user(message)

    def _close_calls(self) -> None:
        """Gives each call without a result one that says so: strict templates count them."""
        for call in self._open:
            name = _tool(call)
            ids = {"tool_call_id": call["id"]} if call.get("id") else {}
            names = {"tool_name": name} if name and not ids else {}
            self._append({"role": "tool", **ids, **names, "content": NO_RESULT})
        self._open = []


def _tool(call: dict[str, Any]) -> Any:
    return (call.get("function") or {}).get("name")


# ---------------------------------------------------------------- several messages as one


def _joined(messages: Sequence[Message]) -> Message:
    """One message with the contents of all, separated by blank lines; the first one's other fields
    count."""
    if len(messages) == 1:
        return messages[0]
    joined: Message = {}
    for message in reversed(messages):
        joined |= message
    if joined["role"] != "tool" and len({message.get("name") for message in messages}) > 1:
        joined.pop("name", None)
        messages = [_with_speaker(message) for message in messages]
    for field in ("images", "tool_calls"):
        if together := [each for message in messages for each in message.get(field) or ()]:
            joined[field] = together
    for field in _THINKING:
        texts = [text for each in messages if isinstance(text := each.get(field), str) and text]
        if texts:
            joined[field] = "\n\n".join(texts)
    return {**joined, "content": _joined_content([each.get("content") for each in messages])}


def _with_speaker(message: Message) -> Message:
    """A message with the name of who speaks before its text."""
    if message["role"] != "user" or not message.get("name"):
        return message
    name, content = f"{one_line(str(message['name']))}: ", message.get("content")
    if not isinstance(content, list):
        return {**message, "content": f"{name}{content or ''}"}
    if content and (text := _text_of(content[0])) is not None:
        return {**message, "content": [{**content[0], "text": name + text}, *content[1:]]}
    return {**message, "content": [{"type": "text", "text": name}, *content]}


def _joined_content(contents: Sequence[Any]) -> str | list[Any]:
    """Texts as one text; as a list of parts where one of them is a list."""
    if not any(isinstance(content, list) for content in contents):
        return "\n\n".join(str(content) for content in contents if content)
    parts: list[Any] = []
    texts: list[str] = []
    """Of the last part, if that is a text: what is joined with it."""
    for content in contents:
        pieces = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        for position, part in enumerate(pieces):
            text = _text_of(part)
            if position == 0 and texts and text is not None:
                texts.append(text)
                continue
            _close_text(parts, texts)
            parts.append(part)
            texts = [] if text is None else [text]
    _close_text(parts, texts)
    return parts


def _close_text(parts: list[Any], texts: Sequence[str]) -> None:
    if len(texts) > 1:
        parts[-1] = {**parts[-1], "text": "\n\n".join(text for text in texts if text)}
