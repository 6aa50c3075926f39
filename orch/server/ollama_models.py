"""What Ollama's API tells of models: the names that let orch choose, then every model that can be asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.backends.ollama import OllamaBackend
from orch.errors import BackendError, OrchError
from orch.loading import failed
from orch.model_facts import find
from orch.registry import Survey
from orch.router import ModelState
from orch.server import ollama_forms as forms
from orch.server.exchange import as_json, guarded, headers, read, service_of
from orch.server.names import AUTO, choice_of
from orch.server.ollama_api import envelope
from orch.version import VERSION

LIKE = "0.12.0"
"""The Ollama whose API this is, where no real one says its version: clients look whether it is new enough."""


@guarded(envelope)
async def tags(request: Request) -> Response:
    """`GET /api/tags`."""
    service = service_of(request)
    at = datetime.fromtimestamp(service.started_at, UTC).isoformat().replace("+00:00", "Z")
    there = [state for state in (await _survey(request)).states if not state.unavailable]
    return as_json({"models": [*(_auto(name, at) for name in AUTO), *(_entry(state, at) for state in there)]})


async def _survey(request: Request) -> Survey:
    return await service_of(request).orchestrator.runtime.registry.available()


def _auto(name: str, at: str) -> dict[str, Any]:
    details = {"parent_model": "", "format": "orch", "family": "orch", "families": ["orch"], "parameter_size": "", "quantization_level": ""}
    return {"name": name, "model": name, "modified_at": at, "size": 0, "digest": "", "details": details}


def _entry(state: ModelState, at: str) -> dict[str, Any]:
    details = {"parent_model": "", "format": "gguf", "family": "", "families": None, "parameter_size": "", "quantization_level": ""}
    name = state.spec.id
    return {"name": name, "model": name, "modified_at": at, "size": state.size_bytes, "digest": state.digest, "details": details}


@guarded(envelope)
async def ps(request: Request) -> Response:
    """`GET /api/ps`: the models that are loaded now."""
    loaded = [state for state in (await _survey(request)).states if state.resident and not state.unavailable]
    until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    rows = [
        {**_entry(state, until), "size": state.resident_bytes, "size_vram": 0, "context_length": state.resident_ctx or state.num_ctx, "expires_at": until}
        for state in loaded
    ]
    return as_json({"models": [{key: value for key, value in row.items() if key != "modified_at"} for row in rows]})


@guarded(envelope)
async def show(request: Request) -> Response:
    """`POST /api/show`."""
    body = await read(request, forms.Show)
    name = body.model or body.name
    if not name:
        raise OrchError("model is required", code="bad_input")
    runtime, survey = service_of(request).orchestrator.runtime, await _survey(request)
    if name.startswith("auto") and choice_of(name).model is None:
        able = {each for state in survey.states if not state.unavailable for each in state.capabilities or ("completion",)}
        return as_json(_facts(sorted(able - {"embedding"}), {}))
    state = find(survey, name)
    backend = runtime.backends[state.spec.provider]
    if isinstance(backend, OllamaBackend) and not state.unavailable:
        try:
            return as_json(await backend.show(state.spec.id), headers("", state.spec.id, "", 0))
        except BackendError as failure:
            raise failed(state, failure) from None
    info = {"general.architecture": "orch", "orch.context_length": state.context_window}
    return as_json(_facts(sorted(state.capabilities or ("completion",)), info), headers("", state.spec.id, "", 0))


def _facts(capabilities: list[str], info: dict[str, Any]) -> dict[str, Any]:
    details = _auto("", "")["details"]
    return {"modelfile": "", "parameters": "", "template": "{{ .Prompt }}", "details": details, "model_info": info, "capabilities": capabilities}


@guarded(envelope)
async def version(request: Request) -> Response:
    """`GET /api/version`: that of the Ollama behind, and orch's own."""
    found = LIKE
    for backend in service_of(request).orchestrator.runtime.backends.values():
        if isinstance(backend, OllamaBackend):
            try:
                found = (await backend.health()).removeprefix("Ollama ")
                break
            except BackendError:
                continue
    return as_json({"version": found if found != "?" else LIKE, "orch": VERSION})
