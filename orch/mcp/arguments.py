"""Checks what a client gives a tool, and turns it into the fields of a task (pure).

A whole number may come as 3.0, which JSON Schema counts among the integers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orch.errors import OrchError, UsageError
from orch.mcp.schemas import TOOLS

Json = dict[str, Any]
_MAX_FAULT_CHARS = 300


def check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    """Raises UsageError (`bad_input`), which names the field, for arguments that the tool's schema
    does not allow."""
    from jsonschema import Draft202012Validator  # only where a tool is called

    _check_text(arguments)
    # the first one alone: a message of 4 MB has room for hundreds of thousands
    fault = next(Draft202012Validator(TOOLS[name].takes).iter_errors(arguments), None)
    if fault is None:
        return
    field = ".".join(map(str, fault.absolute_path))
    raise OrchError(
        f"{field}: {_said(fault)}" if field else _said(fault),
        f"{name} takes: {', '.join(TOOLS[name].takes['properties']) or 'nothing'}",
        code="bad_input",
        param=field,
    )


def _check_text(arguments: Mapping[str, Any]) -> None:
    try:
        json.dumps(arguments, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise OrchError(
            "the arguments hold half a character (a lone surrogate)",
            "send UTF-8",
            code="bad_input",
        ) from None


def _said(fault: Any) -> str:
    """What is wrong, without the value, which may be a whole prompt."""
    limits = {
        "maxLength": "is over {:,} characters long",
        "minLength": "is empty",
        "maxItems": "has more than {:,} items",
        "type": "must be of the type {}",
        "enum": "must be one of {}",
        "minimum": "must be at least {}",
        "maximum": "must be at most {:,}",
    }
    if fault.validator in limits:
        value = fault.validator_value
        return limits[fault.validator].format(
            ", ".join(map(str, value)) if isinstance(value, list) else value
        )
    return str(fault.message)[:_MAX_FAULT_CHARS]  # names of fields, missing or unknown


def task_fields(arguments: Mapping[str, Any]) -> Json:
    """The arguments of `ask` and `route` as fields of `POST /orch/run`; what is left out or empty
    is not there. Raises UsageError without a task."""
    if not arguments["task"].strip():
        raise UsageError("task: is empty", 'such as {"task": "What is a mutex?"}')
    fields: Json = {
        "text": arguments["task"],
        "system_prompt": arguments.get("system"),
        "attachments": [
            {"name": each.get("name", ""), "text": each["text"]}
            for each in arguments.get("context", ())
        ],
        "model": arguments.get("model"),
        "task_type": arguments.get("type"),
        "profile": arguments.get("profile"),
        "session": arguments.get("session"),
        "options": {name: int(arguments[name]) for name in ("max_tokens",) if name in arguments},
    }
    return {name: value for name, value in fields.items() if value}


def search_arguments(arguments: Mapping[str, Any]) -> Json:
    """The arguments of `memory_search` as those of the operation `search`."""
    names = {"type": "kind"}
    given = {names.get(name, name): arguments[name] for name in arguments if name != "limit"}
    return {**given, "k": int(arguments.get("limit", 5))}


def note_arguments(arguments: Mapping[str, Any]) -> Json:
    """The arguments of `memory_add` as those of the operation `add`."""
    note = {"title": arguments.get("title") or None, "text": arguments["text"]}
    return {"texts": [note], "session": arguments.get("session", "")}
