"""Declares the keys of a YAML file as fields of dataclasses, and builds these from checked data."""

from __future__ import annotations

from dataclasses import MISSING, field, fields
from functools import cache
from typing import Any

DURATION_PATTERN = r"^\d+[smhdw]$"
"""A number and its unit, such as 24h."""


def key(about: str, default: Any = MISSING, *, factory: Any = MISSING, **bounds: Any) -> Any:
    """A key of a YAML file: description, default, and bounds in pydantic's terms."""
    metadata = {"description": about, **bounds}
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return (
        field(default=default, metadata=metadata)
        if default is not MISSING
        else field(metadata=metadata)
    )


@cache
def _tuples(cls: Any) -> frozenset[str]:
    return frozenset(f.name for f in fields(cls) if str(f.type).startswith("tuple"))


def build(cls: Any, data: dict[str, Any]) -> Any:
    """An instance of a class of keys from data that `schema` has validated."""
    names = _tuples(cls)
    return cls(**{key: tuple(value) if key in names else value for key, value in data.items()})
