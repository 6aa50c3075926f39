"""Regular expressions that are compiled on first use: all of them take 15 ms, and most texts need
none."""

from __future__ import annotations

import re
from typing import Any, cast


class _Rule:
    def __init__(self, source: str | bytes, flags: int) -> None:
        self._source, self._flags = source, flags

    def __getattr__(self, name: str) -> Any:
        method = getattr(re.compile(self._source, self._flags), name)
        setattr(self, name, method)
        return method


def lazy_pattern(source: str, flags: int = 0) -> re.Pattern[str]:
    """A pattern for str."""
    return cast(re.Pattern[str], _Rule(source, flags))


def lazy_bytes_pattern(source: bytes, flags: int = 0) -> re.Pattern[bytes]:
    """A pattern for bytes."""
    return cast(re.Pattern[bytes], _Rule(source, flags))
