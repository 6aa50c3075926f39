"""OpenAI's list of models: the names that let orch choose, then every model that can be asked."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.execution.lifecycle import named
from orch.routing.model_state import ModelState
from orch.server.api.handler import as_json, guarded, service_of
from orch.server.api.model_names import AUTO, choice_of
from orch.server.api.openai.chat import envelope
from orch.server.service import Service


@guarded(envelope)
async def models(request: Request) -> Response:
    """`GET /v1/models`."""
    return as_json({"object": "list", "data": await _entries(request)})


@guarded(envelope)
async def model(request: Request) -> Response:
    """`GET /v1/models/{model}`."""
    name, service = request.path_params["model"], service_of(request)
    for entry in await _entries(request):
        if entry["id"] == name:
            return as_json(entry)
    choice_of(name)  # an auto that there is not
    return as_json(_entry(service, *_facts(await named(service.orchestrator.runtime, name))))


async def _entries(request: Request) -> list[dict[str, Any]]:
    service = service_of(request)
    survey = await service.orchestrator.runtime.registry.available()
    there = [_facts(state) for state in survey.states if state.is_there]
    return [_entry(service, *each) for each in (*((name, "orch", "") for name in AUTO), *there)]


def _facts(state: ModelState) -> tuple[str, str, str]:
    return state.spec.id, state.spec.provider, state.remote_host


def _entry(service: Service, name: str, owner: str, host: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": int(service.started_at),
        "owned_by": owner,
        **({"remote_host": host} if host else {}),
    }
