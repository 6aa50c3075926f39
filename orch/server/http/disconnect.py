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

    __slots__ = ("happened", "told")

    def __init__(self) -> None:
        self.happened = False
        self.told: set[Callable[[], None]] = set()

    def notify(self) -> None:
        """Marks the connection as closed and calls every listener."""
        self.happened = True
        for each in tuple(self.told):
            each()


class CancelOnDisconnect:
    """Cancels the task that entered it when the client disconnects; leaving it then raises
    ClientDisconnected.

    Waiting for `http.disconnect` instead would take a task of its own for each request.
    """

    __slots__ = ("_departure", "_left", "_task")

    def __init__(self, request: Request) -> None:
        departure: DisconnectSignal = request.scope["extensions"][DISCONNECT_EXTENSION]["departure"]
        self._departure, self._left = departure, False

    def __enter__(self) -> CancelOnDisconnect:
        if self._departure.happened:
            raise ClientDisconnected
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._departure.told.add(self._leave)
        return self

    def _leave(self) -> None:
        self._left = True
        self._task.cancel(DISCONNECT_CODE)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._departure.told.discard(self._leave)
        if self._left and isinstance(error, asyncio.CancelledError):
            self._task.uncancel()
            raise ClientDisconnected from None
