"""Decides which model takes a task: classifies it, ranks the available models and orders them. Runs
no model; is given everything that it uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from orch.config.spec import Models, Routing, Weights
from orch.quality.estimator import QualityEstimator
from orch.routing.chore_model import order_for_chore, order_of_session
from orch.routing.lookup import models_named
from orch.routing.machine.admission import Admission, slot_request
from orch.routing.machine.placement import MachineMemory
from orch.routing.model_state import ModelState, with_counts
from orch.routing.no_candidate import no_candidate_error
from orch.routing.registry import Inventory, Registry
from orch.routing.scoring.policy import Policy
from orch.routing.scoring.ranking import named_candidate, rank_candidates, requested_weights
from orch.routing.scoring.steady_states import SteadyStates
from orch.routing.selection import (
    apply_preferences,
    last_resort_keys,
    only_loaded,
    pin_candidate,
    pin_model,
    place_last_resorts,
    prefer_ready,
)
from orch.routing.session_model import move_to_front
from orch.routing.task_types import TaskTypes
from orch.routing.thinking import ignored_thinking_warning
from orch.storage.feedback import FeedbackStore
from orch.storage.journal import Journal
from orch.storage.offload import Offload, run_inline
from orch.text.prompt import PreparedTask, Task, estimate_text_tokens, prepare_task
from orch.types import Candidate, Classification, Decision, Message, ModelKey, Need, TaskType

if TYPE_CHECKING:
    from orch.routing.prompt_cache.prompt_caches import PromptCaches

QUICK_CHARS, QUICK_MODELS, QUICK_TOKENS = 4_000, 32, 100_000
"""A text to classify, a number of models and a prompt that are ranked on the event loop: together
they take it about 1 ms."""
MIN_CACHED_TOKENS = 100
"""Estimated tokens of a prompt from which it is remembered which server holds it: less is read at
once."""
REAL_MODEL_ANSWERED = "real_model_answered"
"""The journal's fact that a model other than a last resort has answered on this machine."""


class Plan(NamedTuple):
    """A decision with what running it takes: the models in the order in which they are asked, their
    states, the messages, and the memory of this machine."""

    decision: Decision
    order: tuple[Candidate, ...]
    states: dict[ModelKey, ModelState]
    messages: list[Message]
    need: Need
    prepared: PreparedTask
    """What was derived from the task, with the chain of its prompt."""
    warnings: tuple[str, ...] = ()
    recalled: str = ""
    """What memory found for the task, fenced; it is put into the user's last message."""
    memory: MachineMemory | None = None

    def with_recalled(self, text: str) -> Plan:
        """The plan with what memory found."""
        tokens = self.need.prompt_tokens + estimate_text_tokens(text)
        return self._replace(recalled=text, need=self.need._replace(prompt_tokens=tokens))


class _Ranking(NamedTuple):
    """A task classified and its models ranked, or the one that it names. `session_model` answered
    the session's previous turn."""

    prepared: PreparedTask
    classification: Classification
    states: dict[ModelKey, ModelState]
    candidates: tuple[Candidate, ...]
    session_model: ModelKey | None
    is_named_alone: bool = False


