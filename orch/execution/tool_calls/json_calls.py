"""Calls written as JSON: an object with name and arguments, a list of them, or several one after
the other (pure)."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from orch.execution.tool_calls.relaxed_json import (
    LostValueError,
    parse_strictly,
    parse_whole,
    rewrite,
)

MAX_CALLS = 32
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input")
_NAME_KEYS = ("name", "tool_name", "tool", "function")
_OTHER_KEYS = ("type", "id", "tool_call_id", "call_id")


class WrittenCall(NamedTuple):
    """One call as it was written. `arguments` is their text or their value."""

    name: str
    arguments: Any


def json_calls(text: str, *, marked: bool = False) -> list[WrittenCall] | None:
    """The calls of one JSON value: an object, or a list of them."""
    try:
        value = parse_whole(text)
    except LostValueError:
        return None
    except ValueError:
        rewritten = rewrite(text)
        if rewritten is None:
            return None
        value = parse_strictly(rewritten.text)
    return _calls_of(value, marked=marked)


def _calls_of(value: Any, *, marked: bool = False) -> list[WrittenCall] | None:
    if isinstance(value, dict) and set(value) == {"tool_calls"}:
        value = value["tool_calls"]
    entries = value if isinstance(value, list) else [value]
    calls = [_call_of(each, marked=marked) for each in entries]
    return [call for call in calls if call] if calls and all(calls) else None


def _call_of(entry: Any, *, marked: bool) -> WrittenCall | None:
    """The call of an object that says nothing else than one; behind a marker, also without
    arguments."""
    if not isinstance(entry, dict):
        return None
    function = entry.get("function")
    if isinstance(function, dict):
        outer = set(entry) - {"function", *_OTHER_KEYS}
        return None if outer else _call_of(function, marked=True)
    rest = {key: value for key, value in entry.items() if key not in _OTHER_KEYS}
    name_key = next((key for key in _NAME_KEYS if key in rest), "")
    name = rest.pop(name_key, None)
    arguments_key = next((key for key in _ARGUMENT_KEYS if key in rest), "")
    arguments = rest.pop(arguments_key, None)
    if not isinstance(name, str) or not name or rest or not (arguments_key or marked):
        return None
    return WrittenCall(name, arguments if arguments is not None else {})


_NAMED = re.compile(r"[\"']?(?:name|function)[\"']?\s*:\s*[\"']([\w.:/-]{1,200})[\"']")


def marked_json(text: str) -> list[WrittenCall] | None:
    """The calls of JSON behind a marker: one value, or several one after the other. What is broken
    keeps its name, and its text as arguments."""
    if calls := json_calls(text, marked=True):
        return calls
    if calls := sequence(text):
        return calls
    if "</" not in text and not has_words_behind(text) and (named := _NAMED.search(text[:500])):
        return [WrittenCall(named[1], text)]
    return None


_DECODER = json.JSONDecoder()


def has_words_behind(text: str) -> bool:
    """Whether something follows JSON that has its end."""
    try:
        _, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return bool(text[end:].strip())


def sequence(text: str) -> list[WrittenCall] | None:
    """Calls as several values, with blanks, commas or semicolons between them."""
    calls: list[WrittenCall] = []
    at = 0
    while at < len(text) and len(calls) <= MAX_CALLS:
        try:
            begin, (value, at) = at, _DECODER.raw_decode(text, at)
            parse_whole(text[begin:at])
        except (ValueError, RecursionError):
            return None
        found = _calls_of(value)
        if not found:
            return None
        calls += found
        while at < len(text) and text[at] in " \t\r\n,;":
            at += 1
    return calls
