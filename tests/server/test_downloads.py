"""Model downloads: they continue without a page, and end when they are dismissed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from orch.execution.pulling import PullProgress
from orch.execution.recommending import forecast
from orch.execution.recommending.model_store import ModelStore
from orch.server.downloads import Download, Downloads, _with_amounts
from orch.server.service import Service
from orch.types import ModelKey
from tests.support.fake_ollama import FakeOllama, Fault

MODEL = ModelKey("ollama", "gemma:2b")


@pytest.fixture
async def downloads(ollama: FakeOllama) -> AsyncIterator[Downloads]:
    service = Service.create(None)
    yield Downloads(service)
    await service.aclose()


async def finished(download: Download) -> Download:
    await cast("asyncio.Task[None]", download.task)
    return download


async def test_a_model_is_downloaded(downloads: Downloads, ollama: FakeOllama) -> None:
    download = downloads.start(MODEL.model, MODEL.provider)
    assert download.is_active
    await finished(download)
    assert (download.is_done, download.error, download.is_active) == (True, None, False)
    assert MODEL.model in ollama.models


async def test_a_download_in_progress_is_not_started_twice(downloads: Downloads) -> None:
    first = downloads.start(MODEL.model, MODEL.provider)
    assert downloads.start(MODEL.model, MODEL.provider) is first
    await finished(first)
    again = downloads.start(MODEL.model, MODEL.provider)
    assert again is not first
    await finished(again)


async def test_a_failed_download_keeps_its_error_until_it_is_dismissed(
    downloads: Downloads,
) -> None:
    download = await finished(downloads.start(MODEL.model, "nowhere"))
    assert download.error is not None
    assert (download.is_done, download.is_active) == (False, False)
    assert downloads.by_model == {download.key: download}
    downloads.dismiss(download.key)
    assert downloads.by_model == {}


async def test_dismissing_a_download_cancels_it(downloads: Downloads) -> None:
    download = downloads.start(MODEL.model, MODEL.provider)
    downloads.dismiss(MODEL)
    with pytest.raises(asyncio.CancelledError):
        await finished(download)
    assert (downloads.by_model, download.is_done) == ({}, False)
    downloads.dismiss(MODEL)


async def test_a_cancelled_download_stays_and_goes_on_from_what_came(
    downloads: Downloads, ollama: FakeOllama
) -> None:
    ollama.pull_fault = Fault("stall", after=3, seconds=60)
    download = downloads.start(MODEL.model, MODEL.provider)
    while not download.progress.total_bytes:
        await asyncio.sleep(0.01)
    came = download.progress
    downloads.cancel(MODEL)
    with pytest.raises(asyncio.CancelledError):
        await finished(download)
    assert (download.is_cancelled, download.is_active) == (True, False)
    assert downloads.by_model == {MODEL: download}
    ollama.pull_fault = None
    again = downloads.start(MODEL.model, MODEL.provider)
    assert again.progress == came
    await finished(again)
    assert again.is_done
    downloads.cancel(MODEL)
    assert again.is_done


def test_a_step_without_amounts_keeps_those_before_it() -> None:
    before = PullProgress("pulling aa", 5, 10)
    assert _with_amounts(PullProgress("pulling manifest", 0, 0), before) == PullProgress(
        "pulling manifest", 5, 10
    )
    assert _with_amounts(PullProgress("pulling aa", 6, 10), before)[1:] == (6, 10)


async def test_what_it_takes_is_known_before_it_begins(
    downloads: Downloads, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    full = ModelStore(tmp_path, free_bytes=1)
    monkeypatch.setattr(forecast, "store_of", lambda *_: full)
    download = await finished(downloads.start("qwen3:8b", "ollama"))
    assert download.forecast is not None
    assert download.forecast.size_bytes == 5_200_000_000
    assert download.error is not None
    assert "5.2 GB" in download.error.message
    assert ollama.pulled == []
