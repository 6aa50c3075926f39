"""The words for a failed tool call, for people and for the model that is asked again (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from orch.errors import ProviderError
from orch.execution.tool_calls.names import tool_function
from orch.types import Message

CODE = "tool_call_invalid"
MAX_REPEATED_CHARS = 4_000
"""Of a faulty answer, what the model is shown again."""
MAX_LISTED_NAMES = 40
MAX_NAME_CHARS = 80
NO_CALL = "no tool was called, although a call was required"


class ToolCallError(ProviderError):
    """A failed tool call. `correction` is what a model is told before it is asked once more: its
    own answer, and what is wrong with it."""

    def __init__(self, message: str, correction: Sequence[Message] = ()) -> None:
        super().__init__(CODE, message)
        self.correction = tuple(correction)


def unknown_tool(name: str, offered: Sequence[str]) -> str:
    """The fault of a call of a tool that was not offered."""
    if not offered:
        return f"it called {_short(name)}, and no tools were offered"
    names = ", ".join(_short(each) for each in offered[:MAX_LISTED_NAMES])
    more = ", …" if len(offered) > MAX_LISTED_NAMES else ""
    return f"there is no tool {_short(name)}; there are {names}{more}"


def bad_arguments(name: str, fault: str) -> str:
    """The fault of a call whose arguments can't be used."""
    return f"the call of {_short(name)}: {fault}"


def _short(name: str) -> str:
    text = name if len(name) <= MAX_NAME_CHARS else f"{name[:MAX_NAME_CHARS]}…"
    return json.dumps(text, ensure_ascii=False)


def correction(
    text: str, calls: Sequence[Mapping[str, Any]], fault: str, *, has_tools: bool = True
) -> list[Message]:
    """The faulty answer, and the fault behind it. Calls that any chat template can show stand as
    calls, each with the fault as its result; others as text, cut where they are long."""
    if not calls:
        return [*_said(text), {"role": "user", "content": _instruction(fault)}]
    shown = [_shown(call, number) for number, call in enumerate(calls)]
    size = len(text) + sum(len(str(each)) for each in shown)
    if not (has_tools and all(shown)) or size > MAX_REPEATED_CHARS:
        written = "\n".join(json.dumps(tool_function(call), default=str) for call in calls)
        both = f"{text}\n{written}" if text else written
        return [*_said(both), {"role": "user", "content": _instruction(fault)}]
    answer = {"role": "assistant", "content": text, "tool_calls": shown}
    results = [
        {
            "role": "tool",
            "tool_call_id": call["id"],
            "tool_name": call["function"]["name"],
            "content": _instruction(fault),
        }
        for call in shown
    ]
    return [answer, *results]


def correction_of(failure: ProviderError) -> Sequence[Message]:
    """What a model is told whose tool call failed; also where its server could not read the call,
    and handed nothing on."""
    if isinstance(failure, ToolCallError):
        return failure.correction
    return [{"role": "user", "content": _instruction(failure.message)}]


def _said(text: str) -> list[Message]:
    if not text:
        return []
    shown = text if len(text) <= MAX_REPEATED_CHARS else f"{text[:MAX_REPEATED_CHARS]}…"
    return [{"role": "assistant", "content": shown}]


def _instruction(fault: str) -> str:
    return (
        f"Error: nothing was done, since {fault}. Answer again, with every tool call complete and"
        " its arguments as the tool's schema says."
    )


def _shown(call: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The call with an object as its arguments; empty where it has none."""
    function = tool_function(call)
    name, arguments = function.get("name"), function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return {}
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        return {}
    function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
    return {"id": f"call_{number}_again", "type": "function", "function": function}
