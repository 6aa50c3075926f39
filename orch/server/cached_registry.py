"""Caches the model inventory for a second: every request needs it, and it is the same for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

from orch.config.spec import Models
from orch.providers import ProviderClient
from orch.routing.admission import Admission
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
        backends: Mapping[str, ProviderClient],
        journal: Journal,
        budget_gb: Literal["auto"] | float,
        priors: QualityPriors,
        gate: Admission,
        aside: Offload,
    ) -> None:
        super().__init__(models, backends, journal, budget_gb, priors, aside)
        self._gate = gate
        self._kept: _Kept | None = None
        self._making: asyncio.Task[_Kept] | None = None

    async def snapshot(self, *, with_unlisted: bool | None = None) -> Inventory:
        """An inventory that is at most some seconds old."""
        kept = self._kept
        age = time.monotonic() - kept.at if kept else STALE_S
        if kept is None or age >= FRESH_S:
            making = self._making or self._make()
            kept = kept if kept and age < STALE_S else await asyncio.shield(making)
        wish = self._models.unlisted == "use" if with_unlisted is None else with_unlisted
        return kept.whole if wish else kept.listed

    def invalidate(self) -> None:
        """Makes the next call ask the providers: the inventory proved wrong, or a model was loaded
        or pulled."""
        self._kept = self._making = None

    def note_loaded(self, model: ModelKey, num_ctx: int | None) -> None:
        """Marks a model as loaded with that context until the next inventory, so that the next
        request does not load it with another."""
        if self._kept is not None:
            whole = _with_loaded(self._kept.whole, model, num_ctx)
            if whole is not self._kept.whole:
                self._kept = _Kept(
                    self._kept.at, whole, _with_loaded(self._kept.listed, model, num_ctx)
                )

    def note_remote(self, state: ModelState, host: str) -> None:
        """Records that a model runs elsewhere, and invalidates the inventory."""
        super().note_remote(state, host)
        self.invalidate()

    def _make(self) -> asyncio.Task[_Kept]:
        self._making = asyncio.create_task(self._survey())
        self._making.add_done_callback(self._made)
        return self._making

    def _made(self, making: asyncio.Task[_Kept]) -> None:
        if making is self._making:
            self._making = None

    async def _survey(self) -> _Kept:
        whole = await super().snapshot(with_unlisted=True)
        listed = replace(whole, states=tuple(state for state in whole.states if not state.unlisted))
        kept = _Kept(time.monotonic(), whole, listed)
        if (
            asyncio.current_task() is self._making
        ):  # one that was forgotten while it was made may know less than what is kept
            self._kept = kept
            self._gate.observe(whole)
        return kept


def _with_loaded(survey: Inventory, model: ModelKey, num_ctx: int | None) -> Inventory:
    """The inventory with the model loaded; the same object if it says so already."""
    found = next((state for state in survey.states if state.key == model), None)
    if found is None or (found.resident and found.resident_ctx == num_ctx):
        return survey

    def loaded(state: ModelState) -> ModelState:
        return (
            replace(state, resident=True, resident_ctx=num_ctx)
            if state.identity == found.identity
            else state
        )

    return replace(survey, states=tuple(map(loaded, survey.states)))


class _Kept(NamedTuple):
    """An inventory, when it was made, and the part of it that models.yaml lists."""

    at: float
    whole: Inventory
    listed: Inventory
