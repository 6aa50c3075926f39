"""Limits how often the page is redrawn while an answer arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nicegui import app

MIN_INTERVAL_S = 0.04
MIN_REST_RATIO = 4
"""After a call, rests at least this many times as long as the call took."""


class Throttle:
    """Calls a function at most every 40 ms: at once after a pause, else when the interval ends."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function, self._not_before = function, 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        """Requests a call; requests until then are one call."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            delay_s = max(self._not_before - loop.time(), 0.0)
            self._timer = loop.call_later(delay_s, self._run)

    def cancel(self) -> None:
        """Drops a requested call."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        self._timer, loop = None, asyncio.get_running_loop()
        started = loop.time()
        try:
            self._function()
        except Exception as error:
            app.handle_exception(error)  # logs where, without the error's text
        ended = loop.time()
        self._not_before = ended + max(MIN_INTERVAL_S, MIN_REST_RATIO * (ended - started))
