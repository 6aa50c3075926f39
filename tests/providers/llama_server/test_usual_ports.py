"""A llama-server at its usual port: found by `orch health`, said with a block that works."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from orch import Orchestrator
from orch.cli.commands.health import servers_to_add
from orch.config.load import load_config
from orch.config.spec import Provider
from orch.execution.offline_report import reachable_addresses
from orch.providers.llama_server import usual_ports
from orch.providers.llama_server.usual_ports import USUAL_PORTS, find_servers, known_ports
from tests.support.fake_llama_server import FakeLlamaServer, ServedModel
from tests.support.fake_ollama import FakeOllama


def port_of(server: Any) -> int:
    return urlsplit(server.url).port or 0


async def test_a_server_is_found_by_its_list_alone_and_never_prompted() -> None:
    with FakeLlamaServer(ServedModel("a"), ServedModel("b")) as server:
        [found] = await find_servers({}, [port_of(server)])
        asked = [(method, path) for method, path, _ in server.requests]
    assert (found.label, found.model_count) == ("llama-server", 2)
    assert asked == [("GET", "/v1/models")]


async def test_an_address_of_models_yaml_is_not_asked() -> None:
    with FakeLlamaServer(ServedModel("a")) as server:
        url = f"http://localhost:{port_of(server)}/v1"
        providers = {"mine": Provider(kind="openai", base_url=url, api_key="secret")}
        assert await find_servers(providers, [port_of(server)]) == []
        assert server.requests == []


@pytest.mark.parametrize("answer", [(404, {}), (200, [1]), (200, {"data": "x"}), None], ids=str)
async def test_another_program_at_the_port_is_passed_over(answer: Any) -> None:
    with FakeLlamaServer() as server:
        server.answers["/v1/models"] = answer
        assert await find_servers({}, [port_of(server)]) == []


async def test_another_kind_of_server_is_passed_over(ollama: FakeOllama) -> None:
    assert await find_servers({}, [port_of(ollama), 9]) == []


async def test_the_block_works_below_the_providers() -> None:
    own = "providers:\n  llama-server: {kind: llama-server, base_url: http://127.0.0.1:1}\n"
    with (
        FakeLlamaServer(ServedModel("a"), mode="swap") as swap,
        FakeLlamaServer() as empty,
        FakeLlamaServer(ServedModel("a", "loaded")) as router,
    ):
        taken = {"llama-server": Provider(kind="llama-server", base_url="http://127.0.0.1:1")}
        ports = [port_of(swap), port_of(router), port_of(empty)]
        found = await find_servers(taken, ports)
        pasted = yaml.safe_load(own + "\n".join(each.block for each in found))
        async with Orchestrator(pasted | {"models": []}, {"version": 1}) as orchestrator:
            inventory = await orchestrator.runtime.registry.snapshot()
    assert list(pasted["providers"]) == ["llama-server", "llama-swap", "llama-server-2"]
    assert set(inventory.unreachable) == {"llama-server"}


def test_ports_of_other_machines_are_not_those_of_this_one() -> None:
    urls = ("http://10.0.0.5:8080", "http://127.0.0.1:9931", "http://localhost")
    assert known_ports({"x": Provider(kind="openai", base_urls=urls)}) == {9931, 80}


def test_offline_lists_the_addresses_that_health_looks_at(home: Path) -> None:
    used = {each.url: each.used_by for each in reachable_addresses(load_config())}
    assert all("orch health" in used[f"http://127.0.0.1:{port}"] for port in USUAL_PORTS)


async def test_health_says_what_to_write(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here: Any = SimpleNamespace(obj=None, find_root=lambda: SimpleNamespace(params={}, obj=None))
    with FakeLlamaServer(ServedModel("a")) as server:
        monkeypatch.setattr(usual_ports, "USUAL_PORTS", (port_of(server),))
        [row] = await servers_to_add(here)
    assert (row.name, row.status) == (f"llama-server at {server.url}", "off")
    assert row.hint.endswith(f"  llama-server: {{kind: llama-server, base_url: {server.url}}}")
