"""The one who asked, while he waits: what is done for him ends when he leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from starlette.requests import Request

DISCONNECT_CODE = "reader_gone"
DISCONNECT_EXTENSION = "orch.left"
"""The ASGI extension that tells when the connection closes:
`scope["extensions"][LEFT]["departure"]`."""


class ClientDisconnected(Exception):
    """Nobody is there to be answered."""


class DisconnectSignal:
    """The end of one connection, and who is to hear of it."""

    __slots__ = ("happened", "told")

    def __init__(self) -> None:
        self.happened = False
        self.told: set[Callable[[], None]] = set()

    def notify(self) -> None:
        """The client is gone."""
        self.happened = True
        for each in tuple(self.told):
            each()


class CancelOnDisconnect:
    """Cancels the task it was entered in when the client's connection closes; leaving it then
    raises ClientLeft.

    Not by waiting for `http.disconnect`, which takes a task of its own for every request.
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
