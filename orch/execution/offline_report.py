"""Lists every address that orch could connect to under a configuration, and whether it is on this
machine; connects to nothing and resolves no name."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from orch.config.load import Config
from orch.config.socket_path import socket_path
from orch.config.spec import Models, Provider
from orch.config.urls import UrlScope, display_url, url_scope
from orch.providers.http.proxies import proxy_for
from orch.providers.llama_server.usual_ports import unknown_addresses

QDRANT_URL = "http://localhost:6333"
"""Where `orch health` looks for a Qdrant server that the configuration does not name."""

DEFAULT_SERVERS = {
    "Ollama": "http://127.0.0.1:11434",
    "LM Studio": "http://127.0.0.1:1234",
    "llama-server": "http://127.0.0.1:8080",
    "vLLM": "http://127.0.0.1:8000",
}
"""Where `orch setup` looks for servers that the configuration does not name: their default
ports."""


class ReachableAddress(NamedTuple):
    """An address, the part of orch that uses it, and its scope."""

    url: str
    used_by: str
    scope: UrlScope


def reachable_addresses(
    config: Config, env: Mapping[str, str] = os.environ
) -> list[ReachableAddress]:
    """Every address in the order of the configuration, with those of proxies and of models that run
    on other machines."""
    configured = [*_providers(config.models), _qdrant(config.routing.memory.qdrant_url)]
    defaults = [
        _address(url, f"orch setup: looks for {name}") for name, url in DEFAULT_SERVERS.items()
    ]
    remote = _remote_models(config.models)
    usual = [
        _address(url, "orch health: looks for a llama-server")
        for url in unknown_addresses(config.models.providers)
    ]
    return [*configured, *_proxies(configured), *remote, *defaults, *usual, *_server(env)]


def _providers(models: Models) -> Iterator[ReachableAddress]:
    for name, provider in models.providers.items():
        for url in provider.urls:
            yield _address(url, f"provider {name}")
        if provider.kind == "llamacpp" and any(spec.provider == name for spec in models.models):
            used_by = f"provider {name}: the engine inside orch, on a free port"
            yield ReachableAddress("http://127.0.0.1", used_by, "loopback")


def _qdrant(url: str | None) -> ReachableAddress:
    if url:
        return _address(url, "memory: its Qdrant server")
    return _address(QDRANT_URL, "orch health: looks for a Qdrant server")


def _server(env: Mapping[str, str]) -> Iterator[ReachableAddress]:
    if hasattr(socket, "AF_UNIX"):
        url = f"unix:{socket_path(env)}"
        yield ReachableAddress(url, "commands: a running orch serve", "loopback")


def _remote_models(models: Models) -> Iterator[ReachableAddress]:
    """Models that may run on other machines: only their provider knows the hosts."""
    for name, provider in models.providers.items():
        if provider.remote == "allow" and _may_forward(provider):
            used_by = f"provider {name}: the models that it runs on other machines (remote: allow)"
            yield ReachableAddress(f"remote:{name}", used_by, "beyond")
    for spec in models.models:
        if spec.remote == "allow" and _may_forward(models.providers.get(spec.provider)):
            used_by = f"model {spec.id}: where its provider runs it (remote: allow)"
            yield ReachableAddress(f"remote:{spec.provider}/{spec.id}", used_by, "beyond")


def _may_forward(provider: Provider | None) -> bool:
    return provider is not None and provider.kind != "llamacpp"


def _proxies(addresses: list[ReachableAddress]) -> Iterator[ReachableAddress]:
    """The environment's proxies for the addresses that are not on this machine."""
    for address in dict.fromkeys(each for each in addresses if each.scope != "loopback"):
        if proxy := proxy_for(address.url):
            yield _address(proxy.url, f"proxy of {address.url} ({address.used_by})")


def _address(url: str, used_by: str) -> ReachableAddress:
    return ReachableAddress(display_url(url), used_by, url_scope(url))
