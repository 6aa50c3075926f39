"""OpenAI's model list: the names that let orch choose, then every available model."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.routing.model_state import ModelState
from orch.server.api.handler import json_response, service_of, with_error_envelope
from orch.server.api.model_names import AUTO_NAMES, parse_model_name
from orch.server.api.openai.chat import openai_error
from orch.server.service import Service


@with_error_envelope(openai_error)
async def list_models(request: Request) -> Response:
    """`GET /v1/models`."""
    return json_response({"object": "list", "data": await _entries(request)})


@with_error_envelope(openai_error)
async def get_model(request: Request) -> Response:
    """`GET /v1/models/{model}`."""
    name, service = request.path_params["model"], service_of(request)
    for entry in await _entries(request):
        if entry["id"] == name:
            return json_response(entry)
    parse_model_name(name)  # rejects unknown variants of auto
    return json_response(
        _entry(service, *_facts(await service.orchestrator.runtime.loader.find(name)))
    )


async def _entries(request: Request) -> list[dict[str, Any]]:
    service = service_of(request)
    inventory = await service.orchestrator.runtime.registry.snapshot()
    installed = [_facts(state) for state in inventory.states if state.is_installed]
    return [
        _entry(service, *each)
        for each in (*((name, "orch", "") for name in AUTO_NAMES), *installed)
    ]


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
