"""Holds back the text of a stream that may become a tool call written as text; everything else
flows at once (pure).

What is held is bounded, and let go as soon as it is clear that it is none: another key, another
language of a fence, a name that was not offered, words behind it. Each character is looked at a
few times at most.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from orch.execution.tool_calls.names import match_name
from orch.execution.tool_calls.relaxed_json import MAX_CHARS

MAX_HELD_CHARS = MAX_CHARS
"""Longer text is recognised as no call."""
_PIECE_CHARS = 1_000
"""Longer text is taken in pieces: a part of what is let go is looked at once more."""
_SIGNS = re.compile(r"[<`\[{>]")
_TAGS = ("<tool_call>", "<function_call>", "<tool_use>", "<tools>", "<tool>", "<function=")
_TOKENS = ("[TOOL_CALLS]", "<|python_tag|>", "<|tool_call", "<｜tool▁call")
"""Special tokens, which count also within a line. What follows them is a call in any case."""
_TOKEN_HEADS = {each[:2] for each in _TOKENS}
_AT_LINE = (*_TAGS, "```", "{", "[")
_AT_BEGIN = (">>>",)
_FENCE_HEAD = re.compile(r"```[ \t]*([\w-]*)[ \t]*(\n\s*|\Z)")
_FENCES = ("json", "tool_call", "tool_code", "xml", "")
_KEY = re.compile(r"""\s*\[?\s*\{?\s*(?:["']?(\w*)(["']?\s*:\s*)?)?""")
_NAME_VALUE = re.compile(r"""\s*["']([^"'\n]{0,200})(["'])?""")
_NAME_KEYS = ("name", "tool_name", "tool")
_PASSED_KEYS = ("type", "id", "call_id", "tool_call_id")
"""Their values are passed over: they say nothing, the next key does."""
_PASSED_VALUE = re.compile(r"""\s*(?:"[^"\n]*"|'[^'\n]*'|[\w.+-]+)\s*,""")
_PASSED_BEGINNING = re.compile(r"""\s*(?:"[^"\n]*"?|'[^'\n]*'?|[\w.+-]*)\s*""")
_KEYS = (*_NAME_KEYS, *_PASSED_KEYS, "function", "tool_calls")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input")
_HEAD_CHARS = 300
_END_TOKENS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>", "</s>")
_LONGEST = max(map(len, (*_AT_LINE, *_TOKENS)))


def has_signs(text: str) -> bool:
    """Whether a text has a character with which a call may begin."""
    return _SIGNS.search(text) is not None


class TextHold:
    """The text of one answer on its way to the reader. `names` are those of the offered tools."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._begins = self._at_line = True
        self._partial = ""
        self._held: _Held | None = None
        self._is_over, self._size = False, 0

    @property
    def pending(self) -> str:
        """What came and has not been let go."""
        return self._held.text if self._held else self._partial

    def feed(self, text: str) -> str:
        """What may be shown now."""
        if self._is_over:
            return text
        if self._held is None and not self._partial and _SIGNS.search(text) is None:
            self._pass(text)
            return text
        shown: list[str] = []
        for start in range(0, len(text), _PIECE_CHARS):
            rest = text[start : start + _PIECE_CHARS]
            while rest and not self._is_over:
                rest = self._feed_held(rest, shown) if self._held else self._feed_flow(rest, shown)
            shown.append(rest)
        return "".join(shown)

    def flush(self) -> str:
        """What is still held, at the end of the answer."""
        held, self._held, self._partial, self._is_over = self.pending, None, "", True
        return held

    # ------------------------------------------------------------ text that flows

    def _feed_flow(self, text: str, shown: list[str]) -> str:
        """Lets go what comes before a possible beginning; returns what remains to be fed."""
        text, self._partial = self._partial + text, ""
        for sign in _SIGNS.finditer(text):
            at = sign.start()
            match = self._matches(text, at)
            if match is None:
                continue
            self._show(text[:at], shown)
            if not match:
                self._partial = text[at:]
                return ""
            self._held = _Held(match, self._names)
            return text[at:]
        self._show(text, shown)
        return ""

    def _matches(self, text: str, at: int) -> str | None:
        """The marker that stands there; empty where it may become one, None where it can't."""
        head, whole_line = text[at : at + _LONGEST], text[:at].rpartition("\n")
        is_line = not whole_line[2].strip() and (bool(whole_line[1]) or self._at_line)
        if not is_line and len(head) > 1 and head[:2] not in _TOKEN_HEADS:
            return None
        begins = is_line and self._begins and not text[:at].strip()
        markers = (*_TOKENS, *(_AT_LINE if is_line else ()), *(_AT_BEGIN if begins else ()))
        grows = any(each != head and each.startswith(head) for each in markers)
        if grows and at + len(head) == len(text):
            return ""  # also where it is a shorter marker by now
        return next((each for each in markers if head.startswith(each)), None)

    def _show(self, text: str, shown: list[str]) -> None:
        if text:
            self._pass(text)
            shown.append(text)

    def _pass(self, text: str) -> None:
        self._size += len(text)
        self._is_over = self._size > MAX_HELD_CHARS
        line, newline, _ = text.rpartition("\n")
        blank = not text[len(line) + len(newline) :].strip()
        self._at_line = blank and (bool(newline) or self._at_line)
        self._begins = self._begins and not text.strip()

    # ------------------------------------------------------------ text that is held

    def _feed_held(self, text: str, shown: list[str]) -> str:
        held = self._held
        assert held is not None
        if held.takes(text):
            return ""
        self._held = None
        whole = held.text
        if held.size > MAX_HELD_CHARS:
            self._is_over = True
            shown.append(whole)
            return ""
        # behind an end may begin another one; else behind the first line
        end = len(whole) - len(held.after) if held.is_closed else whole.find("\n") + 1
        self._show(whole[: end or len(whole)], shown)
        return whole[end or len(whole) :]


class _Held:
    """Text from a marker on, as long as it may be a call."""

    def __init__(self, marker: str, names: Sequence[str]) -> None:
        self._marker, self._names = marker, names
        self._pieces: list[str] = []
        self.size = 0
        self._is_decided = marker in (*_TAGS, *_TOKENS, *_AT_BEGIN)
        self._is_endless = marker in (*_TOKENS, *_AT_BEGIN)
        self._end = _end_of(marker)
        self.after, self.is_closed = "", False
        """Whether a call has ended, and what came behind it."""

    @property
    def text(self) -> str:
        """All that is held."""
        return "".join(self._pieces)

    def takes(self, text: str) -> bool:
        """Adds text; returns whether the whole may still be a call at the end of an answer."""
        self._pieces.append(text)
        self.size += len(text)
        if self.size > MAX_HELD_CHARS:
            return False
        if not self._is_decided:
            is_head = self._is_head(self.text[:_HEAD_CHARS])
            if is_head is False:
                return False
            self._is_decided = bool(is_head) or self.size > _HEAD_CHARS
        return self._is_endless or self._goes_on(text)

    def _is_head(self, head: str) -> bool | None:
        """Whether the text begins like a call; None while too little has come."""
        if self._marker == "```":
            fence = _FENCE_HEAD.match(head)
            language = fence[1].lower() if fence else ""
            if fence and not fence[2]:  # its line goes on
                return None if any(each.startswith(language) for each in _FENCES) else False
            if fence is None or language not in _FENCES:
                return False
            head = head[fence.end() :]
            if not head:
                return None
            if language == "tool_code":
                return True
            if head[0] == "<":
                return _is_tag_head(head)
            if head[0] not in "{[":
                return False
        return self._is_json_head(head)

    def _is_json_head(self, head: str) -> bool | None:
        match = _KEY.match(head)
        key = match[1] if match else None
        rest = head[match.end() :] if match else head
        if match is None or not key:
            return None if not rest else False
        if not match[2]:
            is_begun = any(each.startswith(key) for each in (*_KEYS, *_ARGUMENT_KEYS))
            return None if is_begun and not rest.strip("\"'") else False
        if key in _PASSED_KEYS:
            return self._is_passed_head(rest)
        if key not in _NAME_KEYS:
            return key in _KEYS or key in _ARGUMENT_KEYS
        value = _NAME_VALUE.match(rest)
        if value is None:
            return None if not rest.strip() else False
        if not value[2]:
            return None if value.end() == len(rest) else False
        return bool(match_name(value[1], self._names))

    def _is_passed_head(self, rest: str) -> bool | None:
        value = _PASSED_VALUE.match(rest)
        if value is None:
            return None if _PASSED_BEGINNING.fullmatch(rest) else False
        return self._is_json_head(rest[value.end() :])

    def _goes_on(self, text: str) -> bool:
        """Whether nothing but another call follows a call that has ended."""
        while text:
            if not self.is_closed:
                at = self._end.find(text)
                if at < 0:
                    return True
                self.is_closed, self.after, text = True, "", text[at:]
            self.after = (self.after + text).lstrip(" \t\r\n,;`")
            if not self.after:
                return True
            again = _next_marker(self._marker)
            if any(self.after.startswith(each) for each in again):
                text, self.after, self.is_closed = self.after, "", False
                self._end = _end_of(self._marker)
                continue
            known = (*again, *_END_TOKENS, "</tool_call>", "</function>")
            return any(each.startswith(self.after) or self.after.startswith(each) for each in known)
        return True


def _is_tag_head(head: str) -> bool | None:
    """Whether a fence holds the tag of a call, not just any XML; None while too little has come."""
    if head.startswith(_TAGS):
        return True
    return None if any(each.startswith(head) for each in _TAGS) else False


def _next_marker(marker: str) -> tuple[str, ...]:
    return ("{", "[") if marker in ("{", "[") else (marker,)


def _end_of(marker: str) -> _Closing | _Balanced:
    if marker in ("{", "["):
        return _Balanced()
    if marker == "```":
        return _Closing("\n```", skip=3)
    return _Closing("</function>" if marker == "<function=" else marker.replace("<", "</"))


class _Closing:
    """Where a closing marker ends."""

    def __init__(self, marker: str, *, skip: int = 0) -> None:
        self._marker, self._tail, self._skip = marker, "", skip

    def find(self, text: str) -> int:
        """The place behind the marker in this piece; -1 if it has not come."""
        joined = self._tail + text
        at = joined.find(self._marker)
        if at < 0:
            self._tail = joined[-(len(self._marker) - 1) :]
            return -1
        return max(at + len(self._marker) - len(self._tail), 0)


class _Balanced:
    """Where JSON closes."""

    def __init__(self) -> None:
        self._depth, self._quoted, self._escaped = 0, False, False

    def find(self, text: str) -> int:
        """The place behind the last bracket in this piece; -1 if it has not come."""
        for at, char in enumerate(text):
            if self._escaped:
                self._escaped = False
            elif char == "\\":
                self._escaped = self._quoted
            elif char == '"':
                self._quoted = not self._quoted
            elif not self._quoted and char in "{}[]":
                self._depth += 1 if char in "{[" else -1
                if self._depth <= 0:
                    return at + 1
        return -1
