"""Assembles tool calls from the fragments of a stream: by id, then by index, then by order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orch.providers.read_limits import DELTA_OVERHEAD_CHARS, TOOL_CALL_CHARS

_ARGUMENTS = ("arguments", "parameters", "input")


class ToolCalls:
    """The tool calls of one answer. `count` is called with the characters that each fragment
    adds."""

    def __init__(self, count: Callable[[int], None] = lambda _: None) -> None:
        self._calls: list[StreamedCall] = []
        self._by_id: dict[str, StreamedCall] = {}
        self._by_index: dict[int, StreamedCall] = {}
        self._seen: list[StreamedCall] = []
        self._count = count

    def add_all(self, fragments: Sequence[Mapping[str, Any]]) -> None:
        """Adds the fragments of one event; two of them with a name are two calls."""
        self._seen = []
        for position, each in enumerate(fragments):
            fragment = Fragment(each, position if len(fragments) > 1 else None)
            call = self._call_of(fragment)
            if call is None or (fragment.name and call in self._seen):
                call = self._begin(fragment)
            self._count(len(fragment.name) + len(fragment.arguments) + DELTA_OVERHEAD_CHARS)
            call.add(fragment)
            self._seen.append(call)

    def _call_of(self, fragment: Fragment) -> StreamedCall | None:
        """The call that a fragment belongs to; None if it begins one."""
        if fragment.id and (call := self._by_id.get(fragment.id)):
            # a few servers give all calls the same id; LocalAI gives one call several indexes
            return None if fragment.begins_other(call) else call
        if fragment.index is not None and fragment.index in self._by_index:
            call = self._by_index[fragment.index]
            return call if fragment.continues(call) else None
        last = self._calls[-1] if self._calls else None
        if fragment.index is not None:
            # the arguments of some servers come under an index of their own, without id and name
            is_rest = fragment.arguments and not (fragment.id or fragment.name)
            return last if is_rest else None
        if fragment.position is not None and not fragment.name and not fragment.id:
            return self._calls[fragment.position] if fragment.position < len(self._calls) else None
        return last if last and fragment.continues(last) else None

    def _begin(self, fragment: Fragment) -> StreamedCall:
        self._count(TOOL_CALL_CHARS)
        call = StreamedCall(fragment.index)
        self._calls.append(call)
        if fragment.index is not None:
            self._by_index[fragment.index] = call
        if fragment.id:
            self._by_id[fragment.id] = call
        return call

    @property
    def are_whole(self) -> bool:
        """Whether the arguments of every call are JSON."""
        return all(_is_json(call.joined) for call in self._calls)

    def finish(self) -> tuple[dict[str, Any], ...]:
        """The calls in order of their indexes, else in order of arrival."""
        calls = [call for call in self._calls if call.name or call.joined != "{}"]
        if all(call.index is not None for call in calls):
            calls.sort(key=lambda call: call.index or 0)
        return tuple(call.as_dict() for call in calls)


class Fragment:
    """One entry of `tool_calls`, in any form: the function nested or flat, null for missing.
    `position` is its place among several of one event."""

    __slots__ = ("arguments", "id", "index", "name", "position")

    def __init__(self, entry: Mapping[str, Any], position: int | None = None) -> None:
        function = entry.get("function")
        nested = function if isinstance(function, Mapping) else {}
        flat = {} if nested else entry
        name = nested.get("name") or flat.get("name") or (function if _is_text(function) else "")
        self.name = name if isinstance(name, str) else str(name)
        self.arguments = _arguments(nested or flat)
        self.id = str(entry.get("id") or entry.get("call_id") or "")
        self.index, self.position = _index(entry.get("index", nested.get("index"))), position

    def continues(self, call: StreamedCall) -> bool:
        """Whether a fragment without a known id is part of that call."""
        if self.id and call.id:
            # vLLM has sent each fragment with an id of its own
            return not self.name and not call.is_whole
        if not self.name:
            return True
        if not call.has_arguments:
            return not call.name or self._is_part_of_name(call)
        return self.name == call.name and (not call.is_whole or call.repeats(self.arguments))

    def _is_part_of_name(self, call: StreamedCall) -> bool:
        """Whether the name is repeated or goes on; a call that comes whole has all of its name."""
        return self.name == call.name or (self.index is not None and not self.arguments)

    def begins_other(self, call: StreamedCall) -> bool:
        """Whether a fragment with the id of a call is nevertheless another one."""
        if not self.name or self.index == call.index or not call.has_arguments:
            return False
        return self.name != call.name or (call.is_whole and not call.repeats(self.arguments))


class StreamedCall:
    """One call. Its arguments are kept in pieces: appending to a long string each time would take
    quadratic time."""

    def __init__(self, index: int | None) -> None:
        self.index, self.id, self.name = index, "", ""
        self._pieces: list[str] = []
        self._depth, self._scanned, self._in_string, self._is_escaped = 0, 0, False, False
        self._whole = ""

    def add(self, fragment: Fragment) -> None:
        """Adds a fragment. A name counts once, however often it comes."""
        self.id = self.id or fragment.id
        name = fragment.name
        if name and name != self.name and not self._pieces:
            # in pieces, or longer each time
            self.name = name if name.startswith(self.name) else self.name + name
        if fragment.arguments and not (self._whole and self.repeats(fragment.arguments)):
            self._pieces.append(fragment.arguments)

    @property
    def has_arguments(self) -> bool:
        """Whether any came yet."""
        return bool(self._pieces)

    @property
    def is_whole(self) -> bool:
        """Whether the arguments so far are a closed object. Each character is looked at once."""
        for piece in self._pieces[self._scanned :]:
            self._scan(piece)
        self._scanned = len(self._pieces)
        is_closed = bool(self._pieces) and self._depth == 0 and not self._in_string
        if is_closed and not self._whole:
            self._whole = "".join(self._pieces)
        return is_closed

    def repeats(self, arguments: str) -> bool:
        """Whether arguments say nothing that the whole call has not said."""
        return not arguments.strip() or arguments == self._whole

    def _scan(self, piece: str) -> None:
        for char in piece:
            if self._is_escaped:
                self._is_escaped = False
            elif char == "\\":
                self._is_escaped = self._in_string
            elif char == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += (char in "{[") - (char in "}]")

    @property
    def joined(self) -> str:
        """The arguments as text: the pieces joined; the last piece where each repeats what came
        before it; without the first where that is an empty object to be filled."""
        text = "".join(self._pieces)
        pieces = [piece for piece in self._pieces if piece.strip()]
        if not pieces:
            return "{}"
        forms = [text]
        if pieces[0].strip() == "{}":
            pieces = pieces[1:]
            forms.append("".join(pieces))
        if _repeats_before(pieces):
            forms.append(pieces[-1])
        return next((form for form in forms if _is_json(form)), text)

    def as_dict(self) -> dict[str, Any]:
        """OpenAI's form."""
        function = {"name": self.name, "arguments": _unwrapped(self.joined)}
        call = {"type": "function", "function": function}
        return {**call, "id": self.id} if self.id else call


def _repeats_before(pieces: Sequence[str]) -> bool:
    """Whether the last piece says again what came before it; else it may be the end of arguments
    that were cut."""
    if len(pieces) < 2:
        return False
    last = pieces[-1]
    grows = last.startswith(pieces[-2]) and last.startswith(pieces[0])
    return grows or last == "".join(pieces[:-1])


def _arguments(function: Mapping[str, Any]) -> str:
    value = next((function[key] for key in _ARGUMENTS if function.get(key) is not None), "")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _index(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
    return int(value) if isinstance(value, (int, float)) and abs(value) < 1e9 else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True


def _unwrapped(text: str) -> str:
    """The arguments without a second encoding: some servers send a string that holds the JSON."""
    if not text.lstrip().startswith('"'):
        return text
    value = json.loads(text, strict=False) if _is_json(text) else None
    return value if isinstance(value, str) and value.strip().startswith("{") else text
