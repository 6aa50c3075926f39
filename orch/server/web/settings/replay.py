"""Replays the journal under other weights, in a thread that stops when other weights are set."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping

from orch.config.edit.weights import normalize_weights
from orch.config.spec import Weights
from orch.routing.replaying.recorded_decisions import (
    RecordedDecision,
    RecordedDecisions,
    recorded_decisions,
)
from orch.routing.replaying.replay import (
    Comparison,
    DecisionReplayer,
    NewDecision,
    Reclassification,
    Replay,
    assume_reachable,
    replay_decisions,
)
from orch.server.service import Service

MAX_RUNS = 2_000
"""As many as are replayed within a second; `orch replay` has no limit."""
CHANGES_PER_STEP = 25
_PAUSE_S, _RUNS_PER_PAUSE = 0.001, 8


class SupersededError(Exception):
    """Other weights have been set in the meantime."""


class Replayer:
    """Replays the journal under other weights. The runs are read and classified once; a new
    configuration needs a new replayer."""

    def __init__(self, service: Service) -> None:
        self._service, self.config = service, service.config
        self._runtime = service.orchestrator.runtime
        self._readings: dict[str, Reclassification] = {}
        self._stop = threading.Event()
        self.history = RecordedDecisions(())
        self.down: tuple[str, ...] = ()
        self.all_runs = 0
        self._present: dict[str, str | None] | None = None

    async def open(self) -> None:
        """Reads the inventory and the journal. Raises OrchError."""
        self._survey, self.down = assume_reachable(
            await self._runtime.registry.snapshot(), self._runtime.journal.timings
        )
        await asyncio.to_thread(self._read)

    def _read(self) -> None:
        self._service.write_pending_runs()
        rows = self._runtime.journal.history.runs(0.0, MAX_RUNS)
        self.all_runs, self.history = len(rows), recorded_decisions(rows)

    async def decided(self, weights: Mapping[str, float]) -> Replay | None:
        """Every decision under these weights; None if it was superseded or stopped."""
        self.stop()
        self._stop = stop = threading.Event()
        try:
            return await asyncio.to_thread(self._decided, weights, stop)
        except SupersededError:
            return None

    def matches_present(self, each: Comparison) -> bool:
        """Whether the active weights would select the same model."""
        return self._present is not None and self._present[each.run_id] == each.after

    def stop(self) -> None:
        """Stops the replay that is running."""
        self._stop.set()

    def _decided(self, weights: Mapping[str, float], stop: threading.Event) -> Replay:
        if self._present is None:
            now = self._tried(self.config.routing.weights, stop)
            self._present = {each.run_id: each.after for each in now.decisions}
        # the order depends on proportions alone: weights that do not add up to 1 yet work too
        return self._tried(Weights(**_proportions(weights)), stop)

    def _tried(self, tried: Weights, stop: threading.Event) -> Replay:
        deciding = DecisionReplayer(self._runtime.router.with_weights(tried), self._survey)
        count = 0

        def again(past: RecordedDecision) -> NewDecision:
            nonlocal count
            count += 1
            if count % _RUNS_PER_PAUSE == 0:
                time.sleep(_PAUSE_S)  # lets the event loop run
            if stop.is_set():
                raise SupersededError
            read = self._readings.get(past.run_id)
            if read is None:
                read = self._readings[past.run_id] = deciding.reclassify(past)
            return deciding.decide_again(past, read)

        return replay_decisions(self.history, again)


def _proportions(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return (
        {term: weight / total for term, weight in weights.items()}
        if total
        else normalize_weights(weights)
    )
