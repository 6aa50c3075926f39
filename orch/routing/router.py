"""Which model takes a task: joins classification, survey and ranking into a Decision, or says why
none can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from orch.classifier.keyword_rules import forced_classification
from orch.config.spec import Routing, canonical_model_name
from orch.errors import UsageError
from orch.execution.runtime import Runtime
from orch.routing.admission import SlotRequest
from orch.routing.lookup import unknown_model_error
from orch.routing.model_state import (
    ModelState,
    choose_num_ctx,
    next_use_probability,
    required_memory,
)
from orch.routing.no_candidate import no_candidate_error, pinned_model_error
from orch.routing.policy import Policy
from orch.routing.ranking import profile_weights, rank_candidates
from orch.routing.registry import Inventory
from orch.routing.selection import (
    move_to_front,
    only_loaded,
    prefer_loaded,
    prefer_session_model,
    with_remote_note,
)
from orch.routing.thinking import ignored_thinking_warning
from orch.text.prompt import Task, build_messages, estimate_need, estimate_tokens, text_to_classify
from orch.types import (
    FIRST_TOKEN_TIMEOUT_S,
    Candidate,
    Classification,
    Decision,
    Message,
    ModelKey,
    Need,
    TaskType,
)

REAL_MODEL_ANSWERED = "real_model_answered"
_OVERRIDABLE = ("memory", "quality_floor", "last_resort")
"""Eliminations that -m overrules: the user knows what he asks for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision with what running it takes: the models to ask in order, their states, and the
    messages."""

    decision: Decision
    order: tuple[Candidate, ...]
    states: dict[ModelKey, ModelState]
    messages: list[Message]
    need: Need
    warnings: tuple[str, ...] = ()


async def plan(task: Task, runtime: Runtime) -> Plan:
    """Decides. Raises OrchError when no model can take the task, UsageError for an unknown
    profile."""
    weights = _weights(task, runtime)
    survey = await runtime.registry.snapshot(with_unlisted=True if task.model else None)
    messages, need, classification, states, candidates, former = await runtime.offload(
        _weighed, task, weights, survey, runtime
    )
    order, warnings = _order(task, candidates, states, survey)
    if task.model is None:
        order, warnings = _loaded_alone(order, states, task, runtime)
        order = _ready_first(
            apply_preferences(order, states, former, runtime.config.routing),
            states,
            need,
            task,
            runtime,
        )
        candidates = move_to_front(candidates, order[0])
    if not task.may_fall_back:
        order = order[:1]
    first = order[0]
    if task.model is not None and (said := ignored_thinking_warning(task, states[first.key])):
        warnings = (*warnings, said)
    decision = Decision(
        model_id=first.model_id,
        model_name=first.model_name,
        provider=first.provider,
        task_type=classification.task_type,
        confidence=classification.confidence,
        reason=first.reason,
        candidates=candidates,
        profile="dial" if task.dial is not None else task.profile,
        weights=weights,
        prompt_tokens=need.prompt_tokens,
        config_hash=runtime.config.hash,
        pinned=task.model is not None,
        degraded=states[first.key].spec.last_resort,
        remote_host=first.remote_host,
    )
    return Plan(decision, order, states, messages, need, warnings)


class _Weighed(NamedTuple):
    """What reading the task and the journal gives. `former` is the model of the conversation's
    former turn."""

    messages: list[Message]
    need: Need
    classification: Classification
    states: dict[ModelKey, ModelState]
    candidates: tuple[Candidate, ...]
    former: ModelKey | None


def _weighed(
    task: Task, weights: dict[str, float], survey: Inventory, runtime: Runtime
) -> _Weighed:
    """Everything that computes, or reads the journal: a server does it beside its event loop."""
    messages, former = build_messages(task), _former_turn(task, runtime)
    need, classification = (
        estimate_need(task, messages),
        classify_task(task, runtime, former=former),
    )
    states = estimated_states(text_to_classify(task), classification, survey, runtime)
    return _Weighed(
        messages,
        need,
        classification,
        states,
        ranked(classification, states, need, weights, survey, runtime),
        _stay_with(task, former),
    )


def estimated_states(
    text: str, classification: Classification, survey: Inventory, runtime: Runtime
) -> dict[ModelKey, ModelState]:
    """The survey's models with what is known of their quality at such a task."""
    judged = runtime.estimator.estimates(text, classification.scores, survey.states)
    wanted = _wanted(survey, runtime)

    def known(state: ModelState) -> ModelState:
        if judged:
            state = replace(state, estimate=judged.get(state.key))
        return (
            replace(state, next_use_probability=wanted[state.identity])
            if state.identity in wanted
            else state
        )

    return {state.key: known(state) for state in survey.states}


