"""Writes values as YAML: on one line, or as the lines of a block (pure).

A list of scalars, and all that is inside a flow collection, is written in flow style.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from orch.config.yaml_document import parse_yaml

_WIDTH = 1_000_000
"""No line is wrapped."""


@dataclass(frozen=True, slots=True)
class YamlText:
    """A value in the form in which it is written, on one line: `0.20`, `{fit: 0.20}`."""

    text: str


def plain_data(value: Any) -> Any:
    """The value as it is read again."""
    if isinstance(value, YamlText):
        return parse_yaml("", value.text).data
    if isinstance(value, Mapping):
        return {str(key): plain_data(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(each) for each in value]
    return value


def inline_text(value: Any, *, in_flow: bool) -> str:
    """The value on one line."""
    if isinstance(value, YamlText):
        return value.text
    if isinstance(value, Mapping):
        return "{" + ", ".join(flow_entry(key, each) for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(inline_text(each, in_flow=True) for each in value) + "]"
    return _scalar_text(value, in_flow=in_flow)


def flow_entry(key: str, value: Any) -> str:
    """An entry of a mapping, as it stands between braces."""
    return f"{_scalar_text(key, in_flow=True)}: {inline_text(value, in_flow=True)}"


def flow_item(item: Any, comments: Mapping[str, str], indent: str, newline: str) -> str:
    """An item of a flow list. A line ends after each key that has a comment."""
    if not isinstance(item, Mapping) or not set(comments) & set(item):
        return inline_text(item, in_flow=True)
    text = ""
    for key, value in item.items():
        text += f"{', ' if text else ''}{flow_entry(key, value)}"
        if key in comments:
            text += f"  # {comments[key]}{newline}{indent}"
    return f"{{{text}}}"


def entry_lines(key: str, value: Any, comments: Mapping[str, str]) -> list[str]:
    """The lines of an entry of a block mapping. `comments` are put behind the keys they name."""
    name = _scalar_text(key, in_flow=False)
    if isinstance(value, Mapping) and value:
        return [f"{name}:", *(f"  {line}" for line in mapping_lines(value, comments))]
    if isinstance(value, (list, tuple)) and any(isinstance(each, Mapping) for each in value):
        items = (line for item in value for line in item_lines(item, comments))
        return [f"{name}:", *(f"  {line}" for line in items)]
    comment = f"  # {comments[key]}" if key in comments else ""
    return [f"{name}: {inline_text(value, in_flow=False)}{comment}"]


def mapping_lines(value: Mapping[str, Any], comments: Mapping[str, str]) -> list[str]:
    """The lines of a block mapping."""
    return [line for key, each in value.items() for line in entry_lines(key, each, comments)]


def item_lines(item: Any, comments: Mapping[str, str]) -> list[str]:
    """The lines of an item of a block list."""
    if not isinstance(item, Mapping) or not item:
        return [f"- {inline_text(item, in_flow=False)}"]
    first, *others = mapping_lines(item, comments)
    return [f"- {first}", *(f"  {line}" for line in others)]


def _scalar_text(value: Any, *, in_flow: bool) -> str:
    """A scalar, in quotes where it would be read as something else without them."""
    value = str(value) if isinstance(value, str) else value
    needs_escapes = isinstance(value, str) and not value.isprintable()
    text = yaml.safe_dump(
        [value],
        default_flow_style=in_flow,
        default_style='"' if needs_escapes else None,
        allow_unicode=True,
        width=_WIDTH,
    ).rstrip("\n")
    return str(text[1:-1] if in_flow else text[2:])
