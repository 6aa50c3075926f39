"""Ctrl-Z and `fg`: gives the terminal back to the shell while this process is stopped."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any


class JobControl:
    """Calls `leave` before Ctrl-Z stops this process, and `resume` once it goes on in the
    foreground.

    A stop that arrives inside the block, which draws, waits for its end. In the background (`bg`)
    nothing is drawn: the cursor is the shell's. No signal tells that `fg` brings back a job that
    runs, so that each block looks. Does nothing where signals can't be handled:
    Windows, another thread, a parent that ignores Ctrl-Z.
    """

    def __init__(self, leave: Callable[[], None], resume: Callable[[], None]) -> None:
        self._leave, self._resume = leave, resume
        self._is_drawing, self._is_due, self._is_away = False, False, False
        self._previous: Any = None
        if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGTSTP"):
            previous = signal.getsignal(signal.SIGTSTP)
            if previous is not signal.SIG_IGN:
                self._previous = previous
                signal.signal(signal.SIGTSTP, self._receive)

    def __enter__(self) -> None:
        self._is_drawing = True
        if self._is_away:
            self._resume_in_foreground()

    def __exit__(self, *_: object) -> None:
        self._is_drawing = False
        if self._is_due:
            self._stop()

    def close(self) -> None:
        """Restores the earlier handler."""
        if self._previous is not None:
            signal.signal(signal.SIGTSTP, self._previous)
            self._previous = None

    def _receive(self, *_: Any) -> None:
        self._is_due = True
        if not self._is_drawing:
            self._stop()

    def _stop(self) -> None:
        self._is_due = False
        self._leave()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # from here on the process goes on
        signal.signal(signal.SIGTSTP, self._receive)
        self._resume_in_foreground()

    def _resume_in_foreground(self) -> None:
        self._is_away = not is_in_foreground()
        if not self._is_away:
            self._resume()


def is_in_foreground() -> bool:
    """Whether this process's group is the one that its terminal belongs to; True without a
    terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return True
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True
    finally:
        os.close(terminal)
