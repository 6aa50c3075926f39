"""Makes room in memory for a model: unloads idle ones at servers that do not do that by
themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from orch.errors import ProviderError
from orch.providers import Loads, ProviderClient
from orch.routing.machine.admission import Evictions
from orch.routing.registry import Registry
from orch.text.model_names import is_same_model
from orch.types import ModelKey

UNLOAD_TIMEOUT_S = 30.0
"""How long a server may take to free the memory of a model that it agreed to unload."""
POLL_S = 0.1


class RoomMaker:
    """Unloads models for the calls that need their memory, each once."""

    def __init__(self, registry: Registry, providers: Mapping[str, ProviderClient]) -> None:
        self._registry, self._providers = registry, providers
        # what is being unloaded, with the models whose calls wait for that: the one that needs the
        # room, and those that leave
        self._making: dict[asyncio.Task[list[str]], frozenset[ModelKey]] = {}

    async def make(
        self, model: ModelKey, evictions: Evictions, *, loads: bool = False
    ) -> list[str]:
        """Unloads models, so that `model` can be loaded, and waits until they are gone; returns a
        sentence for each. A model that can't be unloaded is told, and is no error.

        A model that `loads` waits for the room of other models as well: what leaves for them counts
        as gone, and still holds its memory.
        """
        loop = asyncio.get_running_loop()
        making = [
            task
            for task, models in self._making.items()
            if (loads or model in models) and task.get_loop() is loop
        ]
        own = self._start(model, evictions) if evictions else None
        if making:
            await asyncio.wait(making)
        return await asyncio.shield(own) if own else []

    def _start(self, model: ModelKey, evictions: Evictions) -> asyncio.Task[list[str]]:
        task = asyncio.create_task(self._unload_all(model, evictions))
        self._making[task] = frozenset([model, *evictions])
        task.add_done_callback(self._making.pop)
        return task

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
        return any(
            each.resident and is_same_model(each.name, model) for each in await provider.installed()
        )
