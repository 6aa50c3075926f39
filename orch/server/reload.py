"""Watches the configuration files and reloads the service when they change."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from watchfiles import awatch

from orch.config import paths
from orch.config.discovery import FILES, KNOWN_MODELS_FILE
from orch.server.service import Service

POLL_S = 2.0
DEBOUNCE_MS = 300
"""An editor writes a file in several steps; they count as one change."""


async def watch_config(service: Service) -> None:
    """Reloads at each change until cancelled."""
    names = {*FILES.values(), KNOWN_MODELS_FILE}
    folders = [folder for folder in _folders(service) if folder.is_dir()]
    if not folders:
        return
    watching = awatch(
        *folders,
        watch_filter=lambda _, path: Path(path).name in names,
        debounce=DEBOUNCE_MS,
        step=50,
        recursive=False,
    )
    async for _ in watching:
        await service.reload()


def _folders(service: Service) -> list[Path]:
    """Every folder whose files would count."""
    own = paths.config_dir()
    paths.make_private(own)
    variable = os.environ.get("ORCH_CONFIG")
    chosen = service.config_dir or (Path(variable) if variable else Path.cwd())
    sources = (source.path.parent for source in service.config.sources)
    return list(dict.fromkeys((chosen, own, *sources)))


async def poll_while_waiting(service: Service) -> None:
    """Polls the providers while requests wait for memory: a model that was unloaded by its own
    server notifies nobody."""
    while True:
        await asyncio.sleep(POLL_S)
        if service.scheduler.has_waiting():
            await service.orchestrator.runtime.registry.snapshot()
