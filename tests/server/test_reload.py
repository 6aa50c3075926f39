"""The configuration files are watched, and a valid change is applied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from orch.server import reload
from orch.server.reload import poll_while_waiting, watch_config
from orch.server.service import Service

DEADLINE_S = 10.0


@pytest.fixture
async def service(home: Path) -> AsyncIterator[Service]:
    home.mkdir()
    (home / "routing.yaml").write_text("version: 1\n")
    service = Service.create(None)
    watcher = asyncio.create_task(watch_config(service))
    await asyncio.sleep(0.2)  # the first change must come after the watch has begun
    yield service
    watcher.cancel()
    with suppress(asyncio.CancelledError):
        await watcher
    await service.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_valid_change_is_applied_and_an_invalid_one_recorded(
    service: Service, home: Path
) -> None:
    (home / "routing.yaml").write_text("version: 1\nsession_margin: 0.25\n")
    await until(lambda: service.config.routing.session_margin == 0.25)
    (home / "routing.yaml").write_text("version: 1\nsession_margins: 0.3\n")
    await until(lambda: service.config_fault is not None)
    assert service.config.routing.session_margin == 0.25


async def test_other_files_of_the_folder_change_nothing(service: Service, home: Path) -> None:
    before = service.generation
    (home / "notes.yaml").write_text("version: 1\n")
    (home / "routing.yaml").write_text("version: 1\nsession_margin: 0.25\n")
    await until(lambda: service.generation is not before)
    assert service.config_fault is None


async def test_providers_are_polled_only_while_requests_wait(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls: list[bool] = []
    waiting = iter([False, True, False])

    async def snapshot() -> None:
        polls.append(True)

    def has_waiting() -> bool:
        try:
            return next(waiting)
        except StopIteration:
            raise asyncio.CancelledError from None

    monkeypatch.setattr(reload, "POLL_S", 0)
    monkeypatch.setattr(service.scheduler, "has_waiting", has_waiting)
    monkeypatch.setattr(service.orchestrator.runtime.registry, "snapshot", snapshot)
    with pytest.raises(asyncio.CancelledError):
        await poll_while_waiting(service)
    assert polls == [True]
