"""Decides the tasks of the journal again, under the configuration of a runtime, without running a
model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from orch.classifier.keyword_rules import forced_classification
from orch.execution.runtime import Runtime
from orch.routing.model_state import ModelState
from orch.routing.ranking import profile_weights
from orch.routing.registry import Inventory
from orch.routing.router import apply_preferences, classify_text, estimated_states, ranked
from orch.routing.scoring import expected_quality, type_shares
from orch.storage.history import is_turn
from orch.text.prompt import Task, estimate_need, message_text, text_to_classify
from orch.types import Candidate, Classification, Message, ModelKey, Need, TaskType, display_names

MAX_RUNS = 10_000
_FENCED = re.compile(r"^(?:File [^\n]*|Input):\n(`{3,})\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)
"""What `orch.text.prompt.fenced` wrote: a text that came beside the instruction."""


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """A task as it was decided then. `former` is the type of the conversation's turn before it,
    `model` the first choice, not a fallback that answered.

    `loaded` are the models that were loaded then, `stay_with` is the one of the conversation's turn
    before it. `need` has the recorded tokens of the prompt;
    that it asked for tools, or for an answer of some length, was not recorded.
    """

    run_id: str
    at: float
    text: str
    attached: tuple[str, ...]
    task_type: TaskType
    forced: bool
    former: TaskType | None
    model: ModelKey
    profile: str
    weights: Mapping[str, float]
    need: Need
    loaded: frozenset[ModelKey] = frozenset()
    stay_with: ModelKey | None = None


@dataclass(frozen=True, slots=True)
class NewDecision:
    """How a task is decided now: every model as a candidate, the best first and the eliminated
    last, and the quality (0 to 1) of each."""

    task_type: TaskType
    candidates: tuple[Candidate, ...]
    qualities: Mapping[ModelKey, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One task decided again: the model of then and the one of now (None: no model could take it),
    and what is expected of both by what is known now.

    Qualities are from 0 to 1, times are seconds, `at` is seconds since the epoch; None for a model
    that is not there any more.
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
        """Whether another model would take it."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Replay:
    """Every task that was decided again, newest first; how many had no text, and how many were not
    orch's own to decide (pinned, cached, notes)."""

    decisions: tuple[Comparison, ...]
    without_text: int = 0
    left_out: int = 0

    @property
    def changes(self) -> tuple[Comparison, ...]:
        """The decisions that are others now."""
        return tuple(each for each in self.decisions if each.changed)

    def by_type(self) -> dict[str, list[Comparison]]:
        """The decisions by the type that the task has now."""
        found: dict[str, list[Comparison]] = {}
        for each in self.decisions:
            found.setdefault(each.task_type, []).append(each)
        return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class RecordedDecisions:
    """The tasks of the past that orch decided, newest first; how many had no text, and how many
    were not orch's own to decide."""

    pasts: tuple[RecordedDecision, ...]
    without_text: int = 0
    left_out: int = 0

    def replay(self, decide_again: Callable[[RecordedDecision], NewDecision]) -> Replay:
        """Each decided again."""
        return Replay(
            tuple(_compared(past, decide_again(past)) for past in self.pasts),
            self.without_text,
            self.left_out,
        )


def replay_runs(
    rows: Sequence[Mapping[str, Any]], decide_again: Callable[[RecordedDecision], NewDecision]
) -> Replay:
    """Decides each row of `runs` (newest first) again that was decided by orch and not by -m, a
    cache or a memory command."""
    return recorded_decisions(rows).replay(decide_again)


def recorded_decisions(rows: Sequence[Mapping[str, Any]]) -> RecordedDecisions:
    """What rows of `runs` (newest first) tell of the tasks that can be decided again."""
    pasts, without_text, left_out = [], 0, 0
    for row, former in zip(rows, _formers(rows), strict=True):
        decision = json.loads(row["decision"]) if row["decision"] else {"pinned": True}
        messages: list[Message] = json.loads(row["messages"]) if row["messages"] else []
        text = text_to_classify(Task(text=row["task"] or "", messages=tuple(messages)))
        if decision["pinned"] or row["source"] != "model" or row["face"] == "memory":
            left_out += 1
        elif not text.strip():
            without_text += 1
        else:
            pasts.append(_past(row, decision, messages, text, former))
    return RecordedDecisions(tuple(pasts), without_text, left_out)


def known_means(pairs: Iterable[tuple[float | None, float | None]]) -> tuple[float, float] | None:
    """Means before and after of those where both are known; None where there are none."""
    known = [(before, after) for before, after in pairs if before is not None and after is not None]
    if not known:
        return None
    return sum(before for before, _ in known) / len(known), sum(after for _, after in known) / len(
        known
    )


# ---------------------------------------------------------------- then


class PreviousTurn(NamedTuple):
    """The turn before in the same session: the type of its task, and the model that the
    conversation stays with."""

    task_type: TaskType | None = None
    model: ModelKey | None = None


def _formers(rows: Sequence[Mapping[str, Any]]) -> list[PreviousTurn]:
    """For each row, newest first, its session's turn before it."""
    last: dict[str, PreviousTurn] = {}
    found = []
    for row in reversed(rows):
        found.append(last.get(row["session"] or "", PreviousTurn()))
        if row["session"] and row["task_type"] in tuple(TaskType) and is_turn(row):
            last[row["session"]] = PreviousTurn(
                TaskType(row["task_type"]),
                (row["provider"], row["model"])
                if row["model"] and row["status"] != "failed"
                else None,
            )
    return found[::-1]


