"""Looks for a llama-server at its usual ports of this machine, for `orch health` alone: reads its
list of models, and says what to write into models.yaml.

Sends no prompt, and asks nothing of an address that models.yaml has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from orch.config.spec import Provider
from orch.config.urls import is_local_url
from orch.errors import ProviderError
from orch.providers.client import HttpClient
from orch.providers.llama_server.listing import is_llama_server, is_swap
from orch.providers.read_limits import model_entries
from orch.providers.streams.values import validating

USUAL_PORTS = (9931, 8080)
"""llama-server's default port since August 2026, and before."""
PROBE_TIMEOUT_S = 1.0


class FoundServer(NamedTuple):
    """A server that models.yaml does not have, and the line below `providers:` that adds it."""

    url: str
    label: str
    model_count: int
    block: str


async def find_servers(
    providers: Mapping[str, Provider], ports: Iterable[int] | None = None
) -> list[FoundServer]:
    """The llama-servers and llama-swaps at those ports of loopback, by default the usual ones. No
    API key is sent there."""
    urls = unknown_addresses(providers, ports)
    found = await asyncio.gather(*map(_probe, urls))
    servers: list[FoundServer] = []
    taken = set(providers)
    for url, entries in zip(urls, found, strict=True):
        if entries is not None and is_llama_server(entries):
            label = "llama-swap" if is_swap(entries) else "llama-server"
            name = _free_name(label, taken)
            taken.add(name)
            servers.append(FoundServer(url, label, len(entries), provider_block(name, url)))
    return servers


def unknown_addresses(
    providers: Mapping[str, Provider], ports: Iterable[int] | None = None
) -> list[str]:
    """The addresses of this machine at the usual ports that models.yaml does not have."""
    known = known_ports(providers)
    usual = USUAL_PORTS if ports is None else ports
    return [f"http://127.0.0.1:{port}" for port in usual if port not in known]


def known_ports(providers: Mapping[str, Provider]) -> set[int]:
    """The ports of this machine that models.yaml has."""
    urls = [url for provider in providers.values() for url in provider.urls if is_local_url(url)]
    return {port for url in urls if (port := _port(url)) is not None}


def provider_block(name: str, url: str) -> str:
    """The line of models.yaml, below `providers:`, that adds a server."""
    return f"  {name}: {{kind: llama-server, base_url: {url}}}"


async def _probe(url: str) -> list[dict[str, object]] | None:
    client = HttpClient([f"{url}/v1"])
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            answer = await client.json("GET", "models", timeout_s=PROBE_TIMEOUT_S)
        with validating():
            return model_entries(answer.get("data"), "id")
    except (ProviderError, TimeoutError):
        return None
    finally:
        await client.aclose()


def _port(url: str) -> int | None:
    parts = urlsplit(url)
    return parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _free_name(label: str, taken: Collection[str]) -> str:
    names = (label, *(f"{label}-{number}" for number in range(2, 100)))
    return next((name for name in names if name not in taken), label)
