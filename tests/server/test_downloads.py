"""Model downloads: they continue without a page, and end when they are dismissed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from orch.server.downloads import Download, Downloads
from orch.server.service import Service
from orch.types import ModelKey
from tests.support.fake_ollama import FakeOllama

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
