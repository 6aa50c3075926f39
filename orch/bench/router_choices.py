"""The router's choices for the tasks of a suite, learned from answers to other tasks (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orch.bench.suite import SuiteTask
from orch.config.spec import Routing
from orch.quality.estimator import by_key, current_priors, fit_quality_model
from orch.routing.model_state import ModelState
from orch.routing.scoring.policy import Policy
from orch.routing.scoring.ranking import profile_weights, rank_candidates
from orch.routing.selection import prefer_loaded
from orch.storage.feedback import GradedAnswer
from orch.text.prompt import Task as Asked
from orch.text.prompt import build_messages, estimate_need
from orch.types import Classification, ModelKey


@dataclass(frozen=True, slots=True)
class RouterOnSuite:
    """The router applied to a suite. Every model counts as installed and loaded, as it was when its
    seconds were measured."""

    tasks: Mapping[str, SuiteTask]
    states: Sequence[ModelState]
    routing: Routing
    classify: Callable[[str], Classification]

    def __call__(
        self, learn: Sequence[GradedAnswer], decide: Sequence[str], dial: float | None
    ) -> dict[str, ModelKey]:
        """The model for each task id; `dial` from 0 (speed) to 10 (quality), None for the weights
        of routing.yaml."""
        model = fit_quality_model(
            learn,
            (),
            current_priors(self.states),
            lambda text: {str(kind): share for kind, share in self.classify(text).scores.items()},
        )
        weights = profile_weights(self.routing, "balanced", dial)
        chosen = {}
        for each in decide:
            task = self.tasks[each]
            classification = self.classify(task.prompt)
            judged = by_key(model.predict(task.prompt))
            states = [
                state._replace(
                    estimate=judged.get(state.key),
                    unavailable=None,
                    resident=True,
                    resident_ctx=None,
                )
                for state in self.states
            ]
            asked = Asked(
                text=task.prompt, system_prompt=task.system, options={"max_tokens": task.max_tokens}
            )
            candidates = rank_candidates(
                classification,
                states,
                estimate_need(asked, build_messages(asked)),
                Policy.from_routing(self.routing, weights, None),
            )
            chosen[each] = prefer_loaded(candidates, self.routing.swap_margin)[0].key
        return chosen
