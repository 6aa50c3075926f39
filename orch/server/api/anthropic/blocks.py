"""Translates the conversation of an Anthropic request to messages as chat completions have them
(pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from orch.server.api.anthropic.documents import replace_documents
from orch.server.api.anthropic.schemas import Block, MessageInput
from orch.server.api.anthropic.tools import field_error
from orch.text.prompt import fenced_block
from orch.types import Message

BILLING_HEADER = "x-anthropic-billing-header:"
"""How the line begins that Claude Code puts before its system prompt. It differs from turn to turn,
and the model's server could not use its prefix cache behind it."""
SYSTEM_REMINDER = "<system-reminder>"
"""How Claude Code marks instructions of its own in a user's turn. As system messages they are not
taken for the question, whose kind decides which model is asked."""
_THOUGHTS = ("thinking", "redacted_thinking")
_FOREIGN = ("server_tool_use", "container_upload", "compaction", "fallback", "mcp_tool_use")
"""Parts of an answer that only Anthropic's servers understand; so are all `…_tool_result`."""
_IMAGES = "orch fetches and keeps no files: send the image as base64"
_DOCUMENTS = "orch reads documents as text only: send its text"


class Conversation(NamedTuple):
    """The messages of a request, and what was left out of them."""

    messages: list[Message]
    warnings: tuple[str, ...] = ()


def to_conversation(
    system: str | Sequence[Block] | None, messages: Sequence[MessageInput]
) -> Conversation:
    """The conversation. Raises OrchError (`bad_input`) for a block without an equivalent."""
    found: list[Message] = []
    ignored: dict[str, None] = {}
    messages, warnings = replace_documents(messages)
    if text := _system_text(system, "system"):
        found.append({"role": "system", "content": text})
    for number, message in enumerate(messages):
        place = f"messages.{number}.content"
        if message.role == "system":
            found.append({"role": "system", "content": _system_text(message.content, place)})
        elif message.role == "assistant":
            found.append(_answer(message.content, place, ignored))
        else:
            found += _turn(message.content, place)
    names = (f"a block of type {kind} was left out: this API has no such tool" for kind in ignored)
    return Conversation(found, (*warnings, *names))


def _system_text(system: str | Sequence[Block] | None, place: str) -> str:
    """A system prompt as one text, without the billing line at its head."""
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system or []
    texts = [_text(block, f"{place}.{number}") for number, block in enumerate(blocks)]
    if texts and texts[0].startswith(BILLING_HEADER):
        texts[0] = texts[0].partition("\n")[2].lstrip("\n")
    return "\n\n".join(text for text in texts if text)


# ---------------------------------------------------------------- the assistant's


def _answer(content: str | Sequence[Block], place: str, ignored: dict[str, None]) -> Message:
    if isinstance(content, str):
        return {"role": "assistant", "content": content}
    texts, thoughts, calls = list[str](), list[str](), list[dict[str, Any]]()
    for number, block in enumerate(content):
        kind, at = str(block.get("type")), f"{place}.{number}"
        if kind == "text":
            texts.append(_text(block, at))
        elif kind in _THOUGHTS:
            thoughts.append(str(block.get("thinking") or ""))
        elif kind == "tool_use":
            calls.append(_call(block, at))
        elif kind in _FOREIGN or kind.endswith("_tool_result"):
            ignored[kind] = None
        else:
            raise field_error(f"{at}.type", f"{kind!r} is not supported in an answer")
    message: Message = {"role": "assistant", "content": "\n\n".join(filter(None, texts))}
    if thinking := "\n\n".join(filter(None, thoughts)):
        message["reasoning_content"] = thinking
    return {**message, "tool_calls": calls} if calls else message


def _call(block: Block, place: str) -> dict[str, Any]:
    arguments = block.get("input", {})
    if not isinstance(arguments, dict):
        raise field_error(f"{place}.input", "must be an object")
    function = {
        "name": _field(block, "name", place),
        "arguments": arguments,
    }
    return {"id": _field(block, "id", place), "type": "function", "function": function}


