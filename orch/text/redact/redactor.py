"""Replaces secrets in texts and values. Loads only the detectors that a text needs."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

KEPT_CHARS = 4_000
PIECE_CHARS = 65_536
"""Searched at once: no call into C holds the interpreter for more than some milliseconds, so that a
thread may do it beside a server's event loop."""
BEFORE_CHARS, AFTER_CHARS = 256, 4_096
"""Context of a piece: a name before a value, and the rest of a secret that begins in the piece."""
MARK_PREFIX = "[redacted: "
_RETIRED = frozenset(
    int(crc, 16)
    for crc in (
        "de8f25e5 465ed708 283caa60 6f8eaf59 90bd2442 7aaa9bb4 c9af982e "
        "f195ebd1 69d4faf6 bb8e7e9d b1a2dbf8 82a36907 e42d1b6b 1d734c50"
    ).split()
)
"""CRC-32 of the patterns that routing.yaml shipped until 0.1: a copy of that file must not bring
back their quadratic time."""


class Redactor:
    """Replaces secrets by `[redacted: NAME]`: the built-in forms except those in `allow`, and the
    user's own patterns. Detectors are loaded and compiled on demand."""

    def __init__(
        self, patterns: Mapping[str, str], allow: Collection[str] = (), *, enabled: bool = True
    ) -> None:
        self._sources = (
            {name: pattern for name, pattern in patterns.items() if not is_retired_pattern(pattern)}
            if enabled
            else {}
        )
        self._allow, self._enabled = frozenset(allow), enabled
        self._compiled: list[tuple[str, re.Pattern[str]]] | None = None
        # a run's row holds the task twice, and consecutive rows hold the same words of decisions
        self._cached_redact = lru_cache(maxsize=64)(self._redacted)

    def redact_all(self, value: Any) -> Any:
        """The value with every string in it redacted. Must run before JSON encoding, whose escapes
        hide word boundaries."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {self.redact_all(key): self._entry(key, entry) for key, entry in value.items()}
        return (
            type(value)([self.redact_all(entry) for entry in value])
            if isinstance(value, (list, tuple))
            else value
        )

    def redact(self, text: str) -> str:
        """The text without its secrets; the same object if there are none. Takes linear time."""
        return self._cached_redact(text) if len(text) < KEPT_CHARS else self._redacted(text)

    def redact_name(self, name: str | None) -> str | None:
        """The name without its secrets, still distinct from every other name: the keys of two
        clients must not become one session."""
        clean = self.redact(name) if name else name
        return (
            clean
            if clean == name
            else f"{clean} {hashlib.sha256(str(name).encode('utf-8', 'replace')).hexdigest()[:12]}"
        )

    def _entry(self, key: Any, entry: Any) -> Any:
        """The value of a dict entry: in `{"password": "…"}` the key alone tells that it is a
        secret."""
        clean = self.redact_all(entry)
        if (
            not self._enabled
            or "assignment" in self._allow
            or not isinstance(key, str)
            or not isinstance(clean, str)
            or clean != entry
            or len(entry) > KEPT_CHARS
        ):
            return clean
        from orch.text.redact.assignments import is_assigned_secret

        return f"{MARK_PREFIX}assignment]" if is_assigned_secret(key, entry) else clean

    def _redacted(self, text: str) -> str:
        spans = [*self._own_patterns(text), *self._built_in(text)] if self._enabled else []
        return _replaced(text, spans) if spans else text

    def _built_in(self, text: str) -> Iterator[tuple[int, int, str]]:
        from orch.text.redact.detectors import find_multiline_secrets, find_secrets

        yield from (span for span in find_multiline_secrets(text) if span[2] not in self._allow)
        for begin in range(0, len(text), PIECE_CHARS):
            first = max(0, begin - BEFORE_CHARS)
            piece = text[first : begin + PIECE_CHARS + AFTER_CHARS]
            for start, stop, name in find_secrets(piece):
                if begin <= first + start < begin + PIECE_CHARS and name not in self._allow:
                    yield (
                        first + start,
                        _secret_end(text, first + stop) if stop == len(piece) else first + stop,
                        name,
                    )

    def _own_patterns(self, text: str) -> Iterator[tuple[int, int, str]]:
        if self._compiled is None:
            self._compiled = [
                (name, re.compile(pattern)) for name, pattern in self._sources.items()
            ]
        for name, pattern in self._compiled:
            part = "secret" if "secret" in pattern.groupindex else 0
            for match in pattern.finditer(text):
                if match.end() > match.start() and match.group(part) is not None:
                    yield match.start(part), match.end(part), name


def _secret_end(text: str, stop: int) -> int:
    """The end of a secret that is longer than one piece."""
    rest = re.compile(r"[^\s\"'`<>]*").match(text, stop)
    return rest.end() if rest else stop


def is_retired_pattern(pattern: str) -> bool:
    """Whether an earlier routing.yaml shipped this pattern; the built-in forms cover what it
    found."""
    return zlib.crc32(pattern.encode()) in _RETIRED


def _replaced(text: str, spans: list[tuple[int, int, str]]) -> str:
    """The text with one mark for each run of overlapping spans, named after the most specific form
    among them."""
    parts: list[str] = []
    done, open_at, open_name = 0, -1, ""
    for start, stop, name in [*sorted(spans), (len(text) + 1, len(text) + 1, "")]:
        if text.startswith(MARK_PREFIX, start):
            continue
        if open_at >= 0 and start >= done:
            parts.append(f"{MARK_PREFIX}{open_name}]")
            open_at = -1
        if open_at < 0:
            parts.append(text[done:start])
            open_at, open_name, done = start, name, stop
        elif open_name == "assignment":
            open_name = name
        done = max(done, stop)
    return "".join(parts)
