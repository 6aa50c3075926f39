"""Which models there are, asked once a second at most: every request of a server needs to know, and
the answer is the same for all."""

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
"""Younger than this, a survey is taken as it is."""
USABLE_S = 5.0
"""Younger than this, it is taken while a new one is made; older, the request waits for the new
one."""


class CachedRegistry(Registry):
    """A Registry that keeps its last survey for a moment, makes one at a time, and tells the gate
    of each.

    Every survey is of all models, also where unlisted ones take no part: those that are loaded take
    their room all the same.
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
        """A survey that is at most some seconds old."""
        kept = self._kept
        age = time.monotonic() - kept.at if kept else USABLE_S
        if kept is None or age >= FRESH_S:
            making = self._making or self._make()
            kept = kept if kept and age < USABLE_S else await asyncio.shield(making)
        wish = self._models.unlisted == "use" if with_unlisted is None else with_unlisted
        return kept.whole if wish else kept.listed

    def invalidate(self) -> None:
        """The next question asks the providers: what was known has proved wrong, or a model was
        loaded or fetched."""
        self._kept = self._making = None

    def note_loaded(self, model: ModelKey, num_ctx: int | None) -> None:
        """Until the next survey the model counts as loaded with that context: the next request must
        not load it with another one."""
        if self._kept is not None:
            whole = _with_loaded(self._kept.whole, model, num_ctx)
            if whole is not self._kept.whole:
                self._kept = _Kept(
                    self._kept.at, whole, _with_loaded(self._kept.listed, model, num_ctx)
                )

    def note_remote(self, state: ModelState, host: str) -> None:
        """The same, and the next question asks anew."""
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
    """The same survey where it says so already."""
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
    """A survey, when it was made, and what of it models.yaml lists."""

    at: float
    whole: Inventory
    listed: Inventory
