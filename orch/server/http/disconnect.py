"""Cancels a request's work when its client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from starlette.requests import Request

DISCONNECT_CODE = "reader_gone"
DISCONNECT_EXTENSION = "orch.left"
"""ASGI extension that reports the end of the connection:
`scope["extensions"][DISCONNECT_EXTENSION]["signal"]`."""


class ClientDisconnected(Exception):
    """Raised when the client has disconnected."""


class DisconnectSignal:
    """Notifies listeners once when the connection closes."""

    __slots__ = ("is_disconnected", "listeners")

    def __init__(self) -> None:
        self.is_disconnected = False
        self.listeners: set[Callable[[], None]] = set()

    def notify(self) -> None:
        """Marks the connection as closed and calls every listener."""
        self.is_disconnected = True
        for listener in tuple(self.listeners):
            listener()


class CancelOnDisconnect:
    """Cancels the task that entered it when the client disconnects; leaving it then raises
    ClientDisconnected.

    Waiting for `http.disconnect` instead would take a task of its own for each request.
    """

    __slots__ = ("_is_cancelled", "_signal", "_task")

    def __init__(self, request: Request) -> None:
        extension = request.scope["extensions"][DISCONNECT_EXTENSION]
        self._signal: DisconnectSignal = extension["signal"]
        self._is_cancelled = False

    def __enter__(self) -> CancelOnDisconnect:
        if self._signal.is_disconnected:
            raise ClientDisconnected
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._signal.listeners.add(self._cancel)
        return self

    def _cancel(self) -> None:
        self._is_cancelled = True
        self._task.cancel(DISCONNECT_CODE)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._signal.listeners.discard(self._cancel)
        if self._is_cancelled and isinstance(error, asyncio.CancelledError):
            self._task.uncancel()
            raise ClientDisconnected from None
