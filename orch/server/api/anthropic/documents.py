"""Documents that orch cannot read, such as PDFs, in what a client sends again at every turn
(pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orch.server.api.anthropic.schemas import Block, MessageInput

MAX_NAME_CHARS = 200
"""Characters of a title or a media type in the text that stands for a document."""
LEFT_OUT = "documents that are not text were left out: orch reads documents as text only"
_FILES = {"base64": "application/pdf", "url": "from a URL", "file": "a stored file"}
"""Sources that are no text, and what is said of one without a media type."""


def replace_documents(
    messages: Sequence[MessageInput],
) -> tuple[Sequence[MessageInput], tuple[str, ...]]:
    """The messages with a line of text for each document that is no text, and the warning.

    Those in the user's last message stay, to be refused: the model would invent an answer. Those of
    earlier turns, in a tool's result or beside one are sent again at every turn, and a refusal
    would end the conversation.
    """
    last = max((at for at, each in enumerate(messages) if each.role == "user"), default=-1)
    found = [_without_files(each, is_last=at == last) for at, each in enumerate(messages)]
    is_changed = any(new is not old for new, old in zip(found, messages, strict=True))
    return found, (LEFT_OUT,) if is_changed else ()


def _without_files(message: MessageInput, *, is_last: bool) -> MessageInput:
    content = message.content
    if message.role != "user" or isinstance(content, str):
        return message
    is_question = is_last and all(block.get("type") != "tool_result" for block in content)
    replaced = list(content) if is_question else [_replaced(block) for block in content]
    return message if replaced == content else message.model_copy(update={"content": replaced})


def _replaced(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    inner, source = block.get("content"), block.get("source")
    if block.get("type") == "tool_result" and isinstance(inner, list):
        return {**block, "content": [_replaced(each) for each in inner]}
    is_file = isinstance(source, dict) and source.get("type") in ("base64", "url", "file")
    return _placeholder(block) if block.get("type") == "document" and is_file else block


def _placeholder(block: Block) -> Block:
    source, title = block["source"], block.get("title")
    kind = _line(source.get("media_type")) or _FILES[source["type"]]
    name = f" {_line(title)!r}" if _line(title) else ""
    text = f"[The document{name} ({kind}) was left out: only its text could be read here.]"
    return {"type": "text", "text": text}


def _line(value: Any) -> str:
    return " ".join(value.split())[:MAX_NAME_CHARS] if isinstance(value, str) else ""
