"""Blackens secrets in texts before they are written anywhere (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

KEPT_CHARS = 4_000


class Redactor:
    """Replaces what routing.yaml's patterns match by `[redacted: NAME]`. Compiles them at first use."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self._sources = dict(patterns)
        self._compiled: list[tuple[str, re.Pattern[str]]] | None = None
        # the task stands in a run's row twice, and the words of decisions in one row after the other
        self._lately = lru_cache(maxsize=64)(self._redacted)

    def redact_all(self, value: Any) -> Any:
        """The same value with every text in it redacted: before it becomes JSON, whose escapes would hide where a word begins."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {key: self.redact_all(entry) for key, entry in value.items()}
        return type(value)([self.redact_all(entry) for entry in value]) if isinstance(value, (list, tuple)) else value

    def redact(self, text: str) -> str:
        """The text without its secrets. The same text when it has none."""
        return self._lately(text) if len(text) < KEPT_CHARS else self._redacted(text)

    def _redacted(self, text: str) -> str:
        if self._compiled is None:
            self._compiled = [(name, re.compile(pattern)) for name, pattern in self._sources.items()]
        for name, pattern in self._compiled:
            text = pattern.sub(partial(_blacken, name), text)
        return text


def _blacken(name: str, match: re.Match[str]) -> str:
    mark = f"[redacted: {name}]"
    if "secret" not in match.re.groupindex or match.group("secret") is None:
        return mark
    whole, start = match.group(0), match.start()
    if match.group("secret").startswith("[redacted"):
        return whole
    return whole[: match.start("secret") - start] + mark + whole[match.end("secret") - start :]
