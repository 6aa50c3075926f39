"""The wire tests of providers run over both transports."""

from __future__ import annotations

from typing import Any

import pytest

from orch.providers import client
from orch.providers.http.transport import Endpoint, Transport, open_transport


@pytest.fixture(params=[False, True], ids=["httpx", "aiohttp"])
def concurrent(request: pytest.FixtureRequest) -> bool:
    """Runs a test twice: over httpx, as the commands do, and over aiohttp, as `orch serve` does."""
    return bool(request.param)


@pytest.fixture
def both_transports(concurrent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a test twice, whichever transport its clients choose. For tests over a socket: respx
    answers in httpx's place alone."""

    def open_chosen(endpoint: Endpoint, **_: Any) -> Transport:
        return open_transport(endpoint, concurrent=concurrent)

    monkeypatch.setattr(client, "open_transport", open_chosen)
