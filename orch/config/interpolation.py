"""Interpolates `${VAR:-default}` in parsed strings, never in raw text (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def interpolate(value: Any, env: Mapping[str, str]) -> Any:
    """Replaces `${VAR:-default}` in parsed strings. Raises KeyError with the name of the
    variable."""
    if isinstance(value, dict):
        return {key: interpolate(entry, env) for key, entry in value.items()}
    if isinstance(value, list):
        return [interpolate(entry, env) for entry in value]
    if not isinstance(value, str) or "${" not in value:
        return value

    def fill(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        return env.get(name) or default if default is not None else env[name]

    return _VARIABLE.sub(fill, value)


def strings_with_variables(
    value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[str | int, ...]]:
    """The path of every string that contains a variable."""
    if isinstance(value, (dict, list)):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from strings_with_variables(entry, (*path, key))
    elif isinstance(value, str) and _VARIABLE.search(value):
        yield path


def fill_and_find_unset(
    data: Any, env: Mapping[str, str]
) -> tuple[Any, list[tuple[tuple[str | int, ...], str]]]:
    """The interpolated data, and the path and name of each unset variable. Unset ones get a
    placeholder, so that validation can continue."""
    unset: list[tuple[tuple[str | int, ...], str]] = []
    stand_in = dict(env)
    for path in strings_with_variables(data):
        value = data
        for part in path:
            value = value[part]
        for match in _VARIABLE.finditer(value):
            name = match.group(1)
            if match.group(2) is None and name not in env:
                unset.append((path, name))
                stand_in[name] = "http://127.0.0.1:1"
    return interpolate(data, stand_in), unset
