"""Input items of tools that orch does not run, as calls and results of functions: what happened
before stays in the conversation (pure).

The kinds are those of the openai library 3.57 (`types/responses/response_input_item_param.py`) and
of Codex 0.171.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Item = dict[str, Any]

FOREIGN_CALLS: Mapping[str, Callable[[Item], tuple[str, Any]]] = {
    "custom_tool_call": lambda item: (_name(item, "custom"), {"input": item.get("input")}),
    "local_shell_call": lambda item: ("local_shell", item.get("action")),
    "shell_call": lambda item: ("shell", item.get("action")),
    "apply_patch_call": lambda item: ("apply_patch", item.get("operation")),
    "computer_call": lambda item: ("computer", item.get("action") or item.get("actions")),
    "mcp_call": lambda item: (_name(item, "mcp"), item.get("arguments")),
    "code_interpreter_call": lambda item: ("code_interpreter", {"code": item.get("code")}),
}
"""The name and arguments of a call, by its item's type."""
FOREIGN_OUTPUTS: Mapping[str, Callable[[Item], str]] = {
    "local_shell_call_output": lambda item: _as_text(item.get("output")),
    "shell_call_output": lambda item: _as_text(item.get("output")),
    "apply_patch_call_output": lambda item: _as_text(item.get("output") or item.get("status")),
    "computer_call_output": lambda item: "[a screenshot, which is not passed on]",
}
"""The text of a result, by its item's type."""
_HOSTED_RESULTS: Mapping[str, tuple[str, ...]] = {
    "mcp_call": ("output", "error"),
    "code_interpreter_call": ("outputs",),
}
"""The fields of the result of a call that OpenAI ran, which are in the item of the call."""


def hosted_result(item: Item) -> str | None:
    """The result within a call's own item; None where another item brings it."""
    fields = _HOSTED_RESULTS.get(str(item.get("type")))
    if fields is None:
        return None
    return "\n".join(_as_text(item[name]) for name in fields if item.get(name))


def _name(item: Item, default: str) -> str:
    return str(item.get("name") or default)


def _as_text(value: Any) -> str:
    """A text as it is, its parts joined, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = [part.get("text") for part in value if isinstance(part, dict)]
        if texts and len(texts) == len(value) and all(isinstance(text, str) for text in texts):
            return "\n".join(map(str, texts))
    return "" if value is None else json.dumps(value, ensure_ascii=False)
