"""Finds the offered tool that a model's name for it means (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MAX_NAME_CHARS = 200
_SEPARATORS = str.maketrans("", "", "_-. :/")
_PREFIXES = ("functions.", "functions:", "tools.", "tool.", "function.")
"""What some models put before every name: gpt-oss and Kimi K2 have learned their tools as members
of a namespace."""


def tool_function(tool: Any) -> Mapping[str, Any]:
    """The function of an offered tool, nested as OpenAI has it or flat; empty where it is none."""
    if not isinstance(tool, Mapping):
        return {}
    function = tool.get("function")
    return function if isinstance(function, Mapping) else tool


def match_name(name: str, offered: Iterable[str]) -> str:
    """The one offered name that can be meant; empty where there is none, or more than one.

    Names that differ by case or separators (`GetWeather`, `get-weather`) mean the same tool, and so
    does the last part of a name with a namespace (`search` for `mcp__docs__search`), if no other
    tool has it.
    """
    names = list(offered)
    if name in names:
        return name
    if not name or len(name) > MAX_NAME_CHARS:
        return ""
    name = name.partition("<|")[0]  # as in `with_bare_name`
    bare = next((name[len(each) :] for each in _PREFIXES if name.startswith(each)), name)
    if bare in names:
        return bare
    for fold in (_folded, _last_part):
        wanted = _folded(bare)
        matching = [each for each in names if fold(each) == wanted]
        if matching:
            return matching[0] if len(matching) == 1 else ""
    return ""


def _folded(name: str) -> str:
    return name.strip().casefold().translate(_SEPARATORS)


def _last_part(name: str) -> str:
    return _folded(name.replace(".", "__").rpartition("__")[2])


def with_bare_name(call: dict[str, Any]) -> dict[str, Any]:
    """The call without the marker that servers of gpt-oss leave in names
    (`look_up<|channel|>commentary`: vllm-project/vllm#32587)."""
    function = call.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str) or "<|" not in name:
        return call
    return {**call, "function": {**call["function"], "name": name.partition("<|")[0]}}