# ---------------------------------------------------------------- the user's


def _turn(content: str | Sequence[Block], place: str) -> Iterator[Message]:
    """The messages of a user's turn: the results of tools and the client's own instructions, then
    what the user says."""
    if isinstance(content, str):
        yield {"role": "user", "content": content}
        return
    parts, others = list[Block](), 0
    only_reminders = all(_is_reminder(block) for block in content)
    for number, block in enumerate(content):
        at = f"{place}.{number}"
        if block.get("type") == "tool_result":
            others += 1
            yield _result(block, at)
        elif _is_reminder(block) and not only_reminders:
            others += 1
            yield {"role": "system", "content": _text(block, at)}
        else:
            parts.append(_part(block, at))
    if parts or not others:
        yield {"role": "user", "content": _joined(parts)}


def _is_reminder(block: Block) -> bool:
    return block.get("type") == "text" and str(block.get("text")).startswith(SYSTEM_REMINDER)


def _result(block: Block, place: str) -> Message:
    content = block.get("content") or ""
    if isinstance(content, list):
        inner = f"{place}.content"
        content = _joined([_part(each, f"{inner}.{number}") for number, each in enumerate(content)])
    elif not isinstance(content, str):
        raise field_error(f"{place}.content", "must be a text or a list of blocks")
    if block.get("is_error") is True:
        content = _as_error(content)
    return {
        "role": "tool",
        "tool_call_id": _field(block, "tool_use_id", place),
        "content": content,
    }


def _as_error(content: str | list[Block]) -> str | list[Block]:
    """A result marked as an error: other APIs have no field for it."""
    if isinstance(content, list):
        return [{"type": "text", "text": "Error:"}, *content]
    return (
        content if content.lower().startswith(("error", "<tool_use_error")) else f"Error: {content}"
    )


def _joined(parts: Sequence[Block]) -> str | list[Block]:
    """A text, or a list of parts if there are images."""
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return list(parts)


def _part(block: Any, place: str) -> Block:
    kind = str(block.get("type")) if isinstance(block, dict) else type(block).__name__
    if kind == "text":
        return {"type": "text", "text": _text(block, place)}
    if kind == "image":
        return _image(block, place)
    if kind in ("document", "search_result"):
        return {"type": "text", "text": _document(block, place)}
    if kind == "tool_reference":
        return {"type": "text", "text": f"The tool {_field(block, 'tool_name', place)}."}
    raise field_error(f"{place}.type", f"{kind!r} is not supported in a user's turn")


def _image(block: Block, place: str) -> Block:
    source = _source(block, place)
    if source.get("type") != "base64":
        raise field_error(f"{place}.source.type", _IMAGES)
    kind, data = (_field(source, name, f"{place}.source") for name in ("media_type", "data"))
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}


def _document(block: Block, place: str) -> str:
    """A document's text in a fence, so that it can't be taken for the instruction."""
    title = block.get("title")
    content = block.get("content") if block["type"] == "search_result" else None
    if content is None:
        source = _source(block, place)
        if source.get("type") == "text":
            content = _field(source, "data", f"{place}.source")
        elif source.get("type") == "content":
            content = source.get("content")
    if isinstance(content, list):
        texts = [_text(each, f"{place}.{number}") for number, each in enumerate(content)]
        content = "\n\n".join(texts)
    if not isinstance(content, str):
        raise field_error(f"{place}.source.type", _DOCUMENTS)
    return fenced_block(
        f"Document {title}" if isinstance(title, str) and title else "Document", content
    )


def _source(block: Block, place: str) -> Block:
    source = block.get("source")
    if not isinstance(source, dict):
        raise field_error(f"{place}.source", "must be an object")
    return source


def _text(block: Any, place: str) -> str:
    if not isinstance(block, dict) or block.get("type") != "text":
        raise field_error(f"{place}.type", "only text is supported here")
    return _field(block, "text", place)


def _field(block: Block, name: str, place: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise field_error(f"{place}.{name}", "must be a text")
    return value
