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


OSLO = '{"name": "get_forecast", "arguments": {"town": "Oslo"}}'
ROME = '{"name": "get_forecast", "arguments": {"town": "Rome"}}'
FORMS = {
    "Hermes, Qwen": f"<tool_call>\n{OSLO}\n</tool_call>",
    "without its end": f"<tool_call>\n{OSLO}",
    "an end token behind it": f"<tool_call>{OSLO}</tool_call><|im_end|>",
    "in a fence within": f"<tool_call>\n```json\n{OSLO}\n```\n</tool_call>",
    "function_call": f"<function_call>{OSLO}</function_call>",
    "Qwen 2.5 Coder": f"<tools>\n{OSLO}\n</tools>",
    "fence": f"```json\n{OSLO}\n```",
    "fence without language": f"```\n{OSLO}\n```",
    "fence that does not end": f"```json\n{OSLO}",
    "bare": OSLO,
    "bare, nested": '{"type": "function", "function": ' + OSLO + "}",
    "bare, listed": f"[{OSLO}]",
    "bare, under tool_calls": f'{{"tool_calls": [{OSLO}]}}',
    "Llama 3": '{"name": "get_forecast", "parameters": {"town": "Oslo"}}',
    "Llama 3.1": '<|python_tag|>{"name": "get_forecast", "parameters": {"town": "Oslo"}}<|eom_id|>',
    "Llama 3.1, custom": '<function=get_forecast>{"town": "Oslo"}</function>',
    "Mistral": f"[TOOL_CALLS] [{OSLO}]",
    "Mistral, later": '[TOOL_CALLS]get_forecast[ARGS]{"town": "Oslo"}',
    "Qwen3-Coder": (
        "<tool_call>\n<function=get_forecast>\n<parameter=town>\nOslo\n</parameter>\n</function>\n"
        "</tool_call>"
    ),
    "GLM": (
        "<tool_call>get_forecast\n<arg_key>town</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>"
    ),
    "DeepSeek V3": (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_forecast\n"
        '```json\n{"town": "Oslo"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
    ),
    "DeepSeek V3.1": (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_forecast<｜tool▁sep｜>"
        '{"town": "Oslo"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
    ),
    "Granite, Phi": f"<|tool_call|>[{OSLO}]<|/tool_call|>",
    "Gemma": '```tool_code\nprint(get_forecast(town="Oslo"))\n```',
    "Functionary": '>>>get_forecast\n{"town": "Oslo"}',
}
"""One call in every form that is known."""