@dataclass(frozen=True, slots=True)
class Router:
    """Decides by one routing.yaml and one models.yaml.

    `config_hash` identifies both in decisions. `shipped_prefer` are the types whose `prefer` is the
    shipped one, which counts only while every available model is a shipped one. `feedback` holds
    the user's corrections of task types; the journal tells a session's previous turn and which
    models answered lately. `offload` runs what computes or reads the journal, so that a server
    keeps its event loop free.
    """

    routing: Routing
    models: Models
    registry: Registry
    task_types: TaskTypes
    estimator: QualityEstimator
    feedback: FeedbackStore
    admission: Admission
    _: KW_ONLY
    journal: Journal
    config_hash: str
    shipped_prefer: frozenset[TaskType]
    offload: Offload = run_inline
    prompt_caches: PromptCaches | None = None
    """What servers hold of earlier prompts, where this process is asked often enough to know."""
    _steady: SteadyStates = field(default_factory=SteadyStates)

    def with_weights(self, weights: Weights) -> Router:
        """The same router with other balanced weights."""
        return replace(self, routing=replace(self.routing, weights=weights))

    # ------------------------------------------------------------ deciding

    async def plan(self, task: Task, prepared: PreparedTask | None = None) -> Plan:
        """Decides. `prepared` is what was derived from the task before, if it was. Raises OrchError
        when no model can take the task, UsageError for an unknown profile."""
        task = self.registry.names.with_request(task)
        weights = requested_weights(self.routing, task)
        inventory = await self.registry.snapshot(with_unlisted=True if task.model else None)
        ranking = await self._rank(task, prepared, weights, inventory)
        candidates, states = ranking.candidates, ranking.states
        if task.model is None:
            order, warnings = self._ordered(task, ranking, inventory)
            candidates = move_to_front(candidates, order[0])
        else:
            pinned = pin_candidate if ranking.is_named_alone else pin_model
            order, warnings = pinned(task.model, candidates, states, inventory)
            if ignored := ignored_thinking_warning(task, states[order[0].key]):
                warnings = (*warnings, ignored)
        if not task.may_fall_back:
            order = order[:1]
        decision = self._decision(task, order[0], ranking, candidates, weights)
        whole, memory = ranking.prepared, inventory.memory
        return Plan(
            decision, order, states, whole.messages, whole.need, whole, warnings, "", memory
        )

    def _decision(
        self,
        task: Task,
        first: Candidate,
        ranking: _Ranking,
        candidates: tuple[Candidate, ...],
        weights: dict[str, float],
    ) -> Decision:
        return Decision(
            model_id=first.model_id,
            model_name=first.model_name,
            provider=first.provider,
            task_type=ranking.classification.task_type,
            confidence=ranking.classification.confidence,
            reason=first.reason,
            reasons=first.reasons,
            candidates=candidates,
            profile="dial" if task.dial is not None else task.profile,
            weights=weights,
            prompt_tokens=ranking.prepared.need.prompt_tokens,
            config_hash=self.config_hash,
            pinned=task.model is not None,
            degraded=ranking.states[first.key].spec.last_resort,
            remote_host=first.remote_host,
            type_forced=task.task_type is not None,
        )

    async def _rank(
        self,
        task: Task,
        prepared: PreparedTask | None,
        weights: dict[str, float],
        inventory: Inventory,
    ) -> _Ranking:
        """Ranks the models: at once if that reads no file and takes less than a switch of threads,
        which costs a server more than ranking a few models for a short task."""
        named = self._named_alone(task, inventory.states)
        if prepared is not None and self._is_quick(task, prepared, inventory, named):
            return self._rank_task(task, prepared, weights, inventory, named)
        return await self.offload(self._read_and_rank, task, prepared, weights, inventory, named)

    def _is_quick(
        self, task: Task, prepared: PreparedTask, inventory: Inventory, named: ModelKey | None
    ) -> bool:
        is_small = len(prepared.text) <= QUICK_CHARS and len(inventory.states) <= QUICK_MODELS
        if self.prompt_caches is not None:
            is_small &= prepared.need.prompt_tokens <= QUICK_TOKENS
        reads = bool(task.history or inventory.unreachable) or not self.journal.is_cached
        if not is_small or reads:
            return False
        # what was graded and rated only compares models
        return self.feedback.is_empty if named is None else not self.feedback.corrections()

    def _read_and_rank(
        self,
        task: Task,
        prepared: PreparedTask | None,
        weights: dict[str, float],
        inventory: Inventory,
        named: ModelKey | None,
    ) -> _Ranking:
        """The same with what it reads of the journal: a server runs it in a worker thread."""
        if self.offload is not run_inline:
            self.journal.fill_cache()
        return self._rank_task(task, prepared, weights, inventory, named)

    def _rank_task(
        self,
        task: Task,
        prepared: PreparedTask | None,
        weights: dict[str, float],
        inventory: Inventory,
        named: ModelKey | None,
    ) -> _Ranking:
        """Ranks every model, or reads what rules out the `named` one."""
        prepared, turn = prepared or prepare_task(task), self.task_types.previous_turn(task)
        if self.prompt_caches is not None and prepared.need.prompt_tokens >= MIN_CACHED_TOKENS:
            prepared = self.prompt_caches.with_chain(prepared)
        classification = self.task_types.of_turn(task, prepared.text, turn)
        if named is not None:
            states = with_counts(self._states(inventory), prepared)
            policy = Policy.from_routing(self.routing, weights, None, memory=inventory.room)
            alone = (named_candidate(states[named], prepared.need, policy),)
            return _Ranking(prepared, classification, states, alone, None, is_named_alone=True)
        states = self.estimated_states(prepared.text, classification, inventory)
        states = with_counts(states, prepared)
        cached = None
        if prepared.chain is not None and self.prompt_caches is not None:
            cached = self.prompt_caches.cached_states(states, prepared)
        candidates = self.rank(classification, states, prepared.need, weights, inventory, cached)
        session_model = task.stay_with or _answered_by(turn)
        return _Ranking(prepared, classification, states, candidates, session_model)

    def _ordered(
        self, task: Task, ranking: _Ranking, inventory: Inventory
    ) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
        """The candidates that can take the task in the order in which they are asked, and
        warnings."""
        routing, states = self.routing, ranking.states
        able = tuple(c for c in ranking.candidates if not c.eliminated)
        if not able:
            raise no_candidate_error(ranking.candidates, inventory) from inventory.loading
        warnings: tuple[str, ...] = ()
        resorts = last_resort_keys(states)
        if task.chore and not task.chore_joins:
            return order_for_chore(able, self.admission, resorts), ()
        if task.loaded or routing.swap == "never":
            able, warnings = only_loaded(able, states, required=task.loaded)
        order = apply_preferences(able, resorts, ranking.session_model, routing)
        if task.chore:
            return order_of_session(order, ranking.session_model), warnings
        request = slot_request(states[order[0].key], ranking.prepared.need, task)
        return prefer_ready(order, resorts, self.admission.wait_reason(request)), warnings

    # ------------------------------------------------------------ ranking

    def _named_alone(self, task: Task, states: Iterable[ModelState]) -> ModelKey | None:
        """The one model that can take the task, if it names one and the others aren't shown."""
        if task.shows_candidates or task.model is None or task.may_fall_back:
            return None
        named = models_named(task.model, states)
        return named[0].key if len(named) == 1 else None

    def _states(self, inventory: Inventory) -> dict[ModelKey, ModelState]:
        return self._steady.states(inventory, self.journal.timings.recent_answer_counts)

    def estimated_states(
        self, text: str, classification: Classification, inventory: Inventory
    ) -> dict[ModelKey, ModelState]:
        """The models of an inventory with what was learned of their quality at such a task."""
        estimates = self.estimator.estimates(text, classification.scores, inventory.states)
        states = self._states(inventory)
        if not estimates:
            return states
        return {key: each._replace(estimate=estimates.get(key)) for key, each in states.items()}

    def rank(
        self,
        classification: Classification,
        states: dict[ModelKey, ModelState],
        need: Need,
        weights: Mapping[str, float],
        inventory: Inventory,
        cached: dict[ModelKey, ModelState] | None = None,
    ) -> tuple[Candidate, ...]:
        """Every model as a candidate: the best first, last resorts and eliminated ones last.
        `cached` are those whose servers hold the beginning of the prompt."""
        policy = Policy.from_routing(
            self.routing,
            weights,
            inventory.memory_bytes,
            max_loaded=inventory.max_loaded,
            memory=inventory.memory,
            ignored_preferences=frozenset() if inventory.only_shipped else self.shipped_prefer,
        )
        pace = self._steady.pace(states)
        ranked = tuple((states | cached if cached else states).values())
        candidates = rank_candidates(classification, ranked, need, policy, pace)
        resorts = last_resort_keys(states)
        if not resorts:
            return candidates
        return place_last_resorts(candidates, resorts, self.allows_last_resort(inventory))

    def allows_last_resort(self, inventory: Inventory) -> bool:
        """Whether last resorts may answer. `auto`: no other provider can be reached, and no real
        model has ever answered on this machine."""
        rule = self.routing.fallback.last_resort
        if rule != "auto":
            return rule == "always"
        specs = self.models.models
        real = {spec.provider for spec in specs if not spec.last_resort}
        only_resorts = {spec.provider for spec in specs} - real
        others = set(self.models.providers) - only_resorts
        unreachable = others <= set(inventory.unreachable) and inventory.loading is None
        return unreachable and self.journal.fact(REAL_MODEL_ANSWERED) is None


def _answered_by(turn: Mapping[str, Any]) -> ModelKey | None:
    if not turn or turn["status"] == "failed":
        return None
    return ModelKey(turn["provider"], turn["model"])
