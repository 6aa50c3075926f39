"""Model downloads: each continues when the page that started it is left, and ends when it is
dismissed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field

from orch.errors import OrchError
from orch.execution.pulling import PullProgress, pull_model
from orch.server.service import Service
from orch.types import ModelKey


@dataclass(slots=True, eq=False)
class Download:
    """One download; `error` is set if it failed."""

    key: ModelKey
    progress: PullProgress = field(default=PullProgress("", 0, 0))
    is_done: bool = False
    error: OrchError | None = None
    task: asyncio.Task[None] | None = None

    @property
    def is_active(self) -> bool:
        """Neither done nor failed."""
        return not self.is_done and self.error is None


class Downloads:
    """The downloads of one server by provider and model; finished and failed ones stay until
    dismissed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.known: dict[ModelKey, Download] = {}

    def start(self, model: str, provider: str) -> Download:
        """Starts downloading a model, unless that is in progress."""
        key = provider, model
        there = self.known.get(key)
        if there is not None and there.is_active:
            return there
        begun = self.known[key] = Download(key)
        begun.task = asyncio.create_task(self._fetch(begun))
        return begun

    async def _fetch(self, begun: Download) -> None:
        provider, model = begun.key
        try:
            async with aclosing(
                pull_model(self._service.orchestrator.runtime, model, provider)
            ) as steps:
                async for begun.progress in steps:
                    pass
        except OrchError as error:
            begun.error = error
        else:
            begun.is_done = True
            self._service.invalidate_inventory()

    def dismiss(self, key: ModelKey) -> None:
        """Removes a download, cancelling it if it is active."""
        gone = self.known.pop(key, None)
        if gone is not None and gone.task is not None:
            gone.task.cancel()
