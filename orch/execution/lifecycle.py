"""Brings a model into memory, or out of it, where its provider lets itself be told."""

from __future__ import annotations

import re

from orch.errors import RUN_CODES, OrchError, ProviderError
from orch.execution.runtime import Runtime
from orch.providers import Loads
from orch.providers.remote_models import display_host, remote_not_allowed
from orch.routing.admission import SlotRequest
from orch.routing.lookup import resolve_model
from orch.routing.model_state import ModelState, required_memory

_ZERO = re.compile(r"-?(0+(\.0*)?(ns|us|µs|ms|s|m|h)?)+")


def unloads_after_answer(keep_alive: object) -> bool:
    """Whether a keep_alive, in seconds or as one of Go's durations, lets the model leave memory
    after its answer."""
    return (
        isinstance(keep_alive, int | float | str) and _ZERO.fullmatch(str(keep_alive)) is not None
    )


async def load(runtime: Runtime, name: str, keep_alive: str | float | None = None) -> str:
    """Loads a model with its usual context, when it is its turn; says so in a sentence. Raises
    OrchError."""
    state = await require_usable_model(runtime, name)
    backend = runtime.providers[state.spec.provider]
    if state.remote_host:
        raise OrchError(
            f"{state.spec.id} runs at {display_host(state.remote_host)}: there is nothing to load"
            " here",
            "orch models show tells more",
            code="usage",
        )
    if not isinstance(backend, Loads):
        raise _cannot(state)
    embeds = state.capabilities is not None and "completion" not in state.capabilities
    ticket = SlotRequest(
        f"load {state.spec.id}", state.key, required_memory(state, state.num_ctx), embeds=embeds
    )
    try:
        async with runtime.admission.acquire(ticket):
            await backend.load(state.spec.id, None if embeds else state.num_ctx, keep_alive)
    except ProviderError as failure:
        raise provider_failure(state, failure) from None
    return f"{state.spec.id} is loaded"


async def unload(runtime: Runtime, name: str) -> str:
    """Frees a model's memory; says so in a sentence. Raises OrchError."""
    state = await require_usable_model(runtime, name)
    backend = runtime.providers[state.spec.provider]
    if not isinstance(backend, Loads):
        raise _cannot(state)
    if not state.resident:
        return f"{state.spec.id} is not loaded"
    try:
        await backend.unload(state.spec.id)
    except ProviderError as failure:
        raise provider_failure(state, failure) from None
    return f"{state.spec.id} is unloaded"


async def require_usable_model(runtime: Runtime, name: str) -> ModelState:
    """The model of that name, which is there. Raises OrchError."""
    state = resolve_model(await runtime.registry.snapshot(with_unlisted=True), name)
    if state.is_remote_denied:
        raise remote_not_allowed(
            state.spec.id, state.spec.provider, state.remote_host, listed=not state.unlisted
        )
    if state.unavailable:
        code = {"provider_down": "no_provider", "not_installed": "model_not_found"}.get(
            state.unavailable[0], "error"
        )
        raise OrchError(
            f"{state.spec.id}: {state.unavailable[1]}",
            f"orch models show {state.spec.id}",
            code=code,
        )
    return state


def _cannot(state: ModelState) -> OrchError:
    return OrchError(
        f"provider {state.spec.provider} loads and unloads its models itself",
        "it can't be told to",
        code="usage",
    )


def provider_failure(state: ModelState, failure: ProviderError) -> OrchError:
    """What a provider did not do, as an error of ours."""
    code = RUN_CODES.get(failure.code, "all_failed")
    return OrchError(
        f"{state.spec.id}: {failure.message}",
        "orch health shows what is wrong",
        code=code,
        retry_after_s=failure.retry_after_s,
    )