def _past(
    row: Mapping[str, Any],
    decision: Mapping[str, Any],
    messages: Sequence[Message],
    text: str,
    former: PreviousTurn,
) -> RecordedDecision:
    first = next((each for each in decision["candidates"] if not each["eliminated"]), decision)
    return RecordedDecision(
        run_id=row["run_id"],
        at=row["at"],
        text=text,
        attached=tuple(
            match[2]
            for message in messages
            for match in _FENCED.finditer(message_text(message))
            if message.get("role") == "user"
        ),
        task_type=TaskType(decision["task_type"]),
        # the classifier is never as sure as -t
        forced=decision["confidence"] == 1.0,
        former=former.task_type,
        stay_with=former.model,
        model=(first["provider"], first["model_id"]),
        profile=decision["profile"],
        weights=decision["weights"],
        need=replace(
            estimate_need(Task(text=text), messages), prompt_tokens=decision["prompt_tokens"]
        ),
        loaded=frozenset(
            (each["provider"], each["model_id"])
            for each in decision["candidates"]
            if each.get("resident")
        ),
    )


# ---------------------------------------------------------------- now


def assume_reachable(survey: Inventory, runtime: Runtime) -> tuple[Inventory, tuple[str, ...]]:
    """The survey with the listed models of providers that are down taken for installed and not
    loaded, and those providers.

    A decision of the past is not about today's outage. Models of last resort stay as they are: they
    answer in an outage only.
    """
    down = {
        s.key
        for s in survey.states
        if s.unavailable and s.unavailable[0] == "provider_down" and not s.spec.last_resort
    }
    measured = runtime.journal.timings.speed_stats(sorted(down))
    states = tuple(
        replace(s, unavailable=None, measured=measured.get(s.key)) if s.key in down else s
        for s in survey.states
    )
    lifted = {provider for provider, _ in down}
    return replace(
        survey,
        states=states,
        unreachable={name: why for name, why in survey.unreachable.items() if name not in lifted},
    ), tuple(sorted(lifted))


@dataclass(frozen=True, slots=True)
class Reclassification:
    """What does not depend on weights: the type of a task, and every model with what is known of
    its quality at it."""

    classification: Classification
    states: dict[ModelKey, ModelState]


def decider(runtime: Runtime, survey: Inventory) -> Callable[[RecordedDecision], NewDecision]:
    """Decides by a runtime's configuration, its journal's knowledge, and a survey that is taken
    once."""
    return lambda past: decide_again(past, reclassify(past, runtime, survey), runtime, survey)


def reclassify(past: RecordedDecision, runtime: Runtime, survey: Inventory) -> Reclassification:
    """Reads a task again: the dear part of deciding."""
    found = (
        forced_classification(past.task_type, past.text)
        if past.forced
        else classify_text(past.text, past.attached, past.former, runtime)
    )
    return Reclassification(found, estimated_states(past.text, found, survey, runtime))


def decide_again(
    past: RecordedDecision, read: Reclassification, runtime: Runtime, survey: Inventory
) -> NewDecision:
    """Decides a task that was read, by the weights of a runtime's configuration, with the models
    loaded that were loaded then."""
    states = {key: _as_then(state, past.loaded) for key, state in read.states.items()}
    candidates = ranked(
        read.classification, states, past.need, _weights(past, runtime), survey, runtime
    )
    able, out = [c for c in candidates if not c.eliminated], [c for c in candidates if c.eliminated]
    first = (
        apply_preferences(tuple(able), states, past.stay_with, runtime.config.routing)
        if able
        else ()
    )
    shares = type_shares(read.classification)
    return NewDecision(
        read.classification.task_type,
        (*first, *out),
        {key: expected_quality(state, shares) for key, state in states.items()},
    )


def _as_then(state: ModelState, loaded: frozenset[ModelKey]) -> ModelState:
    """The model as it was loaded or not; with which context was not recorded."""
    if state.resident == (state.key in loaded):
        return state
    return replace(state, resident=not state.resident, resident_ctx=None, resident_bytes=0)


def _weights(past: RecordedDecision, runtime: Runtime) -> dict[str, float]:
    """Those that the profile has now; those of then where it was the dial, or the profile is
    gone."""
    try:
        return profile_weights(runtime.config.routing, past.profile, None)
    except KeyError:
        return dict(past.weights)


def _compared(past: RecordedDecision, now: NewDecision) -> Comparison:
    """Then and now, both by what is known now. A model of then whose provider is gone is the one of
    the same id."""
    same_id = [each for each in now.candidates if each.model_id == past.model[1]]
    old = next((each for each in same_id if each.key == past.model), next(iter(same_id), None))
    new = next((each for each in now.candidates if not each.eliminated), None)
    before, after = _names(old.key if old else past.model, new.key if new else None)
    return Comparison(
        run_id=past.run_id,
        at=past.at,
        task=past.text,
        task_type=str(now.task_type),
        before=before,
        after=after,
        reason=new.reason if new else "no model can take it",
        quality=(now.qualities[old.key] if old else None, now.qualities[new.key] if new else None),
        seconds=(_seconds(old), _seconds(new)),
    )


def _names(old: ModelKey, new: ModelKey | None) -> tuple[str, str | None]:
    """Their ids, with the providers where the ids alone would be the same."""
    if new is None:
        return old[1], None
    names = display_names((old, new))
    return names[old], names[new]


def _seconds(candidate: Candidate | None) -> float | None:
    return candidate.expected_s if candidate and candidate.expected_s else None
