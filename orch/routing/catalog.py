"""What was measured of each model by task type, beside what it is rated; and which models are new
here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from orch.config.spec import DEFAULT_RATING
from orch.execution.runtime import Runtime
from orch.routing.expected_time import rated_tps
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.storage.stats import percentile
from orch.storage.timings import RECENT_ANSWERS
from orch.types import ModelKey, TaskType

NEW_S = 7 * 86_400
"""A model is new for a week after it was first seen."""
FIRST_LOOK_S = 60
"""What is seen this soon after the very first model was there before orch."""


class MeasuredValue(NamedTuple):
    """What was measured, and of how many answers."""

    value: float
    n: int


@dataclass(frozen=True, slots=True)
class ModelPerformance:
    """One model: speed in tokens/s, quality from 0 to 10. `rated_quality` is over all types."""

    state: ModelState
    rated_speed: float
    rated_quality: float
    speed: Mapping[TaskType, MeasuredValue]
    quality: Mapping[TaskType, MeasuredValue]

    def prior_at(self, task_type: TaskType) -> float:
        """What is believed of its quality at a type, whatever was measured."""
        return self.state.prior.quality[task_type] * 10 if self.state.prior else self.rated_quality


def performance_table(runtime: Runtime, survey: Inventory) -> list[ModelPerformance]:
    """Every installed model that chats. Reads the journal: not on an event loop."""
    states = [
        state
        for state in survey.states
        if not state.unavailable
        and (state.capabilities is None or "completion" in state.capabilities)
    ]
    speeds, qualities = _speeds(runtime), _qualities(runtime, survey)
    return [
        ModelPerformance(
            state,
            rated_speed(state),
            _rated_quality(state),
            speeds.get(state.key, {}),
            qualities.get(state.key, {}),
        )
        for state in states
    ]


def rated_speed(state: ModelState) -> float:
    """Tokens/s that the router expects of the model by its rating alone."""
    return rated_tps(state)


def _rated_quality(state: ModelState) -> float:
    return state.prior.mean * 10 if state.prior else DEFAULT_RATING


def _speeds(runtime: Runtime) -> dict[ModelKey, dict[TaskType, MeasuredValue]]:
    """Medians over each model's last answers of each type."""
    rates = runtime.journal.timings.decode_rates(RECENT_ANSWERS)
    found: dict[ModelKey, dict[TaskType, MeasuredValue]] = {}
    for (key, task_type), values in rates.items():
        found.setdefault(key, {})[task_type] = MeasuredValue(
            percentile(values, 50) or 0.0, len(values)
        )
    return found


def _qualities(
    runtime: Runtime, survey: Inventory
) -> dict[ModelKey, dict[TaskType, MeasuredValue]]:
    """What the router makes of grades and of the user's word, for a task of which only the type is
    known."""
    found: dict[ModelKey, dict[TaskType, MeasuredValue]] = {}
    for task_type in TaskType:
        for key, estimate in runtime.estimator.estimates(
            "", {task_type: 1.0}, survey.states
        ).items():
            if estimate.n:
                found.setdefault(key, {})[task_type] = MeasuredValue(estimate.mean * 10, estimate.n)
    return found


def new_digests(runtime: Runtime) -> frozenset[str]:
    """Of the models that were first seen within the last week; not of those that were there when
    orch came."""
    return runtime.journal.digests_first_seen(time.time() - NEW_S, FIRST_LOOK_S)