def _wanted(survey: Inventory, runtime: Runtime) -> dict[tuple[str, str], float]:
    """How likely the next task is taken by each loaded model, by how many of late were; a model
    counts under all its names."""
    loaded = [state for state in survey.states if state.resident]
    if not loaded:
        return {}
    answered = runtime.journal.timings.recent_answer_counts()
    total = sum(answered.values())
    counts: dict[tuple[str, str], int] = {}
    for state in loaded:
        counts[state.identity] = counts.get(state.identity, 0) + answered.get(state.key, 0)
    return {identity: next_use_probability(count, total) for identity, count in counts.items()}


def ranked(
    classification: Classification,
    states: dict[ModelKey, ModelState],
    need: Need,
    weights: dict[str, float],
    survey: Inventory,
    runtime: Runtime,
) -> tuple[Candidate, ...]:
    """Every model as a candidate, the last resort behind the others or out."""
    neutral = frozenset[TaskType]() if survey.only_shipped else runtime.config.shipped_prefer
    policy = replace(
        Policy.from_routing(runtime.config.routing, weights, survey.memory_bytes),
        max_loaded=survey.max_loaded,
        ignored_preferences=neutral,
    )
    return _hold_back(
        rank_candidates(classification, tuple(states.values()), need, policy),
        states,
        survey,
        runtime,
    )


def with_message(made: Plan, message: Message) -> Plan:
    """The plan with one more message, before the last one."""
    messages = [*made.messages[:-1], message, *made.messages[-1:]]
    need = replace(made.need, prompt_tokens=made.need.prompt_tokens + estimate_tokens([message]))
    return replace(made, messages=messages, need=need)


def classify_task(
    task: Task,
    runtime: Runtime,
    *,
    explained: bool = False,
    former: Mapping[str, Any] | None = None,
) -> Classification:
    """The type that was forced, else the classifier's; where the instruction says nothing, what
    came with it is read too. `former` is the former turn."""
    text = text_to_classify(task)
    if task.task_type is not None:
        return forced_classification(task.task_type, text)
    attached = [attachment.text for attachment in task.attachments]
    return classify_text(
        text,
        attached,
        _type_of(_former_turn(task, runtime) if former is None else former),
        runtime,
        explained=explained,
    )


def classify_text(
    text: str,
    attached: Sequence[str],
    former: TaskType | None,
    runtime: Runtime,
    *,
    explained: bool = True,
) -> Classification:
    """The classifier's type of an instruction; where that says nothing, the texts that came with it
    are read too. `former` is the turn before."""
    corrections = runtime.journal.feedback.corrections()
    found = runtime.classifier.classify(text, former, corrections, explained=explained)
    if found.unsure and attached:
        with_input = "\n".join((text, *attached))
        found = max(
            found,
            runtime.classifier.classify(with_input, None, corrections, explained=explained),
            key=lambda each: each.confidence,
        )
    return found


def _former_turn(task: Task, runtime: Runtime) -> dict[str, Any]:
    """Type, model and provider of the conversation's former turn."""
    return (
        runtime.journal.history.last_routed_turn(task.session)
        if task.session and task.history
        else None
    ) or {}


def _type_of(turn: Mapping[str, Any]) -> TaskType | None:
    kind = turn.get("task_type")
    return TaskType(kind) if kind in tuple(TaskType) else None


def _stay_with(task: Task, former: Mapping[str, Any]) -> ModelKey | None:
    return task.stay_with or (
        (former["provider"], former["model"]) if former and former["status"] != "failed" else None
    )


def _weights(task: Task, runtime: Runtime) -> dict[str, float]:
    routing = runtime.config.routing
    if task.dial is not None and task.profile != "balanced":
        raise UsageError("profile and dial say the same thing twice", "give one of them")
    if task.dial is not None and not 0 <= task.dial <= 10:
        raise UsageError(
            f"dial must be between 0 and 10, not {task.dial:g}",
            "0 is speed alone, 10 is quality alone",
        )
    try:
        return profile_weights(routing, task.profile, task.dial)
    except KeyError:
        there = ", ".join(dict.fromkeys(("balanced", *routing.profiles)))
        raise UsageError(f"no profile is called {task.profile!r}", f"there are: {there}") from None


# ---------------------------------------------------------------- the last resort


def _hold_back(
    candidates: tuple[Candidate, ...],
    states: dict[ModelKey, ModelState],
    survey: Inventory,
    runtime: Runtime,
) -> tuple[Candidate, ...]:
    """Puts last_resort models behind all others, or out, as fallback.last_resort says."""
    last = last_resort_keys(states)
    if not last:
        return candidates
    # floors do not count for them, and they do not count against others
    real = [c for c in candidates if c.key not in last]
    resorts = [c for c in candidates if c.key in last]
    allowed = last_resort_allowed(runtime, survey)
    held = []
    for candidate in resorts:
        if candidate.eliminated_code in ("", "quality_floor"):
            why = None if allowed else "last resort: it answers only where nothing else can"
            candidate = replace(
                candidate, eliminated=why, eliminated_code="" if allowed else "last_resort"
            )
        held.append(candidate)
    able = [c for c in real if not c.eliminated] + [c for c in held if not c.eliminated]
    return (*able, *(c for c in (*real, *held) if c.eliminated))


