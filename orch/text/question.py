"""Finds the person's question in a conversation: without what clients put into the user's messages
of their own accord (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orch.types import Message

CLIENT_TAGS = (
    "system-reminder",  # Claude Code, OpenCode, qwen-code
    "environment_context",  # Codex, as those that follow
    "user_instructions",
    "user_shell_command",
    "turn_aborted",
    "subagent_notification",
    "task-notification",  # Claude Code, as those that follow
    "local-command-caveat",
    "local-command-stdout",
    "bash-stdout",
    "bash-stderr",
    "environment_details",  # Cline, Roo Code
)
"""Tags around texts that clients write in the user's name; seen in the bodies that the clients of
`tests/clients` send, or in their sources (2026-11-30)."""
CLIENT_TEXTS = (
    ("# AGENTS.md instructions for ", "</INSTRUCTIONS>"),  # Codex
    ("[Request interrupted by user", "]"),  # Claude Code
    # Open WebUI's template for what was found in documents, before the question
    ("### Task:\nRespond to the user query using the provided context", "</context>"),
)
"""How other such texts begin and end."""
CLIENT_ENDINGS = (  # aider, for three of its edit formats
    "\n\nTo suggest changes to a file you MUST return the entire content",
    "\n\n# *SEARCH/REPLACE block* Rules:",
    "\n\n# File editing rules:",
)
"""How such texts begin that go on to the end."""
MAX_BLOCKS = 50
"""Texts of clients that are taken out of one text."""
_OPENING = re.compile(rf"\s*<({'|'.join(CLIENT_TAGS)})(?:\s[^<>]{{0,500}})?>")
_CLOSING = re.compile(rf"</({'|'.join(CLIENT_TAGS)})>\s*\Z")
_LAST_CHARS = 100
"""The end of a text in which a closing tag is looked for."""
_ENDING_CHARS = 10_000
"""The end of a text in which the beginning of an ending is looked for."""


def question_of(messages: Sequence[Message]) -> str:
    """The last text that a person wrote; empty if there is none. The steps of an agent's turn have
    the same question."""
    for message in reversed(messages):
        if message.get("role") == "user" and (text := own_text(message)):
            return text
        if message.get("role") == "user" and has_other_parts(message):
            return ""
    return ""


def own_text(message: Message) -> str:
    """What a person wrote of a message; empty if all of it is a client's."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return without_client_texts(content)
    parts = content if isinstance(content, list) else ()
    texts = [str(part.get("text", "")) for part in parts if isinstance(part, dict)]
    return "\n".join(filter(None, map(without_client_texts, texts)))


def has_other_parts(message: Message) -> bool:
    """Whether a message has more than text, such as an image."""
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    return bool(message.get("images")) or any(
        isinstance(part, dict) and "text" not in part for part in parts
    )


def without_client_texts(text: str) -> str:
    """A text without the client's at its beginning and its end; the same text if there are none."""
    for ending in CLIENT_ENDINGS:
        place = text.rfind(ending, max(0, len(text) - _ENDING_CHARS))
        text = text[:place] if place > 0 else text
    if not (text[:1] in "<# \n[" or text[-1:] in ">\n ") or not text:
        return text
    begin, end = 0, len(text)
    for _ in range(MAX_BLOCKS):
        after = _end_of_block(text, begin, end)
        if after == begin:
            break
        begin = after
    for _ in range(MAX_BLOCKS):
        before = _start_of_block(text, begin, end)
        if before == end:
            break
        end = before
    return text if (begin, end) == (0, len(text)) else text[begin:end].strip()


def _end_of_block(text: str, begin: int, end: int) -> int:
    """Where a client's text that begins there ends; `begin` if there is none."""
    if found := _OPENING.match(text, begin, end):
        closing = f"</{found[1]}>"
        place = text.find(closing, found.end(), end)
        return begin if place < 0 else place + len(closing)
    for opening, closing in CLIENT_TEXTS:
        if text.startswith(opening, begin, end):
            place = text.find(closing, begin, end)
            return begin if place < 0 else place + len(closing)
    return begin


def _start_of_block(text: str, begin: int, end: int) -> int:
    """Where a client's text that ends there begins; `end` if there is none."""
    found = _CLOSING.search(text, max(begin, end - _LAST_CHARS), end)
    place = text.rfind(f"<{found[1]}", begin, found.start()) if found else -1
    return end if place < 0 else place
