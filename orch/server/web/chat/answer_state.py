"""One answer as the page knows it: filled by a run of its own that goes on while browsers come and
go, or taken from the journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.requests import Request

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
from orch.execution.run import Run
from orch.server.http.errors import error_location
from orch.server.service import Service
from orch.text.prompt import Task
from orch.types import decision_to_dict

UNWATCHED_TIMEOUT_S = 120.0
"""An answer that no page has watched for so long is ended: it was enough to reload, or to look at
another conversation."""
Watcher = Callable[[], None]
ChatNote = RunWarning | Fallback | ToolCall


@dataclass(slots=True, eq=False)
class ChatAnswer:
    """What came so far. `status` is going, ok, failed or interrupted; `decision`, `attempts` and
    `recalled` are plain values, as in the journal."""

    task: Task
    status: str = "going"
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
    """Warnings, fallbacks and calls of tools, in order."""
    decision: dict[str, Any] | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    recalled: list[dict[str, Any]] | None = None
    """None where nobody knows any more."""
    ttft_s: float | None = None
    total_s: float | None = None
    tokens: int | None = None
    error: OrchError | None = None
    watchers: set[Watcher] = field(default_factory=set)

    @property
    def is_running(self) -> bool:
        """Whether more may come."""
        return self.status == "going"

    @property
    def full_model(self) -> str:
        """PROVIDER/ID, which no other model has."""
        return f"{self.provider}/{self.model}"

    def apply(self, event: RunEvent) -> None:
        """Takes over one event of the run."""
        _HANDLERS[type(event)](self, event)
        self.notify_watchers()

    def notify_watchers(self) -> None:
        """Tells those who watch."""
        for watcher in tuple(self.watchers):
            watcher()


# ---------------------------------------------------------------- chunks


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
    answer.status, answer.run_id, answer.decision = (
        "ok",
        result.run_id,
        decision_to_dict(result.decision),
    )
    answer.cached, answer.degraded = result.source == "cache", result.degraded
    answer.attempts, answer.recalled = (
        [asdict(attempt) for attempt in result.attempts],
        list(result.recalled),
    )
    answer.ttft_s, answer.total_s, answer.tokens = (
        result.timing.ttft_s,
        result.timing.total_s,
        result.response.usage.completion_tokens,
    )
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


# ---------------------------------------------------------------- runs


class ActiveAnswers:
    """The answers that are on their way, of all pages, by conversation."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[str, list[ChatAnswer]] = {}

    def start(self, task: Task, conversation: str) -> ChatAnswer:
        """Asks; what comes is in the answer."""
        answer = ChatAnswer(task)
        self._answers.setdefault(conversation, []).append(answer)
        running = asyncio.create_task(self._run(answer, conversation))
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)
        return answer

    def in_conversation(self, conversation: str) -> list[ChatAnswer]:
        """Those of one conversation, oldest first."""
        return list(self._answers.get(conversation, ()))

    def stop(self, answer: ChatAnswer, code: str = "interrupted") -> None:
        """Ends one as Ctrl-C would."""
        self._service.cancel_run(answer.run_id, code)

    def unwatch(self, answer: ChatAnswer, watcher: Watcher) -> None:
        """A page watches it no more."""
        answer.watchers.discard(watcher)
        if answer.is_running and not answer.watchers:
            asyncio.get_running_loop().call_later(UNWATCHED_TIMEOUT_S, self._end_if_alone, answer)

    def _end_if_alone(self, answer: ChatAnswer) -> None:
        if answer.is_running and not answer.watchers:
            self.stop(answer, "reader_gone")

    async def _run(self, answer: ChatAnswer, conversation: str) -> None:
        service = self._service
        await service.flush_journal()  # the turn before may have ended a moment ago
        run = service.start_run(answer.task, "continue", "page")
        answer.run_id = run.run_id
        try:
            await _follow(run, answer)
        finally:
            self._answers[conversation].remove(answer)
            if not self._answers[conversation]:
                del self._answers[conversation]
            await service.finish_run(run)


async def _follow(run: Run, answer: ChatAnswer) -> None:
    """Takes every chunk. Nothing is raised: who looks at the answer sees how it ended."""
    try:
        async with aclosing(run.events()) as events:
            async for event in events:
                answer.apply(event)
                if isinstance(event, Metadata) and run.decision is not None:
                    answer.decision = decision_to_dict(run.decision)
    except OrchError:
        return  # the error chunk has told it
    except asyncio.CancelledError:
        answer.status, answer.error = "interrupted", run.error
        answer.attempts = [asdict(attempt) for attempt in run.error.attempts] if run.error else []
        answer.notify_watchers()
    except Exception as error:
        # without its words, which may quote the prompt
        logging.getLogger("orch.server").error("%s", error_location(error))
        answer.status, answer.error = (
            "failed",
            OrchError("orch failed at this request", "its log says where"),
        )
        answer.notify_watchers()


def active_answers(request: Request, service: Service) -> ActiveAnswers:
    """The one register of the process: a page that is loaded again finds its answer there."""
    state = request.app.state
    if not hasattr(state, "orch_going"):
        state.orch_going = ActiveAnswers(service)
    going: ActiveAnswers = state.orch_going
    return going


# ---------------------------------------------------------------- from the journal


def answer_from_row(row: dict[str, Any], attempts: list[dict[str, Any]]) -> ChatAnswer:
    """An answer that was written down: an unpacked row of the journal and its attempts."""
    decision = row["decision"] or {}
    error = (
        OrchError(row["error"] or row["error_code"], code=row["error_code"])
        if row["error_code"]
        else None
    )
    names = {
        (each["provider"], each["model_id"]): each["model_name"]
        for each in decision.get("candidates", ())
    }
    return ChatAnswer(
        task=_task_of(row),
        status=row["status"],
        run_id=row["run_id"],
        provider=row["provider"] or "",
        model=row["model"] or "",
        model_name=names.get((row["provider"], row["model"]), row["model"] or ""),
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
    """The task as far as it was kept; what was attached stands in its last message."""
    messages, text, system = row["messages"] or [], row["task"] or "", row["system"]
    *before, last = messages or [{"content": text}]
    if last.get("content") == text and not last.get("images"):
        return Task(text=text, messages=tuple(before), system_prompt=system)
    return Task(text="", messages=tuple(messages), system_prompt=system)
