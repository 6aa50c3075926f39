"""One run from plan to journal: asks the models in order, falls back as the rules say, and yields
the chunks that every face folds."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Literal

from orch.errors import OrchError, ProviderError
from orch.execution.answer_cache import REPLAY_CHUNK_CHARS, format_age
from orch.execution.attempt import Chunk, ModelCall
from orch.execution.json_schema import AnswerSchema, schema_from_format
from orch.execution.request import build_chat_request, estimated_prompt_tokens
from orch.execution.results import (
    RunState,
    all_failed_error,
    build_record,
    build_result,
    last_resort_warning,
    post_run_warnings,
)
from orch.execution.retry import state_for_retry
from orch.execution.runtime import Runtime
from orch.execution.session import SessionHistory, load_history
from orch.routing.model_state import free_context
from orch.routing.router import REAL_MODEL_ANSWERED, Plan, plan, slot_request, with_message
from orch.storage.answers import CachedAnswer
from orch.text.prompt import LONG_TASK_CHARS, Task, text_size, text_to_classify
from orch.types import Attempt, Candidate, Decision, RunResult

RATE_LIMIT_BACKOFF_S, MAX_BACKOFF_S = 0.25, 2.0

OnPartial = Literal["restart", "continue", "stop"]
"""What happens when a model fails after it gave text: the text was held back, it was shown and
another goes on, it was shown and that is all."""


class Run:
    """One task on its way to an answer. Iterate `chunks` once."""

    def __init__(self, task: Task, runtime: Runtime, on_partial: OnPartial, face: str) -> None:
        whole = bool(task.tools) or task.response_format is not None
        self._stops = on_partial == "stop" or (whole and on_partial == "continue")
        self._task, self._runtime = task, runtime
        self._course = RunState(new_run_id(), face, buffered=on_partial == "restart")
        self._recorded = False
        self._schema: AnswerSchema | None = None
        self.error: OrchError | None = None
        """Why it ended without an answer, with the partial text; also after an interruption, when
        no chunk can tell it any more."""

    @property
    def run_id(self) -> str:
        """Its name in the journal."""
        return self._course.run_id

    @property
    def decision(self) -> Decision | None:
        """What was decided, None before that."""
        return self._course.plan.decision if self._course.plan else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was said so far; what the plan has to say is known when its `metadata` is told."""
        return tuple(self._course.warnings)

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """`metadata` first, `done` or `error` last; after `error` raises OrchError. Every run is
        journaled, also one that was interrupted."""
        try:
            async with aclosing(self._answer()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except OrchError as error:
            self._ended("failed", error)
            yield {
                "type": "error",
                "error": {"code": error.code, "message": error.message, "hint": error.hint},
                "partial": error.partial,
                "attempts": error.attempts,
                "warnings": error.warnings,
                "run_id": error.run_id,
            }
            raise error from None
        except asyncio.CancelledError as cancelled:
            self._interrupted(str(cancelled.args[0]) if cancelled.args else "interrupted")
            raise
        except GeneratorExit:
            self._interrupted("reader_gone")
            raise

    async def _answer(self) -> AsyncGenerator[Chunk]:
        history, reuse = await self._history(), self._runtime.answer_cache
        if (schema := schema_from_format(self._task.response_format)) is not None:
            self._schema = await asyncio.to_thread(AnswerSchema, schema)
        if (
            text_size(self._task) > LONG_TASK_CHARS
        ):  # what fits no model is refused before more is done with it
            self._course.plan = await plan(self._task, self._runtime)
        key = await reuse.key(self._task)
        async with reuse.single_flight(None if self._task.fresh else key):
            found = await reuse.lookup(key) if key and not self._task.fresh else None
            async with aclosing(
                self._replayed(found) if found else self._asked(history, key)
            ) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _replayed(self, found: CachedAnswer) -> AsyncGenerator[Chunk]:
        """An earlier answer as the stream it was."""
        result = found.to_result(self._course.run_id, self._course.started_clock_s)
        decision = replace(
            result.decision, reason=f"cached, {format_age(found.at)}; --fresh asks again"
        )
        self._course.text_before, result = (
            result.response.content,
            replace(result, decision=decision),
        )
        poor = (
            last_resort_warning(spec)
            for spec in self._runtime.config.models.models
            if (spec.provider, spec.id) == decision.key
        )
        self._course.warnings += dict.fromkeys((*self._task.warnings, *filter(None, poor)))
        yield _metadata(decision)
        for warning in self.warnings:
            yield self._warning(warning)
        if result.response.thinking:
            yield {"type": "thinking", "chunk": result.response.thinking}
        for begin in range(0, len(result.response.content), REPLAY_CHUNK_CHARS):
            yield {
                "type": "content",
                "chunk": result.response.content[begin : begin + REPLAY_CHUNK_CHARS],
            }
        self._record("ok", result=result)
        yield {"type": "done", "result": replace(result, warnings=self._all_warnings())}

    async def _asked(self, history: SessionHistory, key: str | None) -> AsyncGenerator[Chunk]:
        course = self._course
        made = course.plan = course.plan or await plan(self._task, self._runtime)
        course.warnings += dict.fromkeys(
            (*self._runtime.config.notes, *history.warnings, *self._task.warnings, *made.warnings)
        )
        yield _metadata(_asks(made, made.order[0]))
        for warning in self.warnings:
            yield self._warning(warning)
        if near := await self._runtime.answer_cache.suggest_similar(self._task):
            yield self._warning(near)
        if self._recalls():
            made, said = await self._recall(made)
            for warning in said:
                yield self._warning(warning)
        async with aclosing(self._attempts(made)) as chunks:
            async for chunk in chunks:
                yield chunk
        assert course.call is not None
        for warning in post_run_warnings(course.call, course.attempts[-1]):
            yield self._warning(warning)
        result = await self._result(key, course.call.state.digest)
        yield {"type": "done", "result": result}

    def _warning(self, message: str) -> Chunk:
        if message not in self._course.warnings:
            self._course.warnings.append(message)
        return {"type": "warning", "message": message}

    # ------------------------------------------------------------ what was said before

    async def _history(self) -> SessionHistory:
        """The session's earlier turns go before the task, unless the caller brings the conversation
        himself."""
        if self._task.session is None or self._task.messages:
            return SessionHistory()
        history = await self._runtime.offload(
            load_history, self._task.session, self._runtime.journal, self._task.text
        )
        self._task = replace(self._task, history=history.messages)
        return history

    def _recalls(self) -> bool:
        wish = self._task.retrieve_context
        return self._runtime.config.routing.memory.recall if wish is None else wish

    async def _recall(self, made: Plan) -> tuple[Plan, list[str]]:
        """The plan with what memory found before the task, as far as the chosen model's context has
        room, and warnings."""
        from orch.memory.prompt import MOST_ROWS, describe_recalled, recall_message, select_relevant

        hits, said = await self._runtime.memory.recall(text_to_classify(self._task), MOST_ROWS)
        found = select_relevant(hits)
        state = made.states[made.order[0].key]
        message, used = recall_message([each.row for each in found], free_context(state, made.need))
        if message is None:
            return made, said
        scores = {each.row.run_id: each.score for each in found}
        self._course.recalled = tuple(describe_recalled(row, scores[row.run_id]) for row in used)
        self._course.plan = with_message(made, message)
        return self._course.plan, said

    # ------------------------------------------------------------ the models, in order

    async def _attempts(self, made: Plan) -> AsyncGenerator[Chunk]:
        course, queue = self._course, list(made.order)
        left = self._runtime.config.routing.fallback.max_attempts
        while True:
            candidate, left = queue.pop(0), left - 1
            asking = self._ask(made, candidate)
            poor = last_resort_warning(asking.state.spec)
            try:
                async with (
                    self._runtime.admission.acquire(
                        slot_request(asking.state, made.need, self._task, course.run_id)
                    ),
                    aclosing(asking.chunks()) as chunks,
                ):
                    async for chunk in chunks:
                        if poor:
                            yield self._warning(poor)
                            poor = ""
                        if told := self._told(chunk):
                            yield told
                if course.buffered:
                    asking.raise_if_context_exceeded()
                course.add_attempt(asking.as_attempt("ok", offset=len(course.text_before)))
                self._runtime.registry.note_loaded(candidate.key, asking.num_ctx)
                return
            except ProviderError as failure:
                course.add_attempt(self._failed_attempt(asking, failure))
                if failure.code == "remote_answer":
                    await self._runtime.offload(
                        self._runtime.registry.note_remote, asking.state, failure.remote_host
                    )
                if more := self._with_more_context(made, asking, failure):
                    made, left, queue = more, left + 1, [candidate, *queue]
                    yield self._warning(
                        f"{candidate.model_id} found the prompt longer than expected: it is asked"
                        f" once more ({failure.message})"
                    )
                    continue
                queue = self._still_worth_asking(queue, candidate, failure)
                others = bool(queue) and left > 0
                if not others or (course.visible_text and self._stops):
                    raise all_failed_error(
                        course.attempts, course.visible_text, others, failure.retry_after_s
                    ) from None
                if failure.code == "rate_limited" and queue[0].provider == candidate.provider:
                    await asyncio.sleep(
                        min(failure.retry_after_s or RATE_LIMIT_BACKOFF_S, MAX_BACKOFF_S)
                    )
                yield _fallback(candidate, queue[0], failure, len(course.visible_text))
                yield _metadata(_asks(made, queue[0]))

    def _ask(self, made: Plan, candidate: Candidate) -> ModelCall:
        course, state = self._course, made.states[candidate.key]
        course.text_before, course.call = course.visible_text, None
        request = build_chat_request(
            self._task, made.messages, made.need, state, course.text_before
        )
        backend, estimate = (
            self._runtime.providers[candidate.provider],
            estimated_prompt_tokens(made.need, course.text_before),
        )
        course.call = ModelCall(
            candidate, state, backend, request, estimate, self._task.max_tokens, self._schema
        )
        return course.call

    def _told(self, chunk: Chunk) -> Chunk | None:
        """What the caller sees of a chunk. That a model takes less of a wish is news only to who
        named the model: elsewhere it is a wish."""
        if chunk["type"] != "left_out":
            return chunk
        return self._warning(chunk["message"]) if self._task.model is not None else None

    def _failed_attempt(self, asking: ModelCall, failure: ProviderError) -> Attempt:
        outcome = "partial" if asking.text and not self._course.buffered else "failed"
        return asking.as_attempt(
            outcome,
            code=failure.code,
            message=failure.message,
            offset=len(self._course.text_before),
            counted=failure.prompt_tokens,
        )

    def _with_more_context(
        self, made: Plan, asking: ModelCall, failure: ProviderError
    ) -> Plan | None:
        """The plan in which a model that was refused for its context is asked once more, where that
        may help. It is no other model, so it counts as none."""
        course, key = self._course, asking.candidate.key
        refused = sum(
            attempt.key == key and attempt.code == "context_overflow" for attempt in course.attempts
        )
        if (
            failure.code != "context_overflow"
            or refused > 1
            or (asking.text and not course.buffered)
        ):
            return None
        need = replace(
            made.need, prompt_tokens=estimated_prompt_tokens(made.need, course.text_before)
        )
        state = state_for_retry(asking.state, need, asking.request, failure)
        if state is None:
            return None
        course.plan = replace(made, states={**made.states, key: state})
        return course.plan

    def _still_worth_asking(
        self, queue: list[Candidate], candidate: Candidate, failure: ProviderError
    ) -> list[Candidate]:
        if failure.code in ("connect", "busy"):
            # the provider is gone, or has no place left: asking its other models would only take
            # time
            return [
                other
                for other in queue
                if other.provider != candidate.provider
                or (failure.has_free_slot and self._fits_now(other))
            ]
        asked_once = sum(attempt.key == candidate.key for attempt in self._course.attempts) == 1
        if failure.code == "rate_limited" and not queue and asked_once:
            return [candidate]
        return queue

    def _fits_now(self, candidate: Candidate) -> bool:
        made = self._course.plan
        return made is not None and not self._runtime.admission.wait_reason(
            slot_request(made.states[candidate.key], made.need, self._task, "")
        )

    # ------------------------------------------------------------ the end

    async def _result(self, key: str | None, digest: str) -> RunResult:
        result = build_result(self._course)
        self._record("ok", result=result)
        await self._runtime.offload(self._learn, result, key, digest)
        return replace(result, warnings=self._all_warnings())

    def _learn(self, result: RunResult, key: str | None, digest: str) -> None:
        """What an answer by a model tells, beside its row; and where it has a key, it is kept to be
        given again."""
        self._note_rerun(result.decision)
        if not result.degraded:
            self._runtime.journal.set_fact_once(REAL_MODEL_ANSWERED)
        if key:
            self._runtime.answer_cache.save(
                key, self._task, replace(result, warnings=self._all_warnings()), digest
            )

    def _all_warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._course.warnings, *self._runtime.journal.warnings)))

    def _ended(self, status: str, error: OrchError) -> None:
        course = self._course
        error.partial, error.attempts, error.run_id = (
            course.text,
            tuple(course.attempts),
            course.run_id,
        )
        self._record(status, error=error)
        error.warnings = self._all_warnings()
        self.error = error

    def _interrupted(self, code: str) -> None:
        if self._recorded:
            return  # the answer was whole; only its reader was not
        course, asking = self._course, self._course.call
        if asking is not None and not asking.reported:
            outcome = "partial" if asking.text else "failed"
            course.add_attempt(
                asking.as_attempt(
                    outcome, code="interrupted", message=code, offset=len(course.text_before)
                )
            )
        self._ended("interrupted", OrchError(code.replace("_", " "), code=code))

    def _record(
        self, status: str, *, result: RunResult | None = None, error: OrchError | None = None
    ) -> None:
        self._recorded = True
        remember = (
            self._runtime.config.routing.memory.remember
            if self._task.store_memory is None
            else self._task.store_memory
        )
        if result and result.source == "cache":
            remember = False  # the run that gave the answer is remembered
        self._runtime.journal.record(
            build_record(self._course, self._task, status, remember, result=result, error=error)
        )

    def _note_rerun(self, answered: Decision) -> None:
        """The same words again, pinned or fresh, say something of the model before; where more than
        words was asked, they may ask something else."""
        task = self._task
        more = task.attachments or task.context or task.messages or task.history
        if task.text and not more and (task.model is not None or task.fresh):
            text = task.text.encode(
                "utf-8", "replace"
            ).decode()  # as it is stored, also where it holds half characters
            self._runtime.journal.feedback.record_rerun(text, answered.key, self._course.started_at)


