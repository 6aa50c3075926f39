"""Translates the tools of an Anthropic request to the functions that orch passes on (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from orch.errors import OrchError
from orch.server.api.openai.tools import FunctionTools, ToolChoice, parse_tool_choice

Tool = dict[str, Any]
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
"""Anthropic's `tool_choice` as that of chat completions; `tool` names one."""


class CalledTools(NamedTuple):
    """The functions of a request, what the model must do with them, and whether it may call
    several at once."""

    functions: FunctionTools
    choice: ToolChoice
    allows_several: bool = True

    @property
    def warnings(self) -> tuple[str, ...]:
        """About what was ignored."""
        return (*self.functions.warnings, *self.choice.warnings)


def parse_tools(tools: Sequence[Tool], choice: Mapping[str, Any] | None) -> CalledTools:
    """The tools of a request that are functions. Tools that Anthropic runs or defines are ignored.

    Raises OrchError (`bad_input`) for a tool without a name or with a schema that is none.
    """
    functions, warnings = list[Tool](), dict[str, None]()
    for number, tool in enumerate(tools):
        if tool.get("type") in (None, "custom"):
            functions.append(_function(tool, f"tools.{number}"))
        else:
            name = tool.get("name") or tool.get("mcp_server_name")
            called = " ".join(str(each) for each in (tool["type"], name) if each)
            warnings[f"the tool {called} was ignored: only Anthropic's own servers define it"] = (
                None
            )
    found = FunctionTools(functions, {}, tuple(warnings))
    return CalledTools(found, _choice(choice, found.names), not _forbids_several(choice))


def _function(tool: Tool, place: str) -> Tool:
    name, schema = tool.get("name"), tool.get("input_schema")
    if not isinstance(name, str) or not name:
        raise field_error(f"{place}.name", "must be a text")
    if fault := _schema_fault(schema):
        raise field_error(f"{place}.input_schema{fault[0]}", fault[1])
    description = tool.get("description")
    described = {"description": description} if isinstance(description, str) else {}
    return {"type": "function", "function": {"name": name, **described, "parameters": schema}}


def _schema_fault(schema: Any) -> tuple[str, str] | None:
    """Where a tool's schema is none, and why. Only its top is examined: what a model makes of the
    rest is up to its server."""
    if not isinstance(schema, dict):
        return "", "must be a JSON schema, an object"
    if schema.get("type", "object") != "object":
        return ".type", "must be object"
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict):
        return ".properties", "must be an object"
    for name, each in properties.items():
        if not isinstance(each, dict | bool):
            return f".properties.{name}", "must be a JSON schema"
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        return ".required", "must be a list of names"
    return None


def _choice(choice: Mapping[str, Any] | None, names: Collection[str]) -> ToolChoice:
    if choice is None:
        return ToolChoice()
    kind = choice.get("type")
    if kind == "tool":
        function = {"type": "function", "function": {"name": choice.get("name")}}
        return parse_tool_choice(function, names)
    value = _CHOICES.get(str(kind))
    if value is None:
        raise field_error("tool_choice.type", f"{kind!r} is none of auto, any, tool, none")
    return parse_tool_choice(value, names)


def _forbids_several(choice: Mapping[str, Any] | None) -> bool:
    return choice is not None and choice.get("disable_parallel_tool_use") is True


def field_error(place: str, message: str) -> OrchError:
    """The error for a field of the body."""
    return OrchError(f"{place}: {message}", code="bad_input")
