"""Parses durations such as `24h`, and the times that commands take: `7d` ago, or 2026-11-01."""

from __future__ import annotations

import re
import time

from orch.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def duration_seconds(duration: str) -> int:
    """Seconds of a validated duration such as 24h."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def parse_since(text: str, option: str = "--since") -> float:
    """Seconds since the epoch of `7d` (ago) or of a date; 0 for an empty text. Raises
    UsageError."""
    from datetime import datetime

    if not text:
        return 0.0
    if re.fullmatch(r"\d{1,6}[smhdw]", text):
        return time.time() - duration_seconds(text)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError(
            f"{option} {text!r} is not a time", "write 24h, 7d or 2026-11-01"
        ) from None
