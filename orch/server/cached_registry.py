"""Caches the model inventory for a second: every request needs it, and it is the same for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

from orch.config.spec import Models
from orch.providers import ProviderClient
from orch.routing.machine.admission import Admission
from orch.routing.model_state import ModelState
from orch.routing.priors import QualityPriors
from orch.routing.registry import Inventory, Registry
from orch.storage.journal import Journal
from orch.storage.offload import Offload
from orch.types import ModelKey

FRESH_S = 1.0
"""Up to this age, an inventory is used as it is."""
STALE_S = 5.0
"""Up to this age, it is used while a new one is made; an older one makes the request wait."""


class CachedRegistry(Registry):
    """A Registry that caches its last inventory, makes one at a time, and reports each to the
    scheduler.

    Every inventory covers all models, even if unlisted ones take no part: a loaded one uses memory
    all the same.
    """

    def __init__(
        self,
        models: Models,
        providers: Mapping[str, ProviderClient],
        journal: Journal,
        budget_gb: Literal["auto"] | float,
        priors: QualityPriors,
        admission: Admission,
        offload: Offload,
    ) -> None:
        super().__init__(models, providers, journal, budget_gb, priors, offload)
        self._admission = admission
        self._cached: _CachedInventory | None = None
        self._refresh: asyncio.Task[_CachedInventory] | None = None

    async def snapshot(self, *, with_unlisted: bool | None = None) -> Inventory:
        """An inventory that is at most some seconds old."""
        cached = self._cached
        age = time.monotonic() - cached.at if cached else STALE_S
        if cached is None or age >= FRESH_S:
            refresh = self._refresh or self._start_refresh()
            cached = cached if cached and age < STALE_S else await asyncio.shield(refresh)
        use_unlisted = self._models.unlisted == "use" if with_unlisted is None else with_unlisted
        return cached.all if use_unlisted else cached.listed

    def invalidate(self) -> None:
        """Makes the next call ask the providers: the inventory proved wrong, or a model was loaded
        or pulled."""
        super().invalidate()
        self._cached = self._refresh = None

    def in_use(self) -> frozenset[ModelKey]:
        """The models of the requests that the scheduler admitted."""
        return self._admission.in_use()

    def note_loaded(self, model: ModelKey, num_ctx: int | None) -> None:
        """Marks a model as loaded with that context until the next inventory, so that the next
        request does not load it with another."""
        cached = self._cached
        if cached is None:
            return
        inventory = _with_loaded(cached.all, model, num_ctx)
        if inventory is not cached.all:
            listed = _with_loaded(cached.listed, model, num_ctx)
            self._cached = _CachedInventory(cached.at, inventory, listed)

    def note_remote(self, state: ModelState, host: str) -> None:
        """Records that a model runs elsewhere, and invalidates the inventory."""
        super().note_remote(state, host)
        self.invalidate()

    def _start_refresh(self) -> asyncio.Task[_CachedInventory]:
        self._refresh = asyncio.create_task(self._ask_providers())
        self._refresh.add_done_callback(self._end_refresh)
        return self._refresh

    def _end_refresh(self, refresh: asyncio.Task[_CachedInventory]) -> None:
        if refresh is self._refresh:
            self._refresh = None

    async def _ask_providers(self) -> _CachedInventory:
        inventory = await super().snapshot(with_unlisted=True)
        states = tuple(state for state in inventory.states if not state.unlisted)
        cached = _CachedInventory(time.monotonic(), inventory, replace(inventory, states=states))
        # a refresh that was invalidated meanwhile may know less than a later one
        if asyncio.current_task() is self._refresh:
            self._cached = cached
            self._admission.observe(inventory)
        return cached


def _with_loaded(inventory: Inventory, model: ModelKey, num_ctx: int | None) -> Inventory:
    """The inventory with the model loaded; the same object if it says so already."""
    loaded = next((state for state in inventory.states if state.key == model), None)
    if loaded is None or (loaded.resident and loaded.resident_ctx == num_ctx):
        return inventory

    def updated(state: ModelState) -> ModelState:
        if state.identity != loaded.identity:
            return state
        return state._replace(resident=True, resident_ctx=num_ctx)

    return replace(inventory, states=tuple(map(updated, inventory.states)))


class _CachedInventory(NamedTuple):
    """An inventory, when it was made, and the part of it that models.yaml lists."""

    at: float
    all: Inventory
    listed: Inventory
