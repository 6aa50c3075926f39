"""The configuration reference, from the dataclasses of `orch.config.spec`."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from enum import EnumType
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from orch.config import spec
from orch.config.spec import known_models
from tests.readme.markup import cell, code, table

HEADS = ("key", "value", "meaning")
BOUNDS = (
    ("gt", "more than {}"),
    ("ge", "at least {}"),
    ("le", "at most {}"),
    ("min_length", "at least {} long"),
    ("max_length", "at most {} long"),
)
NAMES = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}


def sections() -> dict[str, str]:
    """The reference of each file by the name of its mark."""
    return {
        "models.yaml": _file(spec.Models),
        "routing.yaml": _file(spec.Routing),
        "known_models.yaml": _file(known_models.KnownModels),
    }


def _file(top: type) -> str:
    parts = [_keys(top)]
    for path, cls in _nested(top, ""):
        about = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
        parts.append(f"### `{path}`\n\n{about}\n\n{_keys(cls)}")
    return "\n\n".join(parts)


def _nested(cls: type, prefix: str, known: set[type] | None = None) -> Iterator[tuple[str, type]]:
    """Every mapping below a file's top level, each once, by its path."""
    known = set() if known is None else known
    for name, hint in _hints(cls).items():
        for below, suffix in _dataclasses(hint):
            path = f"{prefix}{name}{suffix}"
            if below not in known:
                known.add(below)
                yield path, below
                yield from _nested(below, f"{path}.", known)


def _dataclasses(hint: Any) -> Iterator[tuple[type, str]]:
    if is_dataclass(hint) and isinstance(hint, type):
        yield hint, ""
    elif get_origin(hint) is dict:
        of, value = get_args(hint)
        yield from (
            (below, f".{_placeholder(of)}{suffix}") for below, suffix in _dataclasses(value)
        )
    elif get_origin(hint) is tuple:
        yield from ((below, f"[]{suffix}") for below, suffix in _dataclasses(get_args(hint)[0]))


def _placeholder(of: Any) -> str:
    if get_origin(of) is Literal:
        return "/".join(get_args(of))
    return "TYPE" if isinstance(of, EnumType) else "NAME"


def _keys(cls: type) -> str:
    hints = _hints(cls)
    rows = [
        (
            code(field.name),
            _value(hints[field.name], field.metadata),
            cell(str(field.metadata["description"])),
        )
        for field in _fields(cls)
    ]
    return table(HEADS, rows)


def _value(hint: Any, metadata: Mapping[str, Any]) -> str:
    bounds = [words.format(f"{metadata[name]:,}") for name, words in BOUNDS if name in metadata]
    return ", ".join([_type(hint), *bounds])


def _type(hint: Any) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(code(str(value)) for value in args)
    if origin in (Union, UnionType):
        return " or ".join(_type(arg) for arg in args if arg is not type(None))
    if origin is tuple:
        return f"list of {_plural(args[0])}"
    if origin is dict:
        return f"mapping of names to {_plural(args[1])}"
    return NAMES.get(hint, "mapping" if is_dataclass(hint) else "any value")


def _plural(hint: Any) -> str:
    return {str: "texts", Any: "values"}.get(hint, "mappings")


def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _fields(cls: Any) -> tuple[Field[Any], ...]:
    return fields(cls)
