"""Orchestrators over fake servers, with the models and the policy that a test names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from orch import OrchError, Orchestrator
from orch.orchestrator import build_task
from orch.routing.machine.admission import NoQueue
from orch.wiring import Wiring
from tests.support.fake_ollama import FakeModel, FakeOllama

Json = dict[str, Any]
TASK = "Tell me about the sea"


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


async def planned_order(orchestrator: Orchestrator, **params: Any) -> list[tuple[str, str]]:
    """The models that would be asked for `TASK`, with the reason for each."""
    plan = await orchestrator.runtime.router.plan(build_task(TASK, **params))
    return [(candidate.model_id, candidate.reason) for candidate in plan.order]


async def refusal(orchestrator: Orchestrator, text: str = TASK, **params: Any) -> OrchError:
    """The error of a task that no model can take."""
    with pytest.raises(OrchError) as caught:
        await orchestrator.runtime.router.plan(build_task(text, **params))
    return caught.value
