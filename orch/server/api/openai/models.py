"""OpenAI's model list: the names that let orch choose, then every available model."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.routing.model_state import ModelState
from orch.server.api.abilities import Abilities, abilities_of, abilities_of_auto
from orch.server.api.alias_list import listed_aliases
from orch.server.api.handler import json_response, service_of, with_error_envelope
from orch.server.api.openai.chat import openai_error
from orch.server.api.reported_models import ReportedEntries, reported_entries, reported_entry
from orch.text.requested_model import AUTO_NAMES


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
    if service.model_names.is_auto(name):
        return json_response({**(await _entries(request))[0], "id": name})
    state = await service.orchestrator.runtime.loader.find(name)
    reported = await reported_entries(request, "/api/tags")
    entry = _model_entry(state, reported, int(service.started_at))
    return json_response({**entry, "id": name})


async def _entries(request: Request) -> list[dict[str, Any]]:
    service = service_of(request)
    started_at = int(service.started_at)
    inventory, reported = await asyncio.gather(
        service.orchestrator.runtime.registry.snapshot(), reported_entries(request, "/api/tags")
    )
    installed = [
        _model_entry(state, reported, started_at)
        for state in inventory.states
        if state.is_installed
    ]
    auto = {**_entry("auto", started_at, "orch"), **_context(abilities_of_auto(inventory))}
    aliases = [
        {**(_model_entry(state, reported, started_at) if state else auto), "id": alias}
        for alias, state in listed_aliases(inventory)
    ]
    return [*({**auto, "id": name} for name in AUTO_NAMES), *aliases, *installed]


def _model_entry(state: ModelState, reported: ReportedEntries, started_at: int) -> dict[str, Any]:
    """An entry as Ollama gives it where an Ollama reports the model; others belong to their
    provider and exist since this server's start."""
    name, entry = state.spec.id, reported_entry(state, reported)
    created = _seconds(entry.get("modified_at"))
    owner = _namespace(name) if entry else state.spec.provider
    host = {"remote_host": state.remote_host} if state.remote_host else {}
    own = _entry(name, started_at if created is None else created, owner)
    return {**own, **_context(abilities_of(state)), **host}


def _entry(name: str, created: int, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def _context(abilities: Abilities) -> dict[str, int]:
    """The context by the names that OpenRouter and vLLM have for it, if it is known."""
    context = abilities.context
    return {"context_length": context, "max_model_len": context} if context else {}


def _namespace(name: str) -> str:
    """The namespace of an Ollama model: `library` unless the name has one."""
    parts = name.split("/")
    return parts[-2] if len(parts) > 1 else "library"


def _seconds(modified_at: Any) -> int | None:
    try:
        return int(datetime.fromisoformat(modified_at).timestamp())
    except (TypeError, ValueError, OverflowError):
        return None
