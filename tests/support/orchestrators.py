"""Orchestrators over fake servers, with the models and the policy that a test names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orch import Orchestrator
from orch.routing.admission import NoQueue
from orch.wiring import Wiring
from tests.support.fake_ollama import FakeModel, FakeOllama

Json = dict[str, Any]


def fake(*names: str) -> FakeOllama:
    """A fake Ollama with models of these names, each answering with its own."""
    return FakeOllama([FakeModel(name, reply=["by ", name]) for name in names])


def over(
    servers: Mapping[str, FakeOllama],
    *,
    models: Sequence[Json] | None = None,
    gate: NoQueue | None = None,
    **routing: Any,
) -> Orchestrator:
    """An orchestrator over servers by provider name; unless `models` are named, each server's
    models in order, each rated a little below the one before."""
    names = [(provider, name) for provider, server in servers.items() for name in server.models]
    falling = [
        {"id": name, "provider": provider, "quality_rating": 9 - 0.5 * place}
        for place, (provider, name) in enumerate(names)
    ]
    providers = {
        name: {"kind": "ollama", "base_url": server.url} for name, server in servers.items()
    }
    config = {"version": 1, "memory_budget_gb": 100, "quality_margin": 0, **routing}
    return Orchestrator(
        {"providers": providers, "models": models if models is not None else falling},
        config,
        wiring=Wiring(gate),
    )
