"""The limit on wrong keys: how many a source may try before its further ones are delayed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from time import monotonic

MAX_WRONG_KEYS, WRONG_KEYS_WINDOW_S = 10, 60.0
"""Wrong keys from one account or address within the window; each further one is answered with a
delay."""
WRONG_KEY_DELAY_S = 1.0
MAX_SOURCES = 1024
"""Sources counted; the one whose last wrong key is oldest is evicted."""


class WrongKeyLimiter:
    """Counts wrong keys by source. A valid key is always accepted, so nobody can lock another
    client out."""

    def __init__(
        self, late_s: float = WRONG_KEY_DELAY_S, clock: Callable[[], float] = monotonic
    ) -> None:
        self._late_s, self._clock = late_s, clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    async def record_failure(self, source: str) -> float:
        """Counts a wrong key. Returns 0, or, after too many and with a delay, the seconds until
        they expire."""
        wrong = self._wrong.setdefault(source, deque(maxlen=MAX_WRONG_KEYS + 1))
        self._wrong.move_to_end(source)
        wrong.append(self._clock())
        if len(self._wrong) > MAX_SOURCES:
            self._wrong.popitem(last=False)
        wait_s = (
            wrong[0] + WRONG_KEYS_WINDOW_S - self._clock() if len(wrong) > MAX_WRONG_KEYS else 0.0
        )
        if wait_s <= 0:
            return 0.0
        await asyncio.sleep(self._late_s)
        return wait_s
