"""The best quality at each task type that the installed models have: measured here, else expected
(pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from orch.routing.model_state import ModelState
from orch.types import Estimate, ModelKey, Prior, TaskType

BENCHMARK_SD: Mapping[TaskType, float] = {
    TaskType.CODING: 0.38,
    TaskType.REASONING: 0.34,
    TaskType.EXPLORATION: 0.40,
    TaskType.WRITING: 0.40,
    TaskType.SIMPLE: 0.28,
    TaskType.ANALYSIS: 0.28,
    TaskType.CREATIVE: 0.51,
    TaskType.RESEARCH: 0.28,
}
"""Standard deviation, of 10, of a quality from benchmarks: the median over the known models of the
fit's own (`regression.py`), with the kinds of each type weighted as in `derive.py`."""
GUESS_SD = 1.0
"""The same for a quality guessed from size and date: with whole families left out, the regression
errs by .63 standard deviations of 1.6."""
_EXACT, _BENCHMARKED = ("rated_by_user",), ("benchmarks", "own_file")

PriorOf = Callable[[str], Prior]
"""The expected quality of a model by its name, on the scale of the known models."""
Estimates = Mapping[TaskType, Mapping[ModelKey, Estimate]]
"""What was learned of the models' quality on this machine, by type."""


class Quality(NamedTuple):
    """A quality, 0 to 10, and its standard deviation; `model` has it, and `is_measured` says that
    answers were graded here."""

    value: float
    sd: float
    model: str
    is_measured: bool = False


def expected(prior: Prior, task_type: TaskType, model: str) -> Quality:
    """The quality of a prior at a type."""
    code = prior.origin[0].code if prior.origin else ""
    sd = 0.0 if code in _EXACT else BENCHMARK_SD[task_type] if code in _BENCHMARKED else GUESS_SD
    return Quality(prior.quality[task_type] * 10, sd, model)


class InstalledQuality(NamedTuple):
    """What the qualities of installed models are read from: estimates and priors are `shift` (of
    10) above the scale of the known models."""

    estimates: Estimates
    prior_of: PriorOf
    shift: float = 0.0

    def best(self, states: Iterable[ModelState]) -> dict[TaskType, Quality]:
        """The best of the models that chat, by type; empty if there are none. What only answers in
        need does not count, nor what runs on another machine."""
        chatting = [state for state in states if counts(state)]
        if not chatting:
            return {}
        return {
            task_type: max(
                (self.of(state, task_type) for state in chatting),
                key=lambda quality: (quality.value, quality.model),
            )
            for task_type in TaskType
        }

    def of(self, state: ModelState, task_type: TaskType) -> Quality:
        """A model's quality at a type: learned from grades, else expected. The ratings that orch
        ships are the same at every type, so that what is known of the model replaces them."""
        name, estimate = state.spec.id, self.estimates.get(task_type, {}).get(state.key)
        if estimate and estimate.n:
            own = Quality(estimate.mean * 10, estimate.sd * 10, name, is_measured=True)
        elif state.prior is None or any(reason.code == "rated" for reason in state.prior.origin):
            return expected(self.prior_of(name), task_type, name)
        else:
            own = expected(state.prior, task_type, name)
        return own._replace(value=own.value - self.shift)


def counts(state: ModelState) -> bool:
    """Whether a model is installed here and answers tasks."""
    usable = state.is_installed and state.unavailable is None and state.can_chat
    return usable and not state.spec.last_resort and not state.remote_host
