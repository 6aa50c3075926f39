"""How many models each provider keeps loaded at once: as it tells, or as an environment variable
of this machine limits it."""

from __future__ import annotations

from collections.abc import Mapping

from orch.config.spec import Provider
from orch.providers import LimitsLoaded, ProviderClient
from orch.providers.kinds import KINDS


def most_loaded(
    providers: Mapping[str, Provider],
    backends: Mapping[str, ProviderClient],
    env: Mapping[str, str],
) -> dict[str, int]:
    """The limit of each provider that has a known one. A server on this machine may run with
    another environment than `env`."""
    limits = {
        name: backend.max_loaded
        for name, backend in backends.items()
        if isinstance(backend, LimitsLoaded) and backend.max_loaded
    }
    for name, provider in providers.items():
        limit = env.get(KINDS[provider.kind].max_loaded_variable, "")
        # 0 leaves it to Ollama: three a GPU
        if limit.isdecimal() and int(limit) and backends[name].local:
            limits[name] = int(limit)
    return limits
