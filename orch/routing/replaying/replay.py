"""Makes the decisions of the journal again under another configuration. Runs no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from orch.classifier.keyword_rules import forced_classification
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.routing.replaying.recorded_decisions import RecordedDecision, RecordedDecisions
from orch.routing.router import Router
from orch.routing.scoring.ranking import profile_weights
from orch.routing.scoring.score_terms import expected_quality, type_shares
from orch.routing.selection import apply_preferences, last_resort_keys
from orch.storage.timings import TimingStore
from orch.types import Candidate, Classification, ModelKey, TaskType, display_names

MAX_RUNS = 10_000


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A task decided now: every model as a candidate, the best first and the eliminated ones last,
    and the expected quality (0 to 1) of each."""

    task_type: TaskType
    candidates: tuple[Candidate, ...]
    qualities: Mapping[ModelKey, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The model that was chosen for a task and the one chosen now (None: no model can take it),
    with the quality and the time that are expected of both by present knowledge.

    Qualities are 0 to 1, times are seconds, `at` is seconds since the epoch; None for a model that
    is gone.
    """

    run_id: str
    at: float
    task: str
    task_type: str
    before: str
    after: str | None
    reason: str
    quality: tuple[float | None, float | None]
    seconds: tuple[float | None, float | None]

    @property
    def changed(self) -> bool:
        """Whether another model is chosen."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Replay:
    """Every decision that was made again, newest first, and the counts of what was left out."""

    decisions: tuple[Comparison, ...]
    without_text: int = 0
    left_out: int = 0

    @property
    def changes(self) -> tuple[Comparison, ...]:
        """The decisions with another model."""
        return tuple(each for each in self.decisions if each.changed)

    def by_type(self) -> dict[str, list[Comparison]]:
        """The decisions by present task type."""
        groups: dict[str, list[Comparison]] = {}
        for each in self.decisions:
            groups.setdefault(each.task_type, []).append(each)
        return dict(sorted(groups.items()))


def replay_decisions(
    recorded: RecordedDecisions, decide_again: Callable[[RecordedDecision], NewDecision]
) -> Replay:
    """Compares every recorded decision with the new one."""
    comparisons = tuple(_compare(each, decide_again(each)) for each in recorded.decisions)
    return Replay(comparisons, recorded.without_text, recorded.left_out)


def known_means(pairs: Iterable[tuple[float | None, float | None]]) -> tuple[float, float] | None:
    """The means before and after over the pairs with both values; None if there are none."""
    known = [(before, after) for before, after in pairs if before is not None and after is not None]
    if not known:
        return None
    before, after = (sum(values) / len(known) for values in zip(*known, strict=True))
    return before, after


# ---------------------------------------------------------------- deciding again


def assume_reachable(
    inventory: Inventory, timings: TimingStore
) -> tuple[Inventory, tuple[str, ...]]:
    """The inventory with the listed models of unreachable providers as installed and not loaded,
    and the names of those providers.

    A past decision does not depend on today's outage. Last resorts stay as they are: they answer
    in an outage only.
    """
    down = {
        s.key
        for s in inventory.states
        if s.unavailable and s.unavailable.code == "provider_down" and not s.spec.last_resort
    }
    measured = timings.speed_stats(sorted(down))
    states = tuple(
        s._replace(unavailable=None, measured=measured.get(s.key)) if s.key in down else s
        for s in inventory.states
    )
    lifted = {provider for provider, _ in down}
    still = {name: why for name, why in inventory.unreachable.items() if name not in lifted}
    return replace(inventory, states=states, unreachable=still), tuple(sorted(lifted))


@dataclass(frozen=True, slots=True)
class Reclassification:
    """The part of a decision that does not depend on weights: the type of a task, and every model
    with its estimated quality."""

    classification: Classification
    states: dict[ModelKey, ModelState]


class DecisionReplayer:
    """Makes recorded decisions again by a router's configuration and by one inventory."""

    def __init__(self, router: Router, inventory: Inventory) -> None:
        self._router, self._inventory = router, inventory

    def decide(self, recorded: RecordedDecision) -> NewDecision:
        """Decides a recorded task by present knowledge."""
        return self.decide_again(recorded, self.reclassify(recorded))

    def reclassify(self, recorded: RecordedDecision) -> Reclassification:
        """Classifies a recorded task again: the expensive part, independent of weights."""
        if recorded.type_forced:
            classification = forced_classification(recorded.task_type, recorded.text)
        else:
            classification = self._router.task_types.of_text(
                recorded.text, recorded.attached, recorded.previous_type
            )
        states = self._router.estimated_states(recorded.text, classification, self._inventory)
        return Reclassification(classification, states)

    def decide_again(self, recorded: RecordedDecision, read: Reclassification) -> NewDecision:
        """Decides a classified task by the router's weights, with the same models loaded as
        then."""
        router, classification = self._router, read.classification
        states = {key: _loaded_as_then(s, recorded.loaded) for key, s in read.states.items()}
        weights = self._weights(recorded)
        candidates = router.rank(classification, states, recorded.need, weights, self._inventory)
        able = tuple(c for c in candidates if not c.eliminated)
        if able:
            resorts, routing = last_resort_keys(states), router.routing
            able = apply_preferences(able, resorts, recorded.session_model, routing)
        shares = type_shares(classification)
        return NewDecision(
            classification.task_type,
            (*able, *(c for c in candidates if c.eliminated)),
            {key: expected_quality(state, shares) for key, state in states.items()},
        )

    def _weights(self, recorded: RecordedDecision) -> Mapping[str, float]:
        """The present weights of the profile; the recorded ones if it was the dial, or if the
        profile is gone."""
        try:
            return profile_weights(self._router.routing, recorded.profile)
        except KeyError:
            return recorded.weights


def _loaded_as_then(state: ModelState, loaded: frozenset[ModelKey]) -> ModelState:
    """The model, loaded or not as it was; its context was not recorded."""
    was_loaded = state.key in loaded
    if bool(state.resident) == was_loaded:
        return state
    return state._replace(resident=was_loaded, resident_ctx=None, resident_bytes=0)


# ---------------------------------------------------------------- comparing


def _compare(recorded: RecordedDecision, decision: NewDecision) -> Comparison:
    """Both models by present knowledge. A model whose provider is gone is taken for the model of
    the same id at another provider."""
    same_id = [c for c in decision.candidates if c.model_id == recorded.model[1]]
    old = next((c for c in same_id if c.key == recorded.model), next(iter(same_id), None))
    new = next((c for c in decision.candidates if not c.eliminated), None)
    before, after = _names(old.key if old else recorded.model, new.key if new else None)
    qualities = decision.qualities
    return Comparison(
        run_id=recorded.run_id,
        at=recorded.at,
        task=recorded.text,
        task_type=str(decision.task_type),
        before=before,
        after=after,
        reason=new.reason if new else "no model can take it",
        quality=(qualities[old.key] if old else None, qualities[new.key] if new else None),
        seconds=(_seconds(old), _seconds(new)),
    )


def _names(old: ModelKey, new: ModelKey | None) -> tuple[str, str | None]:
    """The ids, with the providers if the ids are the same."""
    if new is None:
        return old[1], None
    names = display_names((old, new))
    return names[old], names[new]


def _seconds(candidate: Candidate | None) -> float | None:
    return candidate.expected_s if candidate and candidate.expected_s else None
