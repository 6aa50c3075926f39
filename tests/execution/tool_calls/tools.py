"""Tools that the tests of tool calls offer."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def tool(name: str, schema: Json) -> Json:
    """An offered tool."""
    return {"type": "function", "function": {"name": name, "parameters": schema}}


FORECAST: Json = {
    "type": "object",
    "properties": {
        "town": {"type": "string"},
        "days": {"type": "integer"},
        "wind": {"type": "boolean"},
        "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
        "area": {"type": "object", "properties": {"km": {"type": "number"}}},
        "hours": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["town"],
    "additionalProperties": False,
}
NOTE: Json = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "text": {"type": "string"}},
    "required": ["path", "text"],
}
TOOLS = [tool("get_forecast", FORECAST), tool("write_note", NOTE), tool("list_notes", {})]
NAMES = ["get_forecast", "write_note", "list_notes"]


def call(name: str, arguments: Any) -> Json:
    """A call in OpenAI's form."""
    return {"type": "function", "function": {"name": name, "arguments": arguments}}
