"""Ollama's model list: the names that let orch choose, then every available model."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.config.version import VERSION
from orch.errors import OrchError, ProviderError
from orch.execution.lifecycle import provider_failure
from orch.providers import Lists
from orch.routing.lookup import resolve_model
from orch.routing.model_state import UNKNOWN_CTX, ModelState
from orch.routing.registry import Inventory
from orch.server.api.handler import (
    json_response,
    parse_body,
    response_headers,
    service_of,
    with_error_envelope,
)
from orch.server.api.model_names import AUTO_NAMES, parse_model_name
from orch.server.api.ollama import schemas as forms
from orch.server.api.ollama.generate import ollama_error
from orch.text.model_names import comparison_key
from orch.types import ModelKey

EMULATED_VERSION = "0.12.0"
"""The version of Ollama's API, reported if no real Ollama gives one: clients check that it is
recent enough."""
NEVER_EXPIRES = "2318-01-01T00:00:00Z"
"""When a model without an expiry leaves memory: as far away as Ollama's value for keep_alive -1."""


@with_error_envelope(ollama_error)
async def head_root(request: Request) -> Response:
    """`HEAD /`: responds that the server runs, which Ollama's own command checks first."""
    return Response("Ollama is running", media_type="text/plain; charset=utf-8")


@with_error_envelope(ollama_error)
async def tags(request: Request) -> Response:
    """`GET /api/tags`."""
    service = service_of(request)
    at = datetime.fromtimestamp(service.started_at, UTC).isoformat().replace("+00:00", "Z")
    inventory, reported = await asyncio.gather(
        service.orchestrator.runtime.registry.snapshot(), _reported_entries(request, "/api/tags")
    )
    rows = [
        {**_entry(state), "modified_at": at, **_reported_fields(state, reported)}
        for state in inventory.states
        if state.is_installed
    ]
    return json_response(
        {"models": [*({**_auto(name), "modified_at": at} for name in AUTO_NAMES), *rows]}
    )


async def _inventory(request: Request) -> Inventory:
    return await service_of(request).orchestrator.runtime.registry.snapshot(with_unlisted=True)


async def _reported_entries(request: Request, path: str) -> dict[ModelKey, dict[str, Any]]:
    """The entries of every Ollama by provider and comparison key; none for an unreachable one."""

    async def ask(provider: str, backend: Lists) -> dict[ModelKey, dict[str, Any]]:
        try:
            return {
                ModelKey(provider, comparison_key(str(entry.get("name")))): entry
                for entry in await backend.list_raw(path)
            }
        except ProviderError:
            return {}

    backends = service_of(request).orchestrator.runtime.providers
    answers = await asyncio.gather(
        *(ask(name, backend) for name, backend in backends.items() if isinstance(backend, Lists))
    )
    return {key: entry for answer in answers for key, entry in answer.items()}


def _reported_fields(state: ModelState, reported: dict[ModelKey, dict[str, Any]]) -> dict[str, Any]:
    """What the provider reports about a model, without its names."""
    entry = reported.get(ModelKey(state.spec.provider, comparison_key(state.spec.id)), {})
    return {name: value for name, value in entry.items() if value and name not in ("name", "model")}


def _auto(name: str) -> dict[str, Any]:
    details = {
        "parent_model": "",
        "format": "orch",
        "family": "orch",
        "families": ["orch"],
        "parameter_size": "",
        "quantization_level": "",
    }
    return {
        "name": name,
        "model": name,
        "size": 0,
        "digest": _digest(f"orch/{name}"),
        "details": details,
    }


def _entry(state: ModelState) -> dict[str, Any]:
    details = {
        "parent_model": "",
        "format": "gguf",
        "family": "",
        "families": None,
        "parameter_size": "",
        "quantization_level": "",
    }
    name = state.spec.id
    return {
        "name": name,
        "model": name,
        **_remote(state),
        "size": state.size_bytes,
        "digest": state.digest or _digest("/".join(state.key)),
        "details": details,
    }


