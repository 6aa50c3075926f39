"""One run from plan to journal: asks the models in order, falls back as the rules say, and yields the chunks that every face folds."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Literal

from orch.attempt import Asking, Chunk
from orch.decide import REAL_MODEL_ANSWERED, Plan, plan
from orch.errors import BackendError, OrchError
from orch.outcome import Course, gave_up, late_warnings, record_of, result_of
from orch.request import chat_request, prompt_estimate
from orch.runtime import Runtime
from orch.task import Task
from orch.types import Attempt, Candidate, RunResult

BACKOFF_S, LONGEST_BACKOFF_S = 0.25, 2.0

OnPartial = Literal["restart", "continue", "stop"]
"""What happens when a model fails after it gave text: the text was held back, it was shown and another goes on, it was shown and that is all."""


class Run:
    """One task on its way to an answer. Iterate `chunks` once."""

    def __init__(self, task: Task, runtime: Runtime, on_partial: OnPartial, face: str) -> None:
        whole = bool(task.tools) or task.response_format is not None
        self._stops = on_partial == "stop" or (whole and on_partial == "continue")
        self._task, self._runtime = task, runtime
        self._course = Course(new_run_id(), face, held=on_partial == "restart")
        self._recorded = False
        self.error: OrchError | None = None
        """Why it ended without an answer, with the partial text; also after an interruption, when no chunk can tell it any more."""

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """`metadata` first, `done` or `error` last; after `error` raises OrchError. Every run is journaled, also one that was interrupted."""
        try:
            async with aclosing(self._answer()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except OrchError as error:
            self._ended("failed", error)
            yield {"type": "error", "error": {"code": error.code, "message": error.message, "hint": error.hint}, "partial": error.partial}
            raise error from None
        except asyncio.CancelledError as cancelled:
            self._interrupted(str(cancelled.args[0]) if cancelled.args else "interrupted")
            raise
        except GeneratorExit:
            self._interrupted("reader_gone")
            raise

    async def _answer(self) -> AsyncGenerator[Chunk]:
        course = self._course
        made = course.plan = await plan(self._task, self._runtime)
        yield _metadata(made, made.order[0])
        recall = ["recall is not available yet: the task was run without it"] if self._task.retrieve_context else []
        for warning in (*self._runtime.config.notes, *made.warnings, *recall):
            yield self._warning(warning)
        async with aclosing(self._attempts(made)) as chunks:
            async for chunk in chunks:
                yield chunk
        assert course.asking is not None
        for warning in late_warnings(course.asking, course.attempts[-1]):
            yield self._warning(warning)
        yield {"type": "done", "result": self._result()}

    def _warning(self, message: str) -> Chunk:
        if message not in self._course.warnings:
            self._course.warnings.append(message)
        return {"type": "warning", "message": message}

    # ------------------------------------------------------------ the models, in order

    async def _attempts(self, made: Plan) -> AsyncGenerator[Chunk]:
        course, queue = self._course, list(made.order)
        left = self._runtime.config.routing.fallback.max_attempts
        while True:
            candidate, left = queue.pop(0), left - 1
            asking = self._ask(made, candidate)
            try:
                async with aclosing(asking.chunks()) as chunks:
                    async for chunk in chunks:
                        yield chunk
                course.attempts.append(asking.attempt("ok", offset=len(course.before)))
                return
            except BackendError as failure:
                course.attempts.append(self._failed_attempt(asking, failure))
                queue = self._still_worth_asking(queue, candidate, failure)
                others = bool(queue) and left > 0
                if not others or (course.shown and self._stops):
                    raise gave_up(course.attempts, course.shown, others) from None
                if failure.code == "rate_limited" and queue[0].provider == candidate.provider:
                    await asyncio.sleep(min(failure.retry_after_s or BACKOFF_S, LONGEST_BACKOFF_S))
                yield _fallback(candidate, queue[0], failure, len(course.shown))
                yield _metadata(made, queue[0])

    def _ask(self, made: Plan, candidate: Candidate) -> Asking:
        course, state = self._course, made.states[candidate.key]
        course.before, course.asking = course.shown, None
        request = chat_request(self._task, made.messages, made.need, state, course.before)
        course.asking = Asking(candidate, state, self._runtime.backends[candidate.provider], request, prompt_estimate(made.need, course.before))
        return course.asking

    def _failed_attempt(self, asking: Asking, failure: BackendError) -> Attempt:
        outcome = "partial" if asking.partial and not self._course.held else "failed"
        return asking.attempt(outcome, code=failure.code, message=failure.message, offset=len(self._course.before))

    def _still_worth_asking(self, queue: list[Candidate], candidate: Candidate, failure: BackendError) -> list[Candidate]:
        if failure.code == "connect":
            # the provider is gone: asking its other models would only take time
            return [other for other in queue if other.provider != candidate.provider]
        asked_once = sum(attempt.model == candidate.model_id for attempt in self._course.attempts) == 1
        if failure.code == "rate_limited" and not queue and asked_once:
            return [candidate]
        return queue

    # ------------------------------------------------------------ the end

    def _result(self) -> RunResult:
        result, journal = result_of(self._course), self._runtime.journal
        self._record("ok", result=result)
        if not result.degraded and journal.fact(REAL_MODEL_ANSWERED) is None:
            journal.set_fact(REAL_MODEL_ANSWERED, str(time.time()))
        return replace(result, warnings=self._all_warnings())

    def _all_warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._course.warnings, *self._runtime.journal.warnings)))

    def _ended(self, status: str, error: OrchError) -> None:
        course = self._course
        error.partial, error.attempts, error.run_id = course.text, tuple(course.attempts), course.run_id
        self._record(status, error=error)
        error.warnings = self._all_warnings()
        self.error = error

    def _interrupted(self, code: str) -> None:
        if self._recorded:
            return  # the answer was whole; only its reader was not
        course, asking = self._course, self._course.asking
        if asking is not None and not asking.told:
            outcome = "partial" if asking.partial else "failed"
            course.attempts.append(asking.attempt(outcome, code="interrupted", message=code, offset=len(course.before)))
        self._ended("interrupted", OrchError(code.replace("_", " "), code=code))

    def _record(self, status: str, *, result: RunResult | None = None, error: OrchError | None = None) -> None:
        self._recorded = True
        remember = self._runtime.config.routing.memory.remember if self._task.store_memory is None else self._task.store_memory
        self._runtime.journal.record(record_of(self._course, self._task, status, remember, result=result, error=error))


def _metadata(made: Plan, candidate: Candidate) -> Chunk:
    decision = made.decision
    return {
        "type": "metadata",
        "model_id": candidate.model_id,
        "model_name": candidate.model_name,
        "provider": candidate.provider,
        "task_type": str(decision.task_type),
        "confidence": decision.confidence,
        "reason": candidate.reason,
        "degraded": made.states[candidate.key].spec.last_resort,
    }


def _fallback(failed: Candidate, then: Candidate, failure: BackendError, offset: int) -> Chunk:
    return {"type": "fallback", "from": failed.model_id, "to": then.model_id, "reason": failure.message, "code": failure.code, "offset": offset}


def new_run_id() -> str:
    """A name that sorts by time: 48 bits of milliseconds, 24 of chance, in hexadecimal."""
    return f"{int(time.time() * 1000):012x}{os.urandom(3).hex()}"