def _asks(made: Plan, candidate: Candidate) -> Decision:
    """The decision when this candidate is asked, the first choice or a later one."""
    return replace(
        made.decision,
        model_id=candidate.model_id,
        model_name=candidate.model_name,
        provider=candidate.provider,
        reason=candidate.reason,
        degraded=made.states[candidate.key].spec.last_resort,
        remote_host=candidate.remote_host,
    )


def _metadata(decision: Decision) -> Chunk:
    names = (
        "model_id",
        "model_name",
        "provider",
        "confidence",
        "reason",
        "degraded",
        "remote_host",
    )
    return {
        "type": "metadata",
        "task_type": str(decision.task_type),
        **{name: getattr(decision, name) for name in names},
    }


def _fallback(failed: Candidate, then: Candidate, failure: ProviderError, offset: int) -> Chunk:
    return {
        "type": "fallback",
        "from": failed.model_id,
        "from_provider": failed.provider,
        "to": then.model_id,
        "to_provider": then.provider,
        "reason": failure.message,
        "code": failure.code,
        "offset": offset,
    }


def new_run_id() -> str:
    """A name that sorts by time: 48 bits of milliseconds, 24 of chance, in hexadecimal."""
    return f"{max(int(time.time() * 1000), 0):012x}{os.urandom(3).hex()}"
