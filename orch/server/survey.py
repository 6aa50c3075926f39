"""Which models there are, asked once a second at most: every request of a server needs to know, and the answer is the same for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Literal

from orch.backends import Backend
from orch.config.spec import Models
from orch.gate import Gate
from orch.journal import Journal
from orch.registry import Registry, Survey

FRESH_S = 1.0
"""Younger than this, a survey is taken as it is."""
USABLE_S = 5.0
"""Younger than this, it is taken while a new one is made; older, the request waits for the new one."""


class KeptRegistry(Registry):
    """A Registry that keeps its last survey for a moment, makes one at a time, and tells the gate of each."""

    def __init__(self, models: Models, backends: Mapping[str, Backend], journal: Journal, budget_gb: Literal["auto"] | float, gate: Gate) -> None:
        super().__init__(models, backends, journal, budget_gb)
        self._gate = gate
        self._kept: dict[bool, tuple[float, Survey]] = {}
        self._making: dict[bool, asyncio.Task[Survey]] = {}

    async def available(self, *, with_unlisted: bool | None = None) -> Survey:
        """A survey that is at most some seconds old."""
        wish = self._models.unlisted == "use" if with_unlisted is None else with_unlisted
        at, survey = self._kept.get(wish, (0.0, None))
        age = time.monotonic() - at
        if survey is not None and age < FRESH_S:
            return survey
        making = self._making.get(wish) or self._make(wish)
        return survey if survey is not None and age < USABLE_S else await asyncio.shield(making)

    def forget(self) -> None:
        """The next question asks the providers: what was known has proved wrong, or a model was loaded or fetched."""
        self._kept.clear()

    def _make(self, wish: bool) -> asyncio.Task[Survey]:
        task = self._making[wish] = asyncio.create_task(self._survey(wish))
        task.add_done_callback(lambda _: self._making.pop(wish, None))
        return task

    async def _survey(self, wish: bool) -> Survey:
        survey = await super().available(with_unlisted=wish)
        self._kept[wish] = (time.monotonic(), survey)
        self._gate.saw(survey)
        return survey
