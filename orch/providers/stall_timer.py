"""Timeouts for what a model sends, which the time that this process is stopped does not use up
(Ctrl-Z and `fg`, a suspended machine, a busy event loop).

All that arrived meanwhile waits in the socket, and asyncio's own timeout would end the wait in the
same turn of the event loop that reads it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Self, TypeVar

TICK_S = 1.0
"""How often the clock is read: of a stop, all but the first second is noticed."""
_T = TypeVar("_T")


class StallTimer:
    """Limits one wait after another of one task.

    One timer lasts for many waits and moves on by itself, so that a wait costs less than an
    `asyncio.timeout` of its own. Where the timer is late, the loop was not running: the limit is
    extended by that time. After a long pause, what arrived meanwhile is read first; a loop that is
    late again and again gets that once, so that each wait ends.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline, self._due, self._limit, self._began = 0.0, 0.0, 0.0, 0.0
        self._was_late = False
        self.has_expired = False
        """Whether the deadline is past. A wait that ends at once, as where data always waits in
        the socket, is over before its timeout takes effect."""
        self._timer: asyncio.TimerHandle | None = None
        self._wait: asyncio.Timeout | None = None

    async def wait(self, awaitable: Awaitable[_T], limit_s: float, *, goes_on: bool = False) -> _T:
        """The result of an awaitable. Raises TimeoutError after `limit_s` of this process's time;
        if the last wait `goes_on`, at its deadline."""
        self._began = self._loop.time()
        if not goes_on:
            self._limit, self._deadline = limit_s, self._began + limit_s
            self.has_expired = self._was_late = False
        if self._timer is None or self._due > self._deadline:
            self._schedule()
        try:
            async with asyncio.timeout(None) as self._wait:
                return await awaitable
        finally:
            self._wait = None

    def close(self) -> None:
        """Ends the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        self.close()
        self._due = min(self._loop.time() + TICK_S, self._deadline)
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._wait is None:
            return
        now = self._loop.time()
        late = now - max(self._due, self._began)
        self._deadline += late
        is_pause = late > TICK_S / 2
        if is_pause and not self._was_late:  # what arrived meanwhile is read first
            self._deadline = max(self._deadline, now + min(self._limit, TICK_S))
        self._was_late = is_pause
        if now < self._deadline:
            self._schedule()
        else:
            self.has_expired = True
            self._wait.reschedule(now)


class PauseDetector:
    """Notices whether the event loop did not run for a while inside its block."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.has_paused = False
        """Whether it did not."""

    def __enter__(self) -> Self:
        self._schedule()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _schedule(self) -> None:
        self._due = self._loop.time() + TICK_S
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        if self._loop.time() - self._due > TICK_S / 2:
            self.has_paused = True
        else:
            self._schedule()
