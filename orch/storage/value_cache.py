"""Caches values of the journal that every decision needs and that another process may change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

_T = TypeVar("_T")
PROMISE_S = 0.5
"""For how long values are kept that were found fresh: who asks reads them at once, and must not
read a file then."""
_NEVER: tuple[float, Any] = (float("-inf"), None)


class ValueCache:
    """Values by name, each kept for `keep_s` seconds; 0 keeps none."""

    def __init__(self, keep_s: float = 0.0) -> None:
        self._keep_s = keep_s
        self._values: dict[str, tuple[float, Any]] = {}
        self._promised_until = float("-inf")

    def get(self, name: str, read: Callable[[], _T]) -> _T:
        """The kept value, else the one that `read` returns."""
        at, kept = self._values.get(name, _NEVER)
        now = time.monotonic()
        if now - at < self._keep_s or (now < self._promised_until and name in self._values):
            fresh: _T = kept
            return fresh
        value = read()
        self._values[name] = (time.monotonic(), value)
        return value

    def is_fresh(self, names: Iterable[str]) -> bool:
        """Whether `get` reads none of these; then it does not for a moment, either."""
        now, values = time.monotonic(), self._values
        oldest = now - self._keep_s
        is_fresh = all([values.get(name, _NEVER)[0] > oldest for name in names])
        if is_fresh:
            self._promised_until = now + PROMISE_S
        return is_fresh

    def clear(self) -> None:
        """Forgets every value: this process has changed one."""
        self._values.clear()
