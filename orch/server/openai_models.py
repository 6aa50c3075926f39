"""OpenAI's list of models: the names that let orch choose, then every model that can be asked."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.server.exchange import as_json, guarded, service_of
from orch.server.names import AUTO
from orch.server.openai_chat import envelope


@guarded(envelope)
async def models(request: Request) -> Response:
    """`GET /v1/models`."""
    return as_json({"object": "list", "data": await _entries(request)})


@guarded(envelope)
async def model(request: Request) -> Response:
    """`GET /v1/models/{model}`."""
    name = request.path_params["model"]
    for entry in await _entries(request):
        if entry["id"] == name:
            return as_json(entry)
    raise OrchError(f"no model is called {name!r}", "GET /v1/models lists what is there", code="model_not_found")


async def _entries(request: Request) -> list[dict[str, Any]]:
    service = service_of(request)
    survey = await service.orchestrator.runtime.registry.available()
    there = [(state.spec.id, state.spec.provider, state.remote_host) for state in survey.states if state.is_there]
    created = int(service.started_at)
    return [
        {"id": name, "object": "model", "created": created, "owned_by": owner, **({"remote_host": host} if host else {})}
        for name, owner, host in (*((name, "orch", "") for name in AUTO), *there)
    ]
