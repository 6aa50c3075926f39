"""Counts the values in JSON before it is parsed (pure): parsing 31 MB of `[1,1,1,…` is one call,
which blocks the event loop for seconds."""

from __future__ import annotations

SLICE_BYTES = 128 * 1024
"""Examined in one call."""
_MARKS = (b",", b"[", b"{")
"""Each value but the first follows one of these."""


def has_more_values(data: bytes, most: int) -> bool:
    """Whether JSON holds more than `most` values; marks inside strings do not count. For invalid
    JSON the result is unspecified."""
    slices = [data[begin : begin + SLICE_BYTES] for begin in range(0, len(data), SLICE_BYTES)]
    if sum(_marks(part) for part in slices) <= most:
        return False
    count, inside, escaped = 0, 0, False
    for part in slices:
        part = part[1:] if escaped else part
        escaped = (len(part) - len(part.rstrip(b"\\"))) % 2 == 1
        pieces = part.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        count += sum(map(_marks, pieces[inside::2]))
        if count > most:
            return True
        inside ^= (len(pieces) - 1) & 1
    return False


def _marks(part: bytes) -> int:
    return sum(map(part.count, _MARKS))
