"""Signals that end a run (Ctrl-C, SIGTERM, SIGHUP), with the error code of each."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNAL_CODES = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung_up"}
INTERRUPTION_CODES = tuple(SIGNAL_CODES.values())


def cancel_on_signals() -> list[str]:
    """Cancels the current asyncio task on a signal; returns a list that then holds its code.

    Cancelling ends generation at the provider and records what has arrived so far.
    """
    import asyncio  # a client of a running server does without

    codes: list[str] = []
    task = asyncio.current_task()
    assert task is not None

    def cancel(code: str) -> None:
        codes.append(code)
        task.cancel(code)

    for name, code in SIGNAL_CODES.items():
        try:
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), cancel, code)
        except (AttributeError, NotImplementedError, RuntimeError):
            pass  # Windows, or not the main thread: asyncio.run's own handling of Ctrl-C stays
    return codes


@contextmanager
def on_first_signal(handle: Callable[[str], None]) -> Iterator[None]:
    """Calls `handle` with the code of the first signal; a second one ends this process."""

    def receive(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        handle(SIGNAL_CODES[signal.Signals(number).name])

    numbers = [getattr(signal, name) for name in SIGNAL_CODES if hasattr(signal, name)]
    previous = {number: signal.signal(number, receive) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
