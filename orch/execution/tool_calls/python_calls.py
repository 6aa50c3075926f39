"""Reads tool calls in Python's syntax, `name(key="value")`: of literals given by name alone, so
that nothing is run and nothing depends on an order of parameters (pure)."""

from __future__ import annotations

import ast
from typing import Any

MAX_CHARS = 20_000
MAX_CALLS = 32


def parse_python_calls(source: str) -> list[tuple[str, dict[str, Any]]]:
    """Names and arguments of the calls that the source consists of; empty where it is anything
    else."""
    if len(source) > MAX_CHARS:
        return []
    try:
        statements = ast.parse(source.strip()).body
        return [_call(statement) for statement in statements[:MAX_CALLS]]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _call(statement: ast.stmt) -> tuple[str, dict[str, Any]]:
    """The call of one statement, also within print(). Raises ValueError for anything else."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        raise ValueError("not a call")
    call = statement.value
    if _name(call.func) == "print" and len(call.args) == 1 and isinstance(call.args[0], ast.Call):
        call = call.args[0]
    if call.args or any(each.arg is None for each in call.keywords):
        raise ValueError("not given by name")
    return _name(call.func), {
        str(each.arg): _json_value(ast.literal_eval(each.value)) for each in call.keywords
    }


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute):
        return f"{_name(function.value)}.{function.attr}"
    raise ValueError("not a name")


def _json_value(value: Any) -> Any:
    """Raises ValueError for what JSON does not have: bytes, sets, tuples, complex numbers."""
    if isinstance(value, list):
        return [_json_value(each) for each in value]
    if isinstance(value, dict):
        return {_text(key): _json_value(inner) for key, inner in value.items()}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError("not a JSON value")


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError("not a text")
    return key
