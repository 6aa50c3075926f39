"""The type of a task: by its words, what is attached, the session's previous turn, and the user's
corrections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orch.classifier.classifier import Classifier
from orch.classifier.keyword_rules import forced_classification
from orch.storage.feedback import FeedbackStore
from orch.storage.journal import Journal
from orch.text.prompt import Task, text_to_classify
from orch.types import Classification, TaskType

_TYPES = frozenset(TaskType)


@dataclass(frozen=True, slots=True)
class TaskTypes:
    """Classifies tasks. `feedback` holds the user's corrections; the journal tells a session's
    previous turn."""

    classifier: Classifier
    feedback: FeedbackStore
    journal: Journal

    def of_task(self, task: Task) -> Classification:
        """The type of a task with its evidence, as a decision finds it."""
        return self.of_turn(task, text_to_classify(task), self.previous_turn(task), explained=True)

    def of_turn(
        self, task: Task, text: str, turn: Mapping[str, Any], *, explained: bool = False
    ) -> Classification:
        """The type of a task whose `text` and `previous_turn` are known already."""
        if task.task_type is not None or task.chore:
            return forced_classification(task.task_type or TaskType.SIMPLE, text)
        attached = [attachment.text for attachment in task.attachments]
        return self.of_text(text, attached, _type_of(turn), explained=explained)

    def of_text(
        self,
        text: str,
        attached: Sequence[str] = (),
        previous: TaskType | None = None,
        *,
        explained: bool = True,
    ) -> Classification:
        """The classifier's type of an instruction; where the instruction is unclear, together with
        the attached texts. `previous` is the type of the session's previous turn."""
        corrections = self.feedback.corrections()
        classification = self.classifier.classify(text, previous, corrections, explained=explained)
        if not (classification.unsure and attached):
            return classification
        whole = "\n".join((text, *attached))
        other = self.classifier.classify(whole, None, corrections, explained=explained)
        return other if other.confidence > classification.confidence else classification

    def previous_turn(self, task: Task) -> Mapping[str, Any]:
        """The session's previous turn: type, model, provider and status; empty without one."""
        if not task.session or not task.history:
            return {}
        return self.journal.history.last_routed_turn(task.session) or {}


def _type_of(turn: Mapping[str, Any]) -> TaskType | None:
    kind = turn.get("task_type")
    return TaskType(kind) if kind in _TYPES else None
