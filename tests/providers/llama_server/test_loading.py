"""A router's loads: by events, by the list, and those that end badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orch.errors import ProviderError
from orch.providers.client import HttpClient
from orch.providers.llama_server.loading import LoadState, RouterLoads, parse_event
from tests.support.fake_llama_server import FakeLlamaServer, ServedModel

PROGRESS = {"stages": ["text_model", "mmproj_model"], "current": "mmproj_model", "value": 0.5}


def progress(value: Any) -> dict[str, Any]:
    return {"data": {"status": "loading", "progress": value}}


@pytest.fixture
async def server() -> AsyncIterator[FakeLlamaServer]:
    models = (ServedModel("a"), ServedModel("b", fails=134))
    with FakeLlamaServer(*models) as fake:
        yield fake


@pytest.fixture
async def loads(server: FakeLlamaServer) -> AsyncIterator[RouterLoads]:
    http = HttpClient([f"{server.url}/v1"])
    yield RouterLoads(http)
    await http.aclose()


@pytest.mark.parametrize(
    ("event", "state"),
    [
        ({"data": {"status": "loaded"}}, LoadState("loaded")),
        (progress(PROGRESS), LoadState("loading", 0.75)),
        (progress(PROGRESS | {"value": 9}), LoadState("loading", 1.0)),
        (progress({"stages": []}), LoadState("loading")),
        (progress(PROGRESS | {"value": "x"}), LoadState("loading")),
        ({"event": "model_remove"}, LoadState("removed")),
        ({"data": {"status": 5}}, None),
        ({"data": []}, None),
        ({}, None),
        ({"model": "b", "data": {"status": "loaded"}}, None),
    ],
    ids=str,
)
def test_an_event_of_the_model_is_its_state(event: dict[str, Any], state: LoadState | None) -> None:
    assert parse_event({"model": "a", "event": "status_change"} | event, "a") == state


@pytest.mark.parametrize("has_events", [True, False])
async def test_a_load_ends_when_the_model_is_ready(
    server: FakeLlamaServer, loads: RouterLoads, has_events: bool
) -> None:
    server.has_events = has_events
    await loads.load("a", 10)
    assert server.models["a"].status == "loaded"
    assert server.asked("/models/load") == 1
    await loads.load("a", 10)  # it is running already


@pytest.mark.parametrize("has_events", [True, False])
async def test_a_process_that_ends_in_its_load_is_an_error_with_its_code(
    server: FakeLlamaServer, loads: RouterLoads, has_events: bool
) -> None:
    server.has_events = has_events
    with pytest.raises(ProviderError, match=r"b failed to load.*exit code 134") as caught:
        await loads.load("b", 10)
    assert caught.value.code == "server_error"


async def test_a_load_that_takes_too_long_says_how_far_it_came(
    server: FakeLlamaServer, loads: RouterLoads
) -> None:
    server.gate.clear()
    with pytest.raises(ProviderError, match=r"not loaded within 0.5 s \(50% of it was\)") as caught:
        await loads.load("a", 0.5)
    assert caught.value.code == "timeout"


async def test_a_model_that_vanishes_in_its_load_is_not_waited_for(
    server: FakeLlamaServer, loads: RouterLoads
) -> None:
    server.gate.clear()
    load = asyncio.create_task(loads.load("a", 10))
    while server.models["a"].status != "loading" or not server._listeners:
        await asyncio.sleep(0)
    del server.models["a"]
    for listener in server._listeners:
        listener.put({"model": "a", "event": "model_remove"})
    with pytest.raises(ProviderError, match="no model a any more"):
        await load


async def test_an_unknown_model_is_not_found(loads: RouterLoads) -> None:
    with pytest.raises(ProviderError, match="not found"):
        await loads.load("c", 10)


async def test_a_router_that_goes_away_in_a_load_is_unreachable(loads: RouterLoads) -> None:
    with FakeLlamaServer(ServedModel("a")) as gone:
        url = gone.url
    http = HttpClient([f"{url}/v1"])
    with pytest.raises(ProviderError) as caught:
        await RouterLoads(http).load("a", 10)
    assert caught.value.code == "connect"
    await http.aclose()


async def test_an_unload_returns_when_the_memory_is_free(
    server: FakeLlamaServer, loads: RouterLoads
) -> None:
    await loads.load("a", 10)
    await loads.unload("a", 10)
    assert server.models["a"].status == "unloaded"
    await loads.unload("a", 10)  # it is not running: nothing to do
