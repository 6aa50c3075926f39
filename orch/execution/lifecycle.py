"""Loads and unloads models at providers that support it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from orch.errors import RUN_CODES, ModelNotFoundError, OrchError, ProviderError
from orch.execution.room import RoomMaker
from orch.providers import Loads, ProviderClient
from orch.providers.remote_models import display_host, remote_not_allowed
from orch.routing.lookup import resolve_model
from orch.routing.machine.admission import Admission, Room, SlotRequest
from orch.routing.model_state import ModelState, required_memory
from orch.routing.registry import Inventory, Registry
from orch.routing.wording import elimination_text

_ZERO_DURATION = re.compile(r"-?(0+(\.0*)?(ns|us|µs|ms|s|m|h)?)+")


def unloads_after_answer(keep_alive: object) -> bool:
    """Whether a keep_alive, in seconds or as a duration of Go, is zero: the model is unloaded after
    its answer."""
    is_duration = isinstance(keep_alive, int | float | str)
    return is_duration and _ZERO_DURATION.fullmatch(str(keep_alive)) is not None


def asks_to_unload(fields: Mapping[str, object]) -> bool:
    """Whether a client's fields say so."""
    return any(is_keep_alive(name) and unloads_after_answer(fields[name]) for name in fields)


def is_keep_alive(name: str) -> bool:
    """Whether a field is keep_alive for Ollama, which reads fields in any case."""
    return name.casefold() == "keep_alive"


class ModelLoader(NamedTuple):
    """Finds a model by name, loads it into memory or unloads it."""

    registry: Registry
    providers: Mapping[str, ProviderClient]
    admission: Admission
    room: RoomMaker

    async def load(self, name: str, keep_alive: str | float | None = None) -> str:
        """Loads a model with its usual context, once it has a slot; returns a sentence that says
        so. Raises OrchError."""
        inventory, state = await self._find(name)
        if state.remote_host:
            host = display_host(state.remote_host)
            raise OrchError(
                f"{state.spec.id} runs at {host}: there is nothing to load here",
                "orch models show tells more",
                code="usage",
            )
        provider = self.providers[state.spec.provider]
        if not isinstance(provider, Loads):
            raise _unsupported(state)
        embeds = state.capabilities is not None and "completion" not in state.capabilities
        memory = required_memory(state, state.num_ctx)
        room = _room(inventory, state)
        slot = SlotRequest(f"load {state.spec.id}", state.key, memory, embeds=embeds, room=room)
        try:
            async with self.admission.acquire(slot) as evictions:
                messages = await self.room.make(state.key, evictions, loads=True)
                await provider.load(state.spec.id, None if embeds else state.num_ctx, keep_alive)
        except ProviderError as failure:
            raise provider_failure(state, failure) from None
        return "; ".join((*messages, f"{state.spec.id} is loaded"))

    async def unload(self, name: str) -> str:
        """Frees a model's memory; returns a sentence that says so. Raises OrchError."""
        state = await self.find(name)
        provider = self.providers[state.spec.provider]
        if not isinstance(provider, Loads):
            raise _unsupported(state)
        if state.resident is False:
            return f"{state.spec.id} is not loaded"
        try:
            await provider.unload(state.spec.id)
        except ProviderError as failure:
            raise provider_failure(state, failure) from None
        return f"{state.spec.id} is unloaded"

    async def find(self, name: str) -> ModelState:
        """The installed model of that name. Raises OrchError if there is none that may be used."""
        return (await self._find(name))[1]

    async def _find(self, name: str) -> tuple[Inventory, ModelState]:
        inventory = await self.registry.snapshot(with_unlisted=True)
        state = resolve_model(inventory, name)
        spec = state.spec
        if state.is_remote_denied:
            raise remote_not_allowed(
                spec.id, spec.provider, state.remote_host, listed=not state.unlisted
            )
        if state.unavailable:
            raise unavailable_error(state)
        return inventory, state


def _room(inventory: Inventory, state: ModelState) -> Room | None:
    """What making room for a model depends on, if it is to be loaded on this machine."""
    if inventory.memory is None or not state.local or state.resident is None:
        return None
    states = {each.key: each for each in inventory.states}
    return Room(inventory.memory, states, loads=not state.resident)


def unavailable_error(state: ModelState) -> OrchError:
    """The error for a model whose `unavailable` says why it can't be used."""
    name, elimination = state.spec.id, state.unavailable
    assert elimination is not None
    message, hint = f"{name}: {elimination_text(elimination)}", f"orch models show {name}"
    if elimination.code == "not_installed":
        return ModelNotFoundError(name, message, hint)
    code = "no_provider" if elimination.code == "provider_down" else "error"
    return OrchError(message, hint, code=code)


def _unsupported(state: ModelState) -> OrchError:
    provider = state.spec.provider
    return OrchError(
        f"provider {provider} loads and unloads its models itself",
        "orch models shows what is loaded",
        code="usage",
    )


def provider_failure(state: ModelState, failure: ProviderError) -> OrchError:
    """A provider's failure as an OrchError."""
    return OrchError(
        f"{state.spec.id}: {failure.message}",
        "orch health shows what is wrong",
        code=RUN_CODES.get(failure.code, "all_failed"),
        retry_after_s=failure.retry_after_s,
    )