def _remote(state: ModelState) -> dict[str, Any]:
    return {"remote_host": state.remote_host} if state.remote_host else {}


def _digest(text: str) -> str:
    """A substitute for a missing digest: Ollama's command panics at one of less than 12
    characters."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


@with_error_envelope(ollama_error)
async def ps(request: Request) -> Response:
    """`GET /api/ps`: the models loaded now."""
    service_of(
        request
        # a cached inventory would lack the model that has just answered
    ).invalidate_inventory()
    inventory, reported = await asyncio.gather(
        _inventory(request), _reported_entries(request, "/api/ps")
    )
    rows = [
        {
            **_entry(state),
            "size": state.resident_bytes or state.size_bytes,
            "size_vram": 0,
            "context_length": state.resident_ctx or state.num_ctx,
            "expires_at": NEVER_EXPIRES,
            **_reported_fields(state, reported),
        }
        for state in _loaded(inventory, reported)
    ]
    return json_response({"models": rows})


def _loaded(inventory: Inventory, reported: dict[ModelKey, dict[str, Any]]) -> list[ModelState]:
    """The loaded models, each once: of names that share a digest, the one that Ollama lists."""
    resident = (state for state in inventory.states if state.resident and not state.unavailable)
    listed_last = sorted(
        resident,
        key=lambda state: (state.spec.provider, comparison_key(state.spec.id)) in reported,
    )
    once = {state.identity: state for state in listed_last}
    return [state for state in inventory.states if state is once.get(state.identity)]


@with_error_envelope(ollama_error)
async def show_model(request: Request) -> Response:
    """`POST /api/show`."""
    body = await parse_body(request, forms.ShowRequest)
    name = body.model or body.name
    if not name:
        raise OrchError("model is required", code="bad_input")
    runtime, inventory = service_of(request).orchestrator.runtime, await _inventory(request)
    if parse_model_name(name).model is None:
        return json_response(_show_auto(name, inventory))
    state = resolve_model(inventory, name)
    backend = runtime.providers[state.spec.provider]
    if isinstance(backend, Lists) and state.is_installed:
        try:
            return json_response(
                await backend.show_raw(state.spec.id), response_headers("", state.spec.id, "", 0)
            )
        except ProviderError as failure:
            raise provider_failure(state, failure) from None
    info = {"general.architecture": "orch", "orch.context_length": state.context_window}
    return json_response(
        {**_facts(sorted(state.capabilities or ("completion",)), info), **_remote(state)},
        response_headers("", state.spec.id, "", 0),
    )


def _show_auto(name: str, inventory: Inventory) -> dict[str, Any]:
    """What the selectable models can do together, and the longest context window among them."""
    able = [
        state
        for state in inventory.states
        if not state.unavailable and "completion" in (state.capabilities or ("completion",))
    ]
    capabilities = {"completion"}.union(*(state.capabilities or () for state in able)) - {
        "embedding"
    }
    longest = max(
        (state.context_window for state in able if state.context_window < UNKNOWN_CTX), default=0
    )
    info = {
        "general.architecture": "orch",
        "general.basename": name,
        **({"orch.context_length": longest} if longest else {}),
    }
    return _facts(sorted(capabilities), info)


def _facts(capabilities: list[str], info: dict[str, Any]) -> dict[str, Any]:
    details = _auto("")["details"]
    return {
        "modelfile": "",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": details,
        "model_info": info,
        "capabilities": capabilities,
    }


@with_error_envelope(ollama_error)
async def get_version(request: Request) -> Response:
    """`GET /api/version`: the version of the Ollama behind, and orch's own."""
    version = EMULATED_VERSION
    for backend in service_of(request).orchestrator.runtime.providers.values():
        if isinstance(backend, Lists):
            try:
                version = (await backend.health()).removeprefix("Ollama ")
                break
            except ProviderError:
                continue
    return json_response(
        {"version": version if version != "?" else EMULATED_VERSION, "orch": VERSION}
    )
