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
from orch.execution.lifecycle import provider_failure, unavailable_error
from orch.providers import Lists
from orch.routing.lookup import resolve_model
from orch.routing.model_state import UNKNOWN_CTX, ModelState
from orch.routing.registry import Inventory
from orch.server.api.abilities import Abilities, abilities_of, abilities_of_auto
from orch.server.api.alias_list import listed_aliases
from orch.server.api.handler import (
    json_response,
    parse_body,
    response_headers,
    service_of,
)
from orch.server.api.ollama import schemas as forms
from orch.server.api.ollama.dialect import ollama_endpoint
from orch.server.api.reported_models import ReportedEntries, reported_entries, reported_entry
from orch.text.requested_model import AUTO_NAMES

EMULATED_VERSION = "0.32.15"
"""The version of Ollama's API that orch's answers are compared with, reported if no real Ollama has
given one: clients check that it is recent enough."""
UNKNOWN_DETAILS: dict[str, Any] = {
    "parent_model": "",
    "format": "gguf",
    "family": "",
    "families": None,
    "parameter_size": "",
    "quantization_level": "",
}
AUTO_DETAILS = {**UNKNOWN_DETAILS, "format": "orch", "family": "orch", "families": ["orch"]}
NEVER_EXPIRES = "2318-01-01T00:00:00Z"
"""When a model without an expiry leaves memory: as far away as Ollama's value for keep_alive -1."""


@ollama_endpoint
async def get_root(request: Request) -> Response:
    """`GET /`: responds that the server runs, as health checks of Ollama expect; a browser gets the
    page."""
    return Response("Ollama is running", headers={"vary": "accept"}, media_type="text/plain")


@ollama_endpoint
async def head_root(request: Request) -> Response:
    """`HEAD /`: responds that the server runs, which Ollama's own command checks first."""
    return await get_root(request)


@ollama_endpoint
async def tags(request: Request) -> Response:
    """`GET /api/tags`."""
    service = service_of(request)
    at = datetime.fromtimestamp(service.started_at, UTC).isoformat().replace("+00:00", "Z")
    inventory, everything, reported = await asyncio.gather(
        service.orchestrator.runtime.registry.snapshot(),
        _inventory(request),
        reported_entries(request, "/api/tags"),
    )
    abilities = abilities_of_auto(inventory)
    rows = [_row(state, at, reported) for state in inventory.states if state.is_installed]
    aliases = [
        {**_row(state, at, reported), "name": alias, "model": alias}
        if state
        else {**_auto(alias, abilities), "modified_at": at}
        for alias, state in listed_aliases(everything)
    ]
    return json_response(
        {
            "models": [
                *({**_auto(name, abilities), "modified_at": at} for name in AUTO_NAMES),
                *aliases,
                *rows,
            ]
        }
    )


def _row(state: ModelState, at: str, reported: ReportedEntries) -> dict[str, Any]:
    fields = _reported_fields(state, reported)
    known = _listed(abilities_of(state), UNKNOWN_DETAILS)
    # versions before 0.32 tell no context there
    details = {**known["details"], **fields.get("details", {})}
    return {**_entry(state), **known, "modified_at": at, **fields, "details": details}


async def _inventory(request: Request) -> Inventory:
    return await service_of(request).orchestrator.runtime.registry.snapshot(with_unlisted=True)


def _reported_fields(state: ModelState, reported: ReportedEntries) -> dict[str, Any]:
    """What the provider reports about a model, without its names."""
    entry = reported_entry(state, reported)
    return {name: value for name, value in entry.items() if value and name not in ("name", "model")}


def _listed(abilities: Abilities, details: dict[str, Any]) -> dict[str, Any]:
    """The fields of an entry in `/api/tags`, with the other details."""
    window = {"context_length": abilities.context} if abilities.context else {}
    return {"details": {**details, **window}, "capabilities": abilities.capabilities}


