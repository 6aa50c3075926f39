"""Every address that orch could speak to under a configuration, and how far away it is; asks
nothing and looks up no name."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from orch.config.load import Config
from orch.config.socket_path import socket_path
from orch.config.spec import Models, Provider
from orch.config.urls import UrlScope, display_url, url_scope
from orch.providers.kinds import KINDS
from orch.providers.proxies import proxy_for

QDRANT_URL = "http://localhost:6333"
"""Where `orch health` looks for a Qdrant server that the configuration does not name."""

DEFAULT_SERVERS = {
    "Ollama": "http://127.0.0.1:11434",
    "LM Studio": "http://127.0.0.1:1234",
    "llama-server": "http://127.0.0.1:8080",
    "vLLM": "http://127.0.0.1:8000",
}
"""Where `orch setup` looks for servers that the configuration does not name: the ports that they
take by default."""


class ReachableAddress(NamedTuple):
    """An address, what speaks to it, and its scope."""

    url: str
    used_by: str
    scope: UrlScope


def reachable_addresses(
    config: Config, env: Mapping[str, str] = os.environ
) -> list[ReachableAddress]:
    """Every address, in the order of the configuration; those of proxies and of models that run
    elsewhere too."""
    found = [*_providers(config.models), _qdrant(config.routing.memory.qdrant_url)]
    usual = [
        _address(url, f"orch setup: looks for {name}") for name, url in DEFAULT_SERVERS.items()
    ]
    return [*found, *_proxies(found), *_elsewhere(config.models), *usual, *_server(env)]


def _providers(models: Models) -> Iterator[ReachableAddress]:
    for name, provider in models.providers.items():
        for url in provider.urls:
            yield _address(url, f"provider {name}")
        if not KINDS[provider.kind].is_server and any(
            spec.provider == name for spec in models.models
        ):
            yield ReachableAddress(
                "http://127.0.0.1",
                f"provider {name}: the engine inside orch, on a free port",
                "loopback",
            )


def _qdrant(url: str | None) -> ReachableAddress:
    return (
        _address(url, "memory: its Qdrant server")
        if url
        else _address(QDRANT_URL, "orch health: looks for a Qdrant server")
    )


def _server(env: Mapping[str, str]) -> Iterator[ReachableAddress]:
    if hasattr(socket, "AF_UNIX"):
        yield ReachableAddress(
            f"unix:{socket_path(env)}", "commands: a running orch serve", "loopback"
        )


def _elsewhere(models: Models) -> Iterator[ReachableAddress]:
    """The hosts of models that may run elsewhere are known to their provider alone."""
    for name, provider in models.providers.items():
        if provider.remote == "allow" and KINDS[provider.kind].is_server:
            yield ReachableAddress(
                f"remote:{name}",
                f"provider {name}: the models that it runs on other machines (remote: allow)",
                "beyond",
            )
    for spec in models.models:
        if spec.remote == "allow" and _may_forward(models.providers.get(spec.provider)):
            yield ReachableAddress(
                f"remote:{spec.provider}/{spec.id}",
                f"model {spec.id}: where its provider runs it (remote: allow)",
                "beyond",
            )


def _may_forward(provider: Provider | None) -> bool:
    return provider is not None and KINDS[provider.kind].is_server


def _proxies(found: list[ReachableAddress]) -> Iterator[ReachableAddress]:
    """The proxies of the environment, through which everything goes that is not on this machine."""
    for address in dict.fromkeys(address for address in found if address.scope != "loopback"):
        if proxy := proxy_for(address.url):
            yield _address(proxy.url, f"proxy of {address.url} ({address.used_by})")


def _address(url: str, used_by: str) -> ReachableAddress:
    return ReachableAddress(display_url(url), used_by, url_scope(url))