def last_resort_keys(states: Mapping[ModelKey, ModelState]) -> frozenset[ModelKey]:
    """The models that answer only where nothing else can."""
    return frozenset(key for key, state in states.items() if state.spec.last_resort)


def last_resort_allowed(runtime: Runtime, survey: Inventory) -> bool:
    """`auto`: no other provider can be reached, and no real model ever answered on this machine."""
    rule = runtime.config.routing.fallback.last_resort
    if rule != "auto":
        return rule == "always"
    specs = runtime.config.models.models
    only_last = {spec.provider for spec in specs} - {
        spec.provider for spec in specs if not spec.last_resort
    }
    others = set(runtime.providers) - only_last
    return others <= set(survey.unreachable) and runtime.journal.fact(REAL_MODEL_ANSWERED) is None


# ---------------------------------------------------------------- the order


def _order(
    task: Task,
    candidates: tuple[Candidate, ...],
    states: dict[ModelKey, ModelState],
    survey: Inventory,
) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    able = tuple(c for c in candidates if not c.eliminated)
    if task.model is None:
        if not able:
            raise no_candidate_error(candidates, survey)
        return able, ()
    pinned = find_model(task.model, candidates, states)
    if pinned is None:
        raise unknown_model_error(survey, task.model)
    warnings: tuple[str, ...] = ()
    if pinned.eliminated and pinned.eliminated_code in _OVERRIDABLE:
        said = (
            f"{pinned.model_id}: {pinned.eliminated}; it is asked all the same, since it was named"
        )
        warnings = (said,) if pinned.eliminated_code == "memory" else ()
        pinned = replace(pinned, eliminated=None, eliminated_code="")
    if pinned.eliminated:
        raise pinned_model_error(pinned, states)
    pinned = replace(pinned, reason=with_remote_note("named by you", pinned))
    rest = tuple(c for c in able if c.key != pinned.key and (survey.use_unlisted or not c.unlisted))
    return (pinned, *rest), warnings


def _loaded_alone(
    order: tuple[Candidate, ...], states: dict[ModelKey, ModelState], task: Task, runtime: Runtime
) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Only what is loaded, where the task or routing.yaml's `swap` says so and it can; the first
    load of the day is nothing to warn of."""
    if not task.loaded and runtime.config.routing.swap != "never":
        return order, ()
    found, said = only_loaded(order, last_resort_keys(states))
    if not said or not (task.loaded or any(state.resident for state in states.values())):
        return found, ()
    return (
        replace(found[0], reason=f"{found[0].reason}; no loaded model can take this task"),
        *found[1:],
    ), (said,)


def apply_preferences(
    order: tuple[Candidate, ...],
    states: dict[ModelKey, ModelState],
    former: ModelKey | None,
    routing: Routing,
) -> tuple[Candidate, ...]:
    """First the conversation's model, then a loaded one, each where another is not better by its
    margin. A last resort is never put first for being loaded."""
    return prefer_loaded(
        prefer_session_model(order, former, routing.session_margin),
        routing.swap_margin,
        last_resort_keys(states),
    )


def _ready_first(
    order: tuple[Candidate, ...],
    states: dict[ModelKey, ModelState],
    need: Need,
    task: Task,
    runtime: Runtime,
) -> tuple[Candidate, ...]:
    """A loaded model that is good enough goes before one that would wait for memory."""
    waits = {
        c.key: runtime.admission.wait_reason(slot_request(states[c.key], need, task, ""))
        for c in order[:1]
    }
    why = waits[order[0].key]
    ready = next(
        (c for c in order[1:] if why and c.resident and not states[c.key].spec.last_resort), None
    )
    if ready is None:
        return order
    first = replace(
        ready, reason=f"{ready.reason}; {order[0].model_name} would wait for memory: {why}"
    )
    return (first, *(c for c in order if c.key != ready.key))


def slot_request(state: ModelState, need: Need, task: Task, run_id: str) -> SlotRequest:
    """The wish to ask a model, for the gate."""
    footprint = required_memory(state, choose_num_ctx(state, need))
    return SlotRequest(
        run_id,
        state.key,
        footprint,
        client=task.client,
        batch=task.batch,
        timeout_s=task.timeout_s or FIRST_TOKEN_TIMEOUT_S,
    )


def find_model(
    name: str, candidates: Sequence[Candidate], states: dict[ModelKey, ModelState]
) -> Candidate | None:
    """A model by id, alias, PROVIDER/ID or display name, in that order."""
    full = canonical_model_name(name)

    def names(candidate: Candidate) -> tuple[tuple[str, ...], ...]:
        spec = states[candidate.key].spec
        return (spec.id,), spec.aliases, (f"{spec.provider}/{spec.id}",), (spec.name,)

    for turn in range(4):
        for candidate in candidates:
            if any(canonical_model_name(each) == full for each in names(candidate)[turn]):
                return candidate
    return None
