"""A tool call of the harmony format: where its JSON ends, and its form for the answer (pure)."""

from __future__ import annotations

import json
import re
from typing import Any

_ESCAPES = re.compile(r"\\.", re.DOTALL)
_REAL_END = re.compile(r"<\|(?:end|return|call|eom|eot)\|>\s*(?=<\|(?:start|channel)\|>|\Z)")
_FUNCTIONS = "functions."


class CallText:
    """The arguments of one call as they arrive. A marker in a string of their JSON is text: the
    call may write a file about the format."""

    def __init__(self, *, follows_strings: bool = True) -> None:
        self._parts: list[str] = []
        self._is_json: bool | None = None if follows_strings else False
        self._escape = ""
        self._in_string = False
        self._mention_at: int | None = None

    def add(self, text: str) -> None:
        """Adds text. Each character is looked at once."""
        self._parts.append(text)
        if self._is_json is None and (begin := text.lstrip()):
            self._is_json = begin[0] in "{["
        if self._is_json:
            plain = _ESCAPES.sub("", self._escape + text)
            self._escape = "\\" if plain.endswith("\\") else ""
            self._in_string ^= plain.count('"') % 2 == 1

    def takes(self, marker: str) -> bool:
        """Adds a marker that stands in a string; returns whether it did."""
        if not self._in_string:
            return False
        if self._mention_at is None:
            self._mention_at = sum(map(len, self._parts))
        self._parts.append(marker)
        return True

    def cut(self) -> str:
        """Cuts off, and returns, what begins with an end in a string that never closed; empty if
        there is none. A model that broke its JSON off there ended, or went on with another
        message."""
        if self._mention_at is None or not self._in_string:
            return ""
        text = self.text
        if not (match := _REAL_END.search(text, self._mention_at)):
            return ""
        self._parts, self._is_json, self._in_string = [text[: match.start()]], False, False
        return text[match.start() :]

    @property
    def text(self) -> str:
        """What has come so far."""
        return "".join(self._parts)


def is_call(name: str, text: str) -> bool:
    """Whether a message to a recipient is a tool call: gpt-oss knows tools from its training
    (python, browser), to which it sends code."""
    return name.startswith(_FUNCTIONS) or is_object(text)


def is_object(text: str) -> bool:
    """Whether the text is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def tool_call(name: str, arguments: str) -> dict[str, Any]:
    """A call in OpenAI's form."""
    function = {"name": name.removeprefix(_FUNCTIONS), "arguments": arguments or "{}"}
    return {"type": "function", "function": function}
