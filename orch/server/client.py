"""The one who asked, while he waits: what is done for him ends when he leaves."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.requests import Request

CODE = "reader_gone"


class ClientLeft(Exception):
    """Nobody is there to be answered."""


class Watch:
    """Cancels the task it was entered in when the client's connection closes; leaving it then raises ClientLeft."""

    def __init__(self, request: Request) -> None:
        self._receive = request.receive
        self._left = False

    async def __aenter__(self) -> Watch:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._watcher = asyncio.create_task(self._wait())
        return self

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        self._task.cancel(CODE)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._watcher.cancel()
        if self._left and isinstance(error, asyncio.CancelledError):
            self._task.uncancel()
            raise ClientLeft from None
