"""Reads from the journal's runs the decisions that can be made again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from orch.storage.history import is_own, is_turn
from orch.text.prompt import Task, estimate_need, message_text, text_to_classify
from orch.types import Message, ModelKey, Need, TaskType

_FENCED = re.compile(r"^(?:File [^\n]*|Input):\n(`{3,})\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)
"""A text that `orch.text.prompt.fenced` put beside the instruction."""


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """A task and what was decided. `model` is the first choice, not a fallback that answered;
    `loaded` are the models that were loaded.

    `previous_type` and `session_model` are those of the session's previous turn. `need` has the
    recorded tokens of the prompt; tools and the wanted length of the answer are not recorded.
    """

    run_id: str
    at: float
    text: str
    attached: tuple[str, ...]
    task_type: TaskType
    type_forced: bool
    previous_type: TaskType | None
    model: ModelKey
    profile: str
    weights: Mapping[str, float]
    need: Need
    loaded: frozenset[ModelKey] = frozenset()
    session_model: ModelKey | None = None


@dataclass(frozen=True, slots=True)
class RecordedDecisions:
    """The decisions that the router made, newest first. Left out: runs whose text was not kept, and
    runs that the router did not decide (a named model, a cached answer, a note)."""

    decisions: tuple[RecordedDecision, ...]
    without_text: int = 0
    left_out: int = 0


def recorded_decisions(rows: Sequence[Mapping[str, Any]]) -> RecordedDecisions:
    """The decisions in rows of `runs`, which are sorted newest first."""
    decisions, without_text, left_out = [], 0, 0
    for row, turn in zip(rows, _previous_turns(rows), strict=True):
        decision = json.loads(row["decision"]) if row["decision"] else {"pinned": True}
        messages: list[Message] = json.loads(row["messages"]) if row["messages"] else []
        text = text_to_classify(Task(text=row["task"] or "", messages=tuple(messages)))
        is_other = row["source"] != "model" or row["face"] == "memory" or bool(row.get("chore"))
        if decision["pinned"] or is_other:
            left_out += 1
        elif not text.strip():
            without_text += 1
        else:
            decisions.append(_recorded(row, decision, messages, text, turn))
    return RecordedDecisions(tuple(decisions), without_text, left_out)


class _PreviousTurn(NamedTuple):
    """The session's previous turn: the type of its task, and the model that answered it."""

    task_type: TaskType | None = None
    model: ModelKey | None = None


def _previous_turns(rows: Sequence[Mapping[str, Any]]) -> list[_PreviousTurn]:
    """The previous turn in the session of each row; rows are sorted newest first."""
    last: dict[str, _PreviousTurn] = {}
    turns = []
    for row in reversed(rows):
        turns.append(last.get(row["session"] or "", _PreviousTurn()))
        if row["session"] and row["task_type"] in tuple(TaskType) and is_turn(row):
            answered = row["model"] and row["status"] != "failed"
            model = ModelKey(row["provider"], row["model"]) if answered else None
            # a request of another program's has its whole conversation: its type is its own
            kind = TaskType(row["task_type"]) if is_own(row) else None
            last[row["session"]] = _PreviousTurn(kind, model)
    return turns[::-1]


def _recorded(
    row: Mapping[str, Any],
    decision: Mapping[str, Any],
    messages: Sequence[Message],
    text: str,
    turn: _PreviousTurn,
) -> RecordedDecision:
    candidates = decision["candidates"]
    first = next((each for each in candidates if not each["eliminated"]), decision)
    need = estimate_need(Task(text=text), messages)
    return RecordedDecision(
        run_id=row["run_id"],
        at=row["at"],
        text=text,
        attached=_attached_texts(messages),
        task_type=TaskType(decision["task_type"]),
        # decisions of orch 0.1 before the fact was recorded: a forced type has confidence 1
        type_forced=decision.get("type_forced", decision["confidence"] == 1.0),
        previous_type=turn.task_type,
        model=ModelKey(first["provider"], first["model_id"]),
        profile=decision["profile"],
        weights=decision["weights"],
        need=need._replace(prompt_tokens=decision["prompt_tokens"]),
        loaded=frozenset(
            ModelKey(each["provider"], each["model_id"])
            for each in candidates
            if each.get("resident")
        ),
        session_model=turn.model,
    )


def _attached_texts(messages: Sequence[Message]) -> tuple[str, ...]:
    users = (message for message in messages if message.get("role") == "user")
    return tuple(match[2] for each in users for match in _FENCED.finditer(message_text(each)))