def _auto(name: str, abilities: Abilities) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "size": 0,
        "digest": _digest(f"orch/{name}"),
        **_listed(abilities, AUTO_DETAILS),
    }


def _entry(state: ModelState) -> dict[str, Any]:
    name = state.spec.id
    return {
        "name": name,
        "model": name,
        **_remote(state),
        "size": state.size_bytes,
        "digest": state.digest or _digest("/".join(state.key)),
        "details": UNKNOWN_DETAILS,
    }


def _remote(state: ModelState) -> dict[str, Any]:
    return {"remote_host": state.remote_host} if state.remote_host else {}


def _digest(text: str) -> str:
    """A substitute for a missing digest: Ollama's command panics at one of less than 12
    characters."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


@ollama_endpoint
async def ps(request: Request) -> Response:
    """`GET /api/ps`: the models loaded now."""
    service_of(
        request
        # a cached inventory would lack the model that has just answered
    ).invalidate_inventory()
    inventory, reported = await asyncio.gather(
        _inventory(request), reported_entries(request, "/api/ps")
    )
    rows = [
        {
            **_entry(state),
            "size": state.resident_bytes or state.size_bytes,
            "size_vram": state.vram_bytes or 0,
            **_loaded_context(state),
            "expires_at": NEVER_EXPIRES,
            **_reported_fields(state, reported),
        }
        for state in _loaded(inventory, reported)
    ]
    return json_response({"models": rows})


def _loaded_context(state: ModelState) -> dict[str, int]:
    context = state.resident_ctx or state.num_ctx
    return {"context_length": context} if context < UNKNOWN_CTX else {}


def _loaded(inventory: Inventory, reported: ReportedEntries) -> list[ModelState]:
    """The loaded models, each once: of names that share a digest, the one that Ollama lists."""
    resident = (state for state in inventory.states if state.resident and not state.unavailable)
    listed_last = sorted(resident, key=lambda state: bool(reported_entry(state, reported)))
    once = {state.identity: state for state in listed_last}
    return [state for state in inventory.states if state is once.get(state.identity)]


@ollama_endpoint
async def show_model(request: Request) -> Response:
    """`POST /api/show`."""
    body = await parse_body(request, forms.ShowRequest)
    name = body.model or body.name
    if not name:
        raise OrchError("model is required", code="bad_input")
    runtime, inventory = service_of(request).orchestrator.runtime, await _inventory(request)
    if inventory.names.is_auto(name):
        choice = await runtime.registry.snapshot()
        return json_response(_facts(abilities_of_auto(choice), {"general.basename": name}))
    state = resolve_model(inventory, name)
    backend = runtime.providers[state.spec.provider]
    if isinstance(backend, Lists):
        if not state.is_installed:
            raise unavailable_error(state)
        try:
            return json_response(
                await backend.show_raw(state.spec.id, verbose=body.verbose),
                response_headers("", state.spec.id, "", 0),
            )
        except ProviderError as failure:
            raise provider_failure(state, failure) from None
    facts = {**_facts(abilities_of(state), {}), **_remote(state)}
    return json_response(facts, response_headers("", state.spec.id, "", 0))


def _facts(abilities: Abilities, info: dict[str, Any]) -> dict[str, Any]:
    window = {"orch.context_length": abilities.context} if abilities.context else {}
    return {
        "modelfile": "",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": AUTO_DETAILS,
        "model_info": {"general.architecture": "orch", **info, **window},
        "capabilities": abilities.capabilities,
    }


@ollama_endpoint
async def get_version(request: Request) -> Response:
    """`GET /api/version`: the version of the Ollama behind, else the last one seen, and orch's
    own."""
    service = service_of(request)
    for backend in service.orchestrator.runtime.providers.values():
        if isinstance(backend, Lists):
            try:
                version = (await backend.health()).removeprefix("Ollama ")
            except ProviderError:
                continue
            if version != "?":
                service.ollama_version = version
                break
    return json_response({"version": service.ollama_version or EMULATED_VERSION, "orch": VERSION})
