"""One run from the plan to the journal: yields the events that every face shows."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Literal

from orch.config.spec.option_types import check_options
from orch.errors import OrchError, ProviderError
from orch.execution.answer_cache import REPLAY_CHUNK_CHARS
from orch.execution.checks.json_schema import AnswerSchema, schema_from_format
from orch.execution.events import Content, Done, Failed, Metadata, RunEvent, Thinking
from orch.execution.fallback import FallbackChain, decision_for
from orch.execution.results import (
    ClientAnswer,
    CountedPrompt,
    RunState,
    build_result,
    last_resort_warning,
    post_run_warnings,
)
from orch.execution.run_record import build_record, is_remembered, is_step
from orch.execution.runtime import Runtime
from orch.execution.session import SessionHistory, load_history
from orch.providers.http.loading import LoadingWait
from orch.routing.context_size import free_context, is_close_to_limit
from orch.routing.router import REAL_MODEL_ANSWERED, Plan
from orch.routing.wording import reason_text
from orch.storage.answers import CachedAnswer
from orch.text.prompt import LONG_TASK_CHARS, PreparedTask, Task, prepare_task, text_size
from orch.types import FIRST_TOKEN_TIMEOUT_S, Decision, ModelKey, Reason, RunResult

OnPartial = Literal["restart", "continue", "stop"]
"""When a model fails after it gave text: restart (the text was buffered and is dropped), continue
(another model goes on from the shown text), stop (the run ends with the shown text)."""


class Run:
    """One task on its way to an answer. Iterate `events` once."""

    def __init__(self, task: Task, runtime: Runtime, on_partial: OnPartial, face: str) -> None:
        is_indivisible = bool(task.tools or task.raw) or task.response_format is not None
        self._stops = on_partial == "stop" or (is_indivisible and on_partial == "continue")
        self._runtime = runtime
        self._state = RunState(task, new_run_id(), face, buffered=on_partial == "restart")
        self._recorded = False
        self.error: OrchError | None = None
        """Why it ended without an answer, with the partial text; also after an interruption, when
        no event can report it any more."""
        self.on_waiting: Callable[[str], None] = lambda message: None
        """Called with a warning before the first event, which brings it again."""

    @property
    def run_id(self) -> str:
        """Its id in the journal."""
        return self._state.run_id

    @property
    def decision(self) -> Decision | None:
        """The decision; None before it."""
        return self._state.plan.decision if self._state.plan else None

    @property
    def ends_with_calls(self) -> bool:
        """Whether the client runs the answer's tool calls and goes on."""
        state = self._state
        return state.call is not None and is_step(state.task, state.call.tool_calls)

    @property
    def counted_prompt(self) -> CountedPrompt | None:
        """The prompt's tokens as the server counted them, if it was asked for just the task."""
        return self._state.counted_prompt

    @property
    def answer_to_client(self) -> ClientAnswer | None:
        """The answer so far; None outside a session."""
        return self._state.answer_to_client

    @property
    def estimated_prompt_tokens(self) -> int:
        """The estimate of the prompt's tokens, corrected for the model that is asked; 0 before
        it."""
        prepared, call = self._state.prepared, self._state.call
        if prepared is None:
            return 0
        tokens = prepared.need.prompt_tokens
        return tokens if call is None else call.state.corrected_tokens(tokens)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings so far; the plan's are known when its Metadata is yielded."""
        return tuple(self._state.warnings)

    async def events(self) -> AsyncGenerator[RunEvent]:
        """Metadata first, Done or Failed last; raises OrchError after Failed. Every run is
        journaled, an interrupted one too."""
        try:
            async with aclosing(self._answer()) as events:
                async for event in events:
                    yield event
        except OrchError as error:
            self._end("failed", error)
            yield Failed(error)
            raise error from None
        except asyncio.CancelledError as cancelled:
            self._interrupt(str(cancelled.args[0]) if cancelled.args else "interrupted")
            raise
        except GeneratorExit:
            self._interrupt("reader_gone")
            raise

    async def _answer(self) -> AsyncGenerator[RunEvent]:
        state, runtime = self._state, self._runtime
        state.task = runtime.registry.names.with_request(state.task)
        check_options(state.task.options)
        history = await self._load_history()
        schema = await self._schema()
        prepared = state.prepared = await self._prepare()
        if text_size(state.task) > LONG_TASK_CHARS:  # first: no model may have room for it
            state.plan = await self._decide(prepared)
        key = await runtime.answer_cache.key(prepared)
        fresh = state.task.fresh
        async with runtime.answer_cache.single_flight(None if fresh else key):
            cached = await runtime.answer_cache.lookup(key) if key and not fresh else None
            events = (
                self._replay(cached)
                if cached
                else self._call_models(prepared, history, schema, key)
            )
            async with aclosing(events):
                async for event in events:
                    yield event

    async def _replay(self, cached: CachedAnswer) -> AsyncGenerator[RunEvent]:
        """A cached answer as the stream that it was."""
        state = self._state
        result = cached.to_result(state.run_id, state.started_clock_s)
        reasons = (Reason("cached", {"age_s": max(time.time() - cached.at, 0)}),)
        decision = replace(result.decision, reason=reason_text(reasons), reasons=reasons)
        result = replace(result, decision=decision)
        state.text_before = result.response.content
        state.warnings += dict.fromkeys((*state.task.warnings, *self._demo_warnings(decision)))
        yield Metadata(decision)
        for warning in self.warnings:
            yield state.warning(warning)
        if result.response.thinking:
            yield Thinking(result.response.thinking)
        text = result.response.content
        for start in range(0, len(text), REPLAY_CHUNK_CHARS):
            yield Content(text[start : start + REPLAY_CHUNK_CHARS])
        self._record("ok", result=result)
        yield Done(replace(result, warnings=self._all_warnings()))

    def _demo_warnings(self, decision: Decision) -> list[str]:
        specs = self._runtime.config.models.models
        answered = (spec for spec in specs if ModelKey(spec.provider, spec.id) == decision.key)
        return [warning for spec in answered if (warning := last_resort_warning(spec))]

    async def _decide(self, prepared: PreparedTask) -> Plan:
        """The plan; where the estimate can't tell whether the prompt fits, by an exact count."""
        decided: Plan | OrchError
        try:
            decided = await self._runtime.router.plan(self._state.task, prepared)
            states, need = decided.states.values(), decided.need
            if not any(is_close_to_limit(s, need) for s in states if s.fixed_ctx and s.resident):
                return decided
        except OrchError as error:
            if error.code != "context_overflow":
                raise
            decided = error
        from orch.execution.exact_counts import plan_with_counts  # few prompts are so long

        return await plan_with_counts(self._runtime, prepared, decided)

    async def _plan(self, prepared: PreparedTask) -> Plan:
        """Chooses the models; waits where a server can't list its models because it still loads
        them, and no other model can take the task. The metadata is the first event, so that the
        warning of the wait follows it; `on_waiting` is called when the wait begins."""
        state = self._state
        wait = LoadingWait("the model", state.task.timeout_s or FIRST_TOKEN_TIMEOUT_S)
        while True:
            try:
                return await self._decide(prepared)
            except OrchError as error:
                refusal = error.__cause__
                if error.code != "no_provider" or not isinstance(refusal, ProviderError):
                    raise
                if not wait.has_time:
                    hint = "--timeout SECONDS waits longer"
                    raise OrchError(error.message, hint, code="timeout") from None
                if notice := wait.add(refusal):
                    state.warning(notice.message)
                    self.on_waiting(notice.message)
                await wait.pause()

    async def _call_models(
        self,
        prepared: PreparedTask,
        history: SessionHistory,
        schema: AnswerSchema | None,
        key: str | None,
    ) -> AsyncGenerator[RunEvent]:
        state, runtime = self._state, self._runtime
        plan = state.plan = state.plan or await self._plan(prepared)
        state.warnings += dict.fromkeys(
            (*runtime.config.warnings, *history.warnings, *state.task.warnings, *plan.warnings)
        )
        yield Metadata(decision_for(plan, plan.order[0]))
        for warning in self.warnings:
            yield state.warning(warning)
        if suggestion := await runtime.answer_cache.suggest_similar(state.task):
            yield state.warning(suggestion)
        if self._recalls:
            for warning in await self._recall(plan):
                yield state.warning(warning)
        chain = FallbackChain(state, state.plan, runtime, schema, stops=self._stops)
        async with aclosing(chain.events()) as events:
            async for event in events:
                yield event
        assert state.call is not None
        for warning in post_run_warnings(state.call, state.attempts[-1]):
            yield state.warning(warning)
        yield Done(await self._finish(key, state.call.state.digest))

    # ------------------------------------------------------------ before the call

    async def _load_history(self) -> SessionHistory:
        """Puts the session's earlier turns before the task, unless the caller sent messages."""
        state, task = self._state, self._state.task
        if task.session is None or task.messages or task.alternative_to:
            return SessionHistory()
        journal = self._runtime.journal
        history = await self._runtime.offload(load_history, task.session, journal, task.text)
        state.task = replace(task, history=history.messages)
        return history

    async def _schema(self) -> AnswerSchema | None:
        schema = schema_from_format(self._state.task.response_format)
        return None if schema is None else await asyncio.to_thread(AnswerSchema, schema)

    async def _prepare(self) -> PreparedTask:
        task = self._state.task
        if text_size(task) > LONG_TASK_CHARS:
            return await self._runtime.offload(prepare_task, task)
        return prepare_task(task)

    @property
    def _recalls(self) -> bool:
        requested = self._state.task.retrieve_context
        return self._runtime.config.routing.memory.recall if requested is None else requested

    async def _recall(self, plan: Plan) -> list[str]:
        """Puts what memory finds behind the task, as far as the chosen model's context has room;
        returns warnings."""
        from orch.memory.prompt import MOST_ROWS, describe_recalled, recalled_text, select_relevant

        state = self._state
        assert state.prepared is not None
        hits, warnings = await self._runtime.memory.recall(state.prepared.text, MOST_ROWS)
        relevant = select_relevant(hits)
        room = free_context(plan.states[plan.order[0].key], plan.need)
        text, rows = recalled_text([hit.row for hit in relevant], room)
        if text:
            scores = {hit.row.run_id: hit.score for hit in relevant}
            state.recalled = tuple(describe_recalled(row, scores[row.run_id]) for row in rows)
            state.plan = plan.with_recalled(text)
        return warnings

    # ------------------------------------------------------------ the end

    async def _finish(self, key: str | None, digest: str) -> RunResult:
        result = build_result(self._state)
        self._record("ok", result=result)
        if key or self._may_be_rerun or self._is_news(result):
            await self._runtime.offload(self._learn, result, key, digest)
        warnings = self._all_warnings()
        return replace(result, warnings=warnings) if warnings else result

    def _is_news(self, result: RunResult) -> bool:
        """Whether a real model answers for the first time, as far as this process knows."""
        return not (result.degraded or self._runtime.journal.has_seen_fact(REAL_MODEL_ANSWERED))

    def _learn(self, result: RunResult, key: str | None, digest: str) -> None:
        """Stores what the answer shows beside its record; with a key, also the answer itself."""
        self._note_rerun(result.decision)
        if not result.degraded:
            self._runtime.journal.set_fact_once(REAL_MODEL_ANSWERED)
        if key:
            with_warnings = replace(result, warnings=self._all_warnings())
            self._runtime.answer_cache.save(key, self._state.task, with_warnings, digest)

    @property
    def _may_be_rerun(self) -> bool:
        task = self._state.task
        has_more = task.attachments or task.context or task.messages or task.history
        return bool(task.text) and not has_more and (task.model is not None or task.fresh)

    def _note_rerun(self, decision: Decision) -> None:
        """The same words again, pinned or fresh, are feedback on the former model; not where more
        than words was sent, which may ask something else."""
        if self._may_be_rerun:
            # as it is stored, also with lone surrogates
            text = self._state.task.text.encode("utf-8", "replace").decode()
            feedback = self._runtime.journal.feedback
            feedback.record_rerun(text, decision.key, self._state.started_at)

    def _all_warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._state.warnings, *self._runtime.journal.warnings)))

    def _end(self, status: str, error: OrchError) -> None:
        state = self._state
        error.partial = state.text if state.buffered else state.visible_text
        error.run_id = state.run_id
        error.attempts = tuple(state.attempts)
        self._record(status, error=error)
        error.warnings = self._all_warnings()
        self.error = error

    def _interrupt(self, code: str) -> None:
        if self._recorded:
            return  # the answer was complete; only its reader left
        state, call = self._state, self._state.call
        if call is not None and not call.reported:
            outcome, offset = "partial" if call.text else "failed", len(state.text_before)
            attempt = call.as_attempt(outcome, code="interrupted", message=code, offset=offset)
            state.add_attempt(attempt)
        self._end("interrupted", OrchError(code.replace("_", " "), code=code))

    def _record(
        self, status: str, *, result: RunResult | None = None, error: OrchError | None = None
    ) -> None:
        self._recorded = True
        wanted = self._runtime.config.routing.memory.remember
        remember = is_remembered(self._state.task, result, wanted)
        record = build_record(self._state, status, remember, result=result, error=error)
        self._runtime.journal.record(record)


def new_run_id() -> str:
    """An id that sorts by time: 48 bits of milliseconds and 24 random bits, in hexadecimal."""
    return f"{max(int(time.time() * 1000), 0):012x}{os.urandom(3).hex()}"
