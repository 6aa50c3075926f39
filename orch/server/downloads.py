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
        self.by_model: dict[ModelKey, Download] = {}

    def start(self, model: str, provider: str) -> Download:
        """Starts downloading a model, unless that is in progress."""
        key = ModelKey(provider, model)
        existing = self.by_model.get(key)
        if existing is not None and existing.is_active:
            return existing
        download = self.by_model[key] = Download(key)
        download.task = asyncio.create_task(self._fetch(download))
        return download

    async def _fetch(self, download: Download) -> None:
        provider, model = download.key
        try:
            providers = self._service.orchestrator.runtime.providers
            async with aclosing(pull_model(providers, model, provider)) as steps:
                async for download.progress in steps:
                    pass
        except OrchError as error:
            download.error = error
        else:
            download.is_done = True
            self._service.invalidate_inventory()

    def dismiss(self, key: ModelKey) -> None:
        """Removes a download, cancelling it if it is active."""
        removed = self.by_model.pop(key, None)
        if removed is not None and removed.task is not None:
            removed.task.cancel()
