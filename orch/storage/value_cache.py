"""Caches values of the journal that every decision needs and that another process may change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

_T = TypeVar("_T")
_NEVER: tuple[float, Any] = (float("-inf"), None)


class ValueCache:
    """Values by name, each kept for `keep_s` seconds; 0 keeps none."""

    def __init__(self, keep_s: float = 0.0) -> None:
        self._keep_s = keep_s
        self._values: dict[str, tuple[float, Any]] = {}

    def get(self, name: str, read: Callable[[], _T]) -> _T:
        """The kept value, else the one that `read` returns."""
        at, kept = self._values.get(name, _NEVER)
        if time.monotonic() - at < self._keep_s:
            fresh: _T = kept
            return fresh
        value = read()
        self._values[name] = (time.monotonic(), value)
        return value

    def is_fresh(self, names: Iterable[str]) -> bool:
        """Whether `get` would read none of these."""
        oldest, values = time.monotonic() - self._keep_s, self._values
        return all([values.get(name, _NEVER)[0] > oldest for name in names])

    def clear(self) -> None:
        """Forgets every value: this process has changed one."""
        self._values.clear()
