"""The state of an answer: filled by a run that goes on while pages are opened and closed, or read
from the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from orch.errors import OrchError
from orch.execution.events import (
    Content,
    Done,
    Failed,
    Fallback,
    Metadata,
    RunEvent,
    RunWarning,
    Thinking,
    ToolCall,
)
from orch.execution.serialize import decision_to_dict
from orch.text.prompt import Task
from orch.types import ModelKey

Watcher = Callable[[], None]
ChatNote = RunWarning | Fallback | ToolCall


@dataclass(slots=True, eq=False)
class ChatAnswer:
    """An answer so far. `status` is running, ok, failed or interrupted; `decision`, `attempts` and
    `recalled` are JSON-able values, as in the journal."""

    task: Task
    status: str = "running"
    run_id: str = ""
    provider: str = ""
    model: str = ""
    model_name: str = ""
    task_type: str = ""
    confidence: float = 0.0
    reason: str = ""
    degraded: bool = False
    cached: bool = False
    text: str = ""
    thinking: str = ""
    notes: list[ChatNote] = field(default_factory=list)
    """Warnings, fallbacks and tool calls, in order."""
    decision: dict[str, Any] | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    recalled: list[dict[str, Any]] | None = None
    """None if it was not recorded."""
    ttft_s: float | None = None
    total_s: float | None = None
    tokens: int | None = None
    error: OrchError | None = None
    watchers: set[Watcher] = field(default_factory=set)

    @property
    def is_running(self) -> bool:
        """Whether the run has not ended."""
        return self.status == "running"

    @property
    def full_model(self) -> str:
        """PROVIDER/ID, which is unique."""
        return f"{self.provider}/{self.model}"

    def apply(self, event: RunEvent) -> None:
        """Applies an event of the run."""
        _HANDLERS[type(event)](self, event)
        self.notify_watchers()

    def notify_watchers(self) -> None:
        """Calls every watcher."""
        for watcher in tuple(self.watchers):
            watcher()


# ---------------------------------------------------------------- events


def _metadata(answer: ChatAnswer, event: Metadata) -> None:
    decision = event.decision
    answer.provider, answer.model = decision.key
    answer.model_name, answer.task_type = decision.model_name, str(decision.task_type)
    answer.confidence, answer.reason = decision.confidence, decision.reason
    answer.degraded = decision.degraded


def _content(answer: ChatAnswer, event: Content) -> None:
    answer.text += event.text


def _thinking(answer: ChatAnswer, event: Thinking) -> None:
    answer.thinking += event.text


def _note(answer: ChatAnswer, event: ChatNote) -> None:
    answer.notes.append(event)


def _done(answer: ChatAnswer, event: Done) -> None:
    result = event.result
    answer.status, answer.run_id = "ok", result.run_id
    answer.decision = decision_to_dict(result.decision)
    answer.cached, answer.degraded = result.source == "cache", result.degraded
    answer.attempts = [asdict(attempt) for attempt in result.attempts]
    answer.recalled = list(result.recalled)
    answer.ttft_s, answer.total_s = result.timing.ttft_s, result.timing.total_s
    answer.tokens = result.response.usage.completion_tokens
    warnings = map(RunWarning, result.warnings)
    answer.notes += [warning for warning in warnings if warning not in answer.notes]


def _failed(answer: ChatAnswer, event: Failed) -> None:
    error = event.error
    answer.status = "failed"
    answer.attempts = [asdict(attempt) for attempt in error.attempts]
    answer.error = OrchError(error.message, error.hint, code=error.code)


_HANDLERS: dict[type[Any], Callable[[ChatAnswer, Any], None]] = {
    Metadata: _metadata,
    Content: _content,
    Thinking: _thinking,
    RunWarning: _note,
    Fallback: _note,
    ToolCall: _note,
    Done: _done,
    Failed: _failed,
}


# ---------------------------------------------------------------- from the journal


def answer_from_row(row: dict[str, Any], attempts: list[dict[str, Any]]) -> ChatAnswer:
    """An answer from the journal: a decoded row of `runs`, and its attempts."""
    decision = row["decision"] or {}
    error = None
    if code := row["error_code"]:
        error = OrchError(row["error"] or code, code=code)
    names = {
        ModelKey(candidate["provider"], candidate["model_id"]): candidate["model_name"]
        for candidate in decision.get("candidates", ())
    }
    return ChatAnswer(
        task=_task_of(row),
        status=row["status"],
        run_id=row["run_id"],
        provider=row["provider"] or "",
        model=row["model"] or "",
        model_name=names.get(ModelKey(row["provider"], row["model"]), row["model"] or ""),
        task_type=row["task_type"] or "",
        confidence=row["confidence"] or 0.0,
        reason=decision.get("reason", ""),
        degraded=bool(row["degraded"]),
        cached=row["source"] == "cache",
        text=row["answer"] or "",
        decision=row["decision"],
        attempts=attempts,
        ttft_s=row["ttft_s"],
        total_s=row["total_s"],
        tokens=row["completion_tokens"],
        error=error,
    )


def _task_of(row: dict[str, Any]) -> Task:
    """The task as far as it was stored; attached files are in its last message."""
    messages, text, system = row["messages"] or [], row["task"] or "", row["system"]
    *before, last = messages or [{"content": text}]
    if last.get("content") == text and not last.get("images"):
        return Task(text=text, messages=tuple(before), system_prompt=system)
    return Task(text="", messages=tuple(messages), system_prompt=system)
