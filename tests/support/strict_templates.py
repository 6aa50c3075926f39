"""Chat templates with the checks of real ones, and the rendering of messages by them.

The checks are those of the templates that the models are published with: Qwen 3.5 and later (a
system message only first, a question of the user), Mistral Small and Ministral (turns alternate,
calls and results aside, no empty answer), Gemma (turns alternate, no call at all), gpt-oss and
MiniMax (a result has a call).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, Template

QWEN = """
{%- set ns = namespace(asked=false) -%}
{%- for message in messages -%}
{%- if message.role == 'user' %}{% set ns.asked = true %}{% endif -%}
{%- if message.role == 'system' and not loop.first -%}
{{ raise_exception('System message must be at the beginning.') }}
{%- elif message.role not in ['system', 'user', 'assistant', 'tool'] -%}
{{ raise_exception('Unexpected message role.') }}
{%- endif -%}
<|{{ message.role }}|>{{ message.content }}
{% endfor -%}
{%- if not ns.asked %}{{ raise_exception('No user query found in messages.') }}{% endif -%}
"""
MISTRAL = """
{%- if messages[0].role == 'system' %}{% set rest = messages[1:] %}
{%- else %}{% set rest = messages %}{% endif -%}
{%- set ns = namespace(index=0) -%}
{%- for message in rest -%}
{%- if message.role == 'user' or (message.role == 'assistant' and not message.tool_calls) -%}
{%- if (message.role == 'user') != (ns.index % 2 == 0) -%}
{{ raise_exception('After the optional system message, conversation roles must alternate.') }}
{%- endif -%}
{%- set ns.index = ns.index + 1 -%}
{%- endif -%}
{%- if message.role == 'assistant' and not message.content and not message.tool_calls -%}
{{ raise_exception('Assistant message must have a string or a list of tool calls.') }}
{%- elif message.role not in ['user', 'assistant', 'tool'] -%}
{{ raise_exception('Only user, assistant and tool roles are supported.') }}
{%- endif -%}
<|{{ message.role }}|>{{ message.content }}
{% endfor -%}
"""
GEMMA = """
{%- if messages[0].role == 'system' %}{% set rest = messages[1:] %}
{%- else %}{% set rest = messages %}{% endif -%}
{%- for message in rest -%}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- endif -%}
<|{{ message.role }}|>{{ message.content }}
{% endfor -%}
"""
TOOLS = """
{%- set ns = namespace(called=false) -%}
{%- for message in messages -%}
{%- if message.role == 'tool' and not ns.called -%}
{{ raise_exception('Message has tool role, but there was no previous assistant message.') }}
{%- elif message.role == 'assistant' %}{% set ns.called = message.tool_calls %}
{%- elif message.role == 'user' %}{% set ns.called = false %}{% endif -%}
<|{{ message.role }}|>{{ message.content }}
{% endfor -%}
"""
TEMPLATES = {"qwen": QWEN, "mistral": MISTRAL, "gemma": GEMMA, "tools": TOOLS}


class RefusedByTemplateError(Exception):
    """What a template says of messages that it does not take."""


def refuse(message: str) -> None:
    raise RefusedByTemplateError(message)


def render(name: str, messages: Sequence[dict[str, Any]]) -> str:
    """The prompt. Raises RefusedByTemplateError."""
    return _compiled(name).render(messages=list(messages))


@cache
def _compiled(name: str) -> Template:
    environment = Environment(autoescape=False)
    environment.globals["raise_exception"] = refuse
    return environment.from_string(TEMPLATES[name])


def check(messages: Sequence[dict[str, Any]]) -> None:
    """Raises RefusedByTemplateError where one of the templates does; Gemma's knows no tools."""
    has_tools = any(each["role"] == "tool" or each.get("tool_calls") for each in messages)
    for name in TEMPLATES:
        if name != "gemma" or not has_tools:
            render(name, messages)
