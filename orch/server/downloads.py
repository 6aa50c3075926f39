"""Model downloads: each continues when the page that started it is left, and ends when it is
cancelled; what came is kept, so that it can go on later."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field

from orch.errors import OrchError
from orch.execution.pulling import PullProgress, pull_model
from orch.execution.recommending.forecast import FitForecast, check_disk, forecast_pull
from orch.server.service import Service
from orch.types import ModelKey


@dataclass(slots=True, eq=False)
class Download:
    """One download; `error` is set if it failed, `forecast` as soon as it is known."""

    key: ModelKey
    progress: PullProgress = field(default=PullProgress("", 0, 0))
    forecast: FitForecast | None = None
    is_done: bool = False
    is_cancelled: bool = False
    error: OrchError | None = None
    task: asyncio.Task[None] | None = None

    @property
    def is_active(self) -> bool:
        """Neither done nor failed nor cancelled."""
        return not self.is_done and self.error is None and not self.is_cancelled


class Downloads:
    """The downloads of one server by provider and model; those that have ended stay until
    dismissed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.by_model: dict[ModelKey, Download] = {}

    def start(self, model: str, provider: str) -> Download:
        """Starts downloading a model, unless that is in progress. One that ended before its time
        goes on from what came."""
        key = ModelKey(provider, model)
        existing = self.by_model.get(key)
        if existing is not None and existing.is_active:
            return existing
        download = self.by_model[key] = Download(key)
        if existing is not None and not existing.is_done:
            download.progress = existing.progress
        download.task = asyncio.create_task(self._fetch(download))
        return download

    async def _fetch(self, download: Download) -> None:
        provider, model = download.key
        runtime = self._service.orchestrator.runtime
        try:
            download.forecast = await forecast_pull(runtime, model, provider)
            check_disk(download.forecast)
            async with aclosing(pull_model(runtime.providers, model, provider)) as steps:
                async for step in steps:
                    download.progress = _with_amounts(step, download.progress)
        except OrchError as error:
            download.error = error
        else:
            download.is_done = True
            self._service.invalidate_inventory()

    def cancel(self, key: ModelKey) -> None:
        """Ends an active download, which stays to be continued."""
        download = self.by_model.get(key)
        if download is not None and download.is_active and download.task is not None:
            download.is_cancelled = True
            download.task.cancel()

    def dismiss(self, key: ModelKey) -> None:
        """Removes a download, cancelling it if it is active."""
        removed = self.by_model.pop(key, None)
        if removed is not None and removed.task is not None:
            removed.task.cancel()


def _with_amounts(step: PullProgress, before: PullProgress) -> PullProgress:
    """The step with the amounts before it until it has its own: a download that goes on does not
    begin at nothing."""
    return step if step.total_bytes else PullProgress(step.status, *before[1:])
