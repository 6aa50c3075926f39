"""Makes room in memory for a model: unloads idle ones at servers that do not do that by
themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from orch.errors import ProviderError
from orch.providers import Loads, ProviderClient
from orch.routing.machine.admission import Evictions
from orch.routing.registry import Registry
from orch.types import ModelKey

UNLOAD_TIMEOUT_S = 30.0
"""How long a server may take to free the memory of a model that it agreed to unload."""
POLL_S = 0.1


class RoomMaker:
    """Unloads models for the calls that need their memory, each once."""

    def __init__(self, registry: Registry, providers: Mapping[str, ProviderClient]) -> None:
        self._registry, self._providers = registry, providers
        # by the model that needs the room: other calls of it wait as well
        self._making: dict[ModelKey, asyncio.Task[list[str]]] = {}

    async def make(self, model: ModelKey, evictions: Evictions) -> list[str]:
        """Unloads models, so that `model` can be loaded, and waits until they are gone; returns a
        sentence for each. A model that can't be unloaded is told, and is no error."""
        making = self._making.get(model)
        if making is not None and making.get_loop() is asyncio.get_running_loop():
            await asyncio.shield(making)
        if not evictions:
            return []
        task = self._making[model] = asyncio.create_task(self._unload_all(model, evictions))
        task.add_done_callback(lambda done: self._forget(model, done))
        return await asyncio.shield(task)

    def _forget(self, model: ModelKey, task: asyncio.Task[list[str]]) -> None:
        if self._making.get(model) is task:
            del self._making[model]

    async def _unload_all(self, model: ModelKey, evictions: Evictions) -> list[str]:
        messages = await asyncio.gather(*(self._unload(model, each) for each in evictions))
        self._registry.invalidate()
        return list(messages)

    async def _unload(self, model: ModelKey, evicted: ModelKey) -> str:
        provider, name = self._providers[evicted.provider], f"{evicted.provider}/{evicted.model}"
        assert isinstance(provider, Loads)
        try:
            async with asyncio.timeout(UNLOAD_TIMEOUT_S):
                await provider.unload(evicted.model)
                while await self._is_loaded(provider, evicted.model):
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return f"{name} still holds its memory, which {model.model} needs"
        except ProviderError as failure:
            return f"{name} could not be unloaded to make room for {model.model}: {failure.message}"
        return f"unloaded {name} to make room for {model.model}"

    async def _is_loaded(self, provider: ProviderClient, model: str) -> bool:
        return any(each.name == model and each.resident for each in await provider.installed())
