"""What the Ollama servers behind report of their models, in their own words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from orch.errors import ProviderError
from orch.providers import Lists
from orch.routing.model_state import ModelState
from orch.server.api.handler import service_of
from orch.text.model_names import comparison_key
from orch.types import ModelKey

ReportedEntries = Mapping[ModelKey, dict[str, Any]]


async def reported_entries(request: Request, path: str) -> ReportedEntries:
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


def reported_entry(state: ModelState, reported: ReportedEntries) -> dict[str, Any]:
    """What its Ollama reports of a model; nothing if that is unknown."""
    return reported.get(ModelKey(state.spec.provider, comparison_key(state.spec.id)), {})
