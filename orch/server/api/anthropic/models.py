"""Anthropic's model list, for clients that send the header of its version."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orch.errors import OrchError
from orch.routing.model_state import ModelState
from orch.server.api.abilities import abilities_of, abilities_of_auto
from orch.server.api.alias_list import listed_aliases
from orch.server.api.anthropic.dialect import anthropic_endpoint
from orch.server.api.handler import Endpoint, json_response, service_of
from orch.text.requested_model import AUTO_NAMES

VERSION_HEADER = "anthropic-version"
MAX_PAGE = 1_000


def by_version(openai: Endpoint, anthropic: Endpoint) -> Endpoint:
    """An endpoint for a path that both APIs have: Anthropic's clients send the header of its
    version."""

    @wraps(openai)
    async def call(request: Request) -> Response:
        is_anthropic = VERSION_HEADER in request.headers
        return await (anthropic if is_anthropic else openai)(request)

    path = (openai.__doc__ or "").rstrip(".")
    call.__doc__ = f"{path}: as in OpenAI's API; with `anthropic-version`, as in Anthropic's."
    return call


@anthropic_endpoint
async def list_models(request: Request) -> Response:
    """`GET /v1/models` with the header `anthropic-version`."""
    entries = await _entries(request)
    page, has_more = _page(entries, request)
    return json_response(
        {
            "data": page,
            "has_more": has_more,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }
    )


@anthropic_endpoint
async def get_model(request: Request) -> Response:
    """`GET /v1/models/{model}` with the header `anthropic-version`."""
    name, service = request.path_params["model"], service_of(request)
    for entry in await _entries(request):
        if entry["id"] == name:
            return json_response(entry)
    if service.model_names.is_auto(name):
        return json_response({**(await _entries(request))[0], "id": name, "display_name": name})
    state = await service.orchestrator.runtime.loader.find(name)
    return json_response({**_model_entry(state, service.started_at), "id": name})


async def head_hello(request: Request) -> Response:
    """`HEAD /api/hello`: responds that the server runs, which Claude Code checks first."""
    return Response()


async def _entries(request: Request) -> list[dict[str, Any]]:
    service = service_of(request)
    inventory = await service.orchestrator.runtime.registry.snapshot()
    installed = [state for state in inventory.states if state.is_installed and state.can_chat]
    longest = abilities_of_auto(inventory).context
    return [
        *(_entry(name, name, service.started_at, longest) for name in AUTO_NAMES),
        *(
            _entry(
                alias, alias, service.started_at, abilities_of(state).context if state else longest
            )
            for alias, state in listed_aliases(inventory)
            if state is None or state.can_chat
        ),
        *(_model_entry(state, service.started_at) for state in installed),
    ]


def _model_entry(state: ModelState, started_at: float) -> dict[str, Any]:
    return _entry(state.spec.id, state.spec.label, started_at, abilities_of(state).context)


def _entry(name: str, label: str, created: float, context: int) -> dict[str, Any]:
    """One entry; what is unknown is left out."""
    at = datetime.fromtimestamp(int(created), UTC).isoformat().replace("+00:00", "Z")
    limits = {"max_input_tokens": context} if context else {}
    return {
        "type": "model",
        "id": name,
        "display_name": label,
        "created_at": at,
        "lifecycle": "active",
        **limits,
    }


def _page(entries: list[dict[str, Any]], request: Request) -> tuple[list[dict[str, Any]], bool]:
    """The requested part of the list, and whether there is more beyond it: before it, where what
    comes before an entry is asked for. Raises OrchError."""
    query, ids = request.query_params, [entry["id"] for entry in entries]
    limit = _limit(query.get("limit", str(MAX_PAGE)))
    if (after := query.get("after_id")) in ids:
        entries = entries[ids.index(after) + 1 :]
    elif (before := query.get("before_id")) in ids:
        end = ids.index(before)
        start = max(end - limit, 0)
        return entries[start:end], start > 0
    return entries[:limit], len(entries) > limit


def _limit(text: str) -> int:
    # int() refuses a number of thousands of digits
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= MAX_PAGE:
        raise OrchError(f"limit: must be from 1 to {MAX_PAGE}", code="bad_input")
    return int(text)
