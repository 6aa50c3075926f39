"""The wire tests of providers run over both transports."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[False, True], ids=["httpx", "aiohttp"])
def concurrent(request: pytest.FixtureRequest) -> bool:
    """Runs a test twice: over httpx, as the commands do, and over aiohttp, as `orch serve` does."""
    return bool(request.param)
