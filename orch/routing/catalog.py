"""What is known of each model, as plain values and as a table of measured speed and quality by task
type; and which models are new."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from orch.config.spec import DEFAULT_RATING
from orch.quality.estimator import QualityEstimator
from orch.routing.model_state import UNKNOWN_CTX, ModelState
from orch.routing.registry import Inventory
from orch.routing.scoring.expected_time import rated_tps
from orch.routing.wording import elimination_text
from orch.storage.journal import Journal
from orch.storage.stats import percentile
from orch.storage.timings import RECENT_ANSWERS
from orch.types import ModelKey, TaskType

NEW_S = 7 * 86_400
"""A model is new for a week after it was first seen."""
FIRST_LOOK_S = 60
"""Models seen this soon after the very first model were installed before orch, and are not new."""


def describe(state: ModelState) -> dict[str, Any]:
    """Everything known about a model, as plain values. Sizes in bytes, times in seconds."""
    spec, measured, prior = state.spec, state.measured, state.prior
    by_type = prior.quality.items() if prior else ()
    quality = {str(task_type): round(value * 10, 1) for task_type, value in by_type}
    return {
        "id": spec.id,
        "name": spec.label,
        "provider": spec.provider,
        "installed": state.is_installed,
        "unavailable": elimination_text(state.unavailable) if state.unavailable else None,
        "resident": state.resident,
        "status": state.status or None,
        "unlisted": state.unlisted,
        "last_resort": spec.last_resort,
        "remote": bool(state.remote_host),
        "remote_host": state.remote_host or None,
        "size_bytes": state.size_bytes or None,
        "parameters_b": state.parameters_b,
        "active_b": state.active_b,
        "parameters_guessed": state.parameters_guessed,
        "context_window": _known(state.context_window),
        "num_ctx": _known(state.num_ctx),
        "capabilities": sorted(state.capabilities) if state.capabilities is not None else None,
        "untold_capabilities": sorted(state.untold),
        "strengths": list(spec.strengths),
        "weaknesses": list(spec.weaknesses),
        "quality": quality or None,
        "quality_source": prior.source if prior else None,
        "quality_rating": spec.quality_rating,
        "speed_rating": spec.speed_rating,
        "speed_guessed": state.speed_guessed,
        "measured": asdict(measured) if measured else None,
        "digest": state.digest or None,
    }


def _known(context: int) -> int | None:
    return context if context < UNKNOWN_CTX else None


# ---------------------------------------------------------------- measured by task type


class MeasuredValue(NamedTuple):
    """A measured value and the number of answers behind it."""

    value: float
    n: int


@dataclass(frozen=True, slots=True)
class ModelPerformance:
    """One model: speed in tokens/s, quality from 0 to 10. `rated_quality` is the mean over all
    types."""

    state: ModelState
    rated_speed: float
    rated_quality: float
    speed: Mapping[TaskType, MeasuredValue]
    quality: Mapping[TaskType, MeasuredValue]

    def prior_at(self, task_type: TaskType) -> float:
        """The expected quality at a type before any measurement."""
        return self.state.prior.quality[task_type] * 10 if self.state.prior else self.rated_quality


def performance_table(
    inventory: Inventory, journal: Journal, estimator: QualityEstimator
) -> list[ModelPerformance]:
    """Every installed model that chats. Reads the journal: not for an event loop."""
    speeds, qualities = _speeds(journal), _qualities(estimator, inventory)
    return [
        ModelPerformance(
            state,
            rated_tps(state),
            state.prior.mean * 10 if state.prior else DEFAULT_RATING,
            speeds.get(state.key, {}),
            qualities.get(state.key, {}),
        )
        for state in inventory.states
        if not state.unavailable and state.can_chat
    ]


def _speeds(journal: Journal) -> dict[ModelKey, dict[TaskType, MeasuredValue]]:
    """Medians over the last answers of each model and type."""
    speeds: dict[ModelKey, dict[TaskType, MeasuredValue]] = {}
    for (key, task_type), values in journal.timings.decode_rates(RECENT_ANSWERS).items():
        median = percentile(values, 50) or 0.0
        speeds.setdefault(key, {})[task_type] = MeasuredValue(median, len(values))
    return speeds


def _qualities(
    estimator: QualityEstimator, inventory: Inventory
) -> dict[ModelKey, dict[TaskType, MeasuredValue]]:
    """Quality learned from grades and feedback, for a task of which only the type is known."""
    qualities: dict[ModelKey, dict[TaskType, MeasuredValue]] = {}
    for task_type in TaskType:
        estimates = estimator.estimates("", {task_type: 1.0}, inventory.states)
        for key, each in estimates.items():
            if each.n:
                qualities.setdefault(key, {})[task_type] = MeasuredValue(each.mean * 10, each.n)
    return qualities


def new_digests(journal: Journal) -> frozenset[str]:
    """The digests of models that were first seen within the last week, after orch itself came."""
    return journal.digests_first_seen(time.time() - NEW_S, FIRST_LOOK_S)
