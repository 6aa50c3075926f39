"""Parses durations and dates: `7d` ago, or 2026-11-01."""

from __future__ import annotations

import re
import time

from orch.config.spec import duration_seconds
from orch.errors import UsageError


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
