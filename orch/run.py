"""One run from plan to journal: asks the models in order, falls back as the rules say, and yields the chunks that every face folds."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from orch.attempt import Asking, Chunk
from orch.decide import REAL_MODEL_ANSWERED, Plan, plan
from orch.errors import BackendError, OrchError, run_code
from orch.journal import RunRecord
from orch.router import context_needed, num_ctx_for
from orch.runtime import Runtime
from orch.task import Task
from orch.types import Attempt, Candidate, ChatRequest, Message, Response, RunResult, Timing, Usage

FIRST_TOKEN_S, TOKEN_S = 300.0, 60.0
BACKOFF_S, LONGEST_BACKOFF_S = 0.25, 2.0
FAR_OFF = 2.0
"""An estimate this many times off is said: the prompt may have been cut, or the estimate learns."""
WORTH_COMPARING_TOKENS = 200
PROMPT_MARGIN = 1.15
"""Room kept for a prompt that is longer than estimated, so that Ollama never drops context while generating."""

OnPartial = Literal["restart", "continue", "stop"]
"""What happens when a model fails after it gave text: the text was held back, it was shown and another goes on, it was shown and that is all."""


@dataclass(slots=True)
class _Course:
    """How a run is going: what was asked, what the caller has seen."""

    attempts: list[Attempt] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    shown: str = ""
    asking: Asking | None = None


class Run:
    """One task on its way to an answer. Iterate `chunks` once."""

    def __init__(self, task: Task, runtime: Runtime, on_partial: OnPartial, face: str) -> None:
        self.run_id = new_run_id()
        self._task, self._runtime, self._face = task, runtime, face
        whole = bool(task.tools) or task.response_format is not None
        self._on_partial: OnPartial = "stop" if whole and on_partial == "continue" else on_partial
        self._plan: Plan | None = None
        self._course = _Course()
        self._at, self._begun = time.time(), time.perf_counter()

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """`metadata` first, `done` or `error` last; after `error` raises OrchError. Every run is journaled, also one that was interrupted."""
        try:
            async with aclosing(self._answer()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except OrchError as error:
            error = self._failed(error)
            yield {"type": "error", "error": {"code": error.code, "message": error.message, "hint": error.hint}, "partial": error.partial}
            raise error from None
        except asyncio.CancelledError as cancelled:
            self._interrupted(str(cancelled.args[0]) if cancelled.args else "interrupted")
            raise
        except GeneratorExit:
            self._interrupted("reader_gone")
            raise

    async def _answer(self) -> AsyncGenerator[Chunk]:
        made = self._plan = await plan(self._task, self._runtime)
        yield _metadata(made, made.order[0])
        if self._task.retrieve_context:
            self._course.warnings.append("recall is not available yet: the task was run without it")
        for warning in (*self._runtime.config.notes, *made.warnings, *self._course.warnings):
            yield self._warning(warning)
        async with aclosing(self._attempts(made)) as chunks:
            async for chunk in chunks:
                yield chunk
        for warning in self._late_warnings():
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
            asking = course.asking = self._asking(made, candidate)
            try:
                async with aclosing(asking.chunks()) as chunks:
                    async for chunk in chunks:
                        if chunk["type"] == "content" and self._on_partial != "restart":
                            course.shown += chunk["chunk"]
                        yield chunk
                course.attempts.append(asking.attempt("ok", offset=self._offset(asking)))
                return
            except BackendError as failure:
                course.attempts.append(self._attempt_failed(asking, failure))
                queue = self._still_worth_asking(queue, candidate, failure)
                if not queue or left <= 0 or (course.shown and self._on_partial == "stop"):
                    raise self._gave_up() from None
                if failure.code == "rate_limited" and queue[0].provider == candidate.provider:
                    await asyncio.sleep(min(failure.retry_after_s or BACKOFF_S, LONGEST_BACKOFF_S))
                yield _fallback(candidate, queue[0], failure, len(course.shown))
                yield _metadata(made, queue[0])

    def _asking(self, made: Plan, candidate: Candidate) -> Asking:
        state = made.states[candidate.model_id]
        messages = _for_model(made.messages, state.spec.system, self._course.shown)
        estimate = state.tokens(made.need.prompt_tokens) + len(self._course.shown) // 3
        num_ctx = num_ctx_for(state, made.need)
        if not state.fixed_ctx and estimate + 16 > num_ctx:
            num_ctx = min(max(num_ctx, context_needed(state, made.need) * 2), state.context_window)
        room = max(num_ctx - int(estimate * PROMPT_MARGIN) - 16, 16)
        asked = self._task.max_tokens or state.spec.max_tokens
        timeout_s = self._task.timeout_s
        request = ChatRequest(
            model=candidate.model_id,
            messages=messages,
            options={**state.spec.options, **{k: v for k, v in self._task.options.items() if k not in _OWN_OPTIONS}},
            num_ctx=None if state.fixed_ctx else num_ctx,
            max_tokens=min(asked, room) if asked else (None if state.fixed_ctx else room),
            tools=self._task.tools,
            response_format=self._task.response_format,
            first_token_timeout_s=timeout_s or FIRST_TOKEN_S,
            token_timeout_s=min(timeout_s or TOKEN_S, TOKEN_S),
        )
        return Asking(candidate, state, self._runtime.backends[candidate.provider], request, made.need.prompt_tokens)

    def _offset(self, asking: Asking) -> int:
        """Characters the caller had seen before this model began."""
        return len(self._course.shown) - len(asking.partial) if self._on_partial != "restart" else 0

    def _attempt_failed(self, asking: Asking, failure: BackendError) -> Attempt:
        outcome = "partial" if asking.partial and self._on_partial != "restart" else "failed"
        return asking.attempt(outcome, code=failure.code, message=failure.message, offset=self._offset(asking))

    def _still_worth_asking(self, queue: list[Candidate], candidate: Candidate, failure: BackendError) -> list[Candidate]:
        if failure.code == "connect":
            # the provider is gone: asking its other models would only take time
            return [other for other in queue if other.provider != candidate.provider]
        asked_once = sum(attempt.model == candidate.model_id for attempt in self._course.attempts) == 1
        if failure.code == "rate_limited" and not queue and asked_once:
            return [candidate]
        return queue

    def _gave_up(self) -> OrchError:
        attempts, shown = self._course.attempts, self._course.shown
        last = attempts[-1]
        code = "all_failed" if shown else run_code(attempts)
        if len(attempts) == 1:
            message = f"{last.model} failed: {last.message}"
        else:
            message = "every model that was asked failed: " + "; ".join(f"{a.model}: {a.message}" for a in attempts)
        hints = {
            "no_provider": "orch health shows what is reachable",
            "model_not_found": f"orch models pull {last.model}",
            "timeout": "--timeout SECONDS waits longer",
            "context_overflow": "shorten the input, or add a model with a larger context",
        }
        hint = (
            "--continue-partial lets another model go on from here"
            if shown and self._on_partial == "stop"
            else hints.get(code, "orch health shows what is wrong")
        )
        return OrchError(message, hint, code=code)

    # ------------------------------------------------------------ the end

    def _late_warnings(self) -> list[str]:
        """What is known only now: how far the estimate was off, whether the answer was cut, what the journal had to say."""
        asking, attempt = self._course.asking, self._course.attempts[-1]
        assert asking is not None
        said = []
        expected, counted = asking.state.tokens(attempt.estimated_tokens), attempt.prompt_tokens
        if counted and expected >= WORTH_COMPARING_TOKENS and not expected / FAR_OFF <= counted <= expected * FAR_OFF:
            cut = " (it may have been cut)" if counted < expected else ""
            said.append(f"{attempt.model} counted {counted:,} tokens of prompt where about {expected:,} were expected{cut}")
        if asking.done and asking.done.finish_reason == "length":
            said.append(f"the answer was cut at {attempt.completion_tokens:,} tokens; -o max_tokens=N allows more")
        return said

    def _result(self) -> RunResult:
        made, asking = self._plan, self._course.asking
        assert made is not None
        assert asking is not None
        last = self._course.attempts[-1]
        decision = made.decision
        if asking.candidate.model_id != decision.model_id:
            took = asking.candidate
            decision = replace(decision, model_id=took.model_id, model_name=took.model_name, provider=took.provider, reason=f"fallback: {took.reason}")
        degraded = asking.state.spec.last_resort
        content = self._course.shown if self._on_partial != "restart" else asking.content
        finish = asking.done.finish_reason if asking.done else "stop"
        result = RunResult(
            decision=replace(decision, degraded=degraded),
            task_type=decision.task_type,
            confidence=decision.confidence,
            response=Response(content, Usage(last.prompt_tokens, last.completion_tokens), asking.thinking, tuple(asking.tool_calls), finish),
            timing=Timing(self._ttft_s(), time.perf_counter() - self._begun, last.load_s),
            attempts=tuple(self._course.attempts),
            warnings=(),
            run_id=self.run_id,
            degraded=degraded,
        )
        self._record("ok", result=result)
        if not degraded and self._runtime.journal.fact(REAL_MODEL_ANSWERED) is None:
            self._runtime.journal.set_fact(REAL_MODEL_ANSWERED, str(time.time()))
        return replace(result, warnings=self._all_warnings())

    def _ttft_s(self) -> float | None:
        """Seconds from the beginning of the run, failed attempts included, to the first visible token of what is shown."""
        waited = 0.0
        for attempt in self._course.attempts:
            if attempt.ttft_s is not None and attempt.outcome != "failed":
                return waited + attempt.ttft_s
            waited += attempt.total_s
        return None

    def _all_warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._course.warnings, *self._runtime.journal.warnings)))

    def _failed(self, error: OrchError) -> OrchError:
        self._record("failed", error=error)
        return OrchError(
            error.message,
            error.hint,
            code=error.code,
            partial=self._course.shown,
            attempts=self._course.attempts,
            warnings=self._all_warnings(),
            run_id=self.run_id,
        )

    def _interrupted(self, code: str) -> None:
        asking = self._course.asking
        if asking is not None and not asking.told:
            outcome = "partial" if asking.partial else "failed"
            self._course.attempts.append(asking.attempt(outcome, code="interrupted", message=code, offset=self._offset(asking)))
        partial = self._course.shown or (asking.partial if asking else "")
        self._record("interrupted", error=OrchError("interrupted", code=code, partial=partial))

    def _record(self, status: str, *, result: RunResult | None = None, error: OrchError | None = None) -> None:
        made, task = self._plan, self._task
        decision = result.decision if result else made.decision if made else None
        last = self._course.attempts[-1] if self._course.attempts else None
        messages = made.messages if made else []
        remember = self._runtime.config.routing.memory.remember if task.store_memory is None else task.store_memory
        timing = result.timing if result else Timing(self._ttft_s(), time.perf_counter() - self._begun, last.load_s if last else None)
        self._runtime.journal.record(
            RunRecord(
                run_id=self.run_id,
                at=self._at,
                face=self._face,
                status=status,
                task=task.text,
                system=task.system_prompt,
                messages=messages,
                answer=result.response.content if result else self._course.shown or (error.partial if error else ""),
                task_type=str(decision.task_type) if decision else None,
                confidence=decision.confidence if decision else None,
                decision=asdict(decision) if decision else None,
                attempts=self._course.attempts,
                model=last.model if last else None,
                provider=last.provider if last else None,
                session=task.session,
                remember=remember,
                error_code=error.code if error else None,
                error=error.message if error else None,
                degraded=bool(result and result.degraded),
                prompt_tokens=last.prompt_tokens if last else None,
                completion_tokens=last.completion_tokens if last else None,
                load_s=timing.load_s,
                ttft_s=timing.ttft_s,
                total_s=timing.total_s,
                config_hash=self._runtime.config.hash,
            )
        )


_OWN_OPTIONS = ("num_ctx", "max_tokens", "max_completion_tokens", "num_predict")


def _for_model(messages: list[Message], system: str | None, shown: str) -> list[Message]:
    """The messages with the model's own system prompt where the task has none, and with the text to go on from."""
    before: list[Message] = []
    if system and all(message.get("role") != "system" for message in messages):
        before = [{"role": "system", "content": system}]
    return [*before, *messages, *([{"role": "assistant", "content": shown}] if shown else [])]


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
        "degraded": made.states[candidate.model_id].spec.last_resort,
    }


def _fallback(failed: Candidate, then: Candidate, failure: BackendError, offset: int) -> Chunk:
    return {"type": "fallback", "from": failed.model_id, "to": then.model_id, "reason": failure.message, "code": failure.code, "offset": offset}


def new_run_id() -> str:
    """A name that sorts by time: 48 bits of milliseconds, 24 of chance, in hexadecimal."""
    return f"{int(time.time() * 1000):012x}{os.urandom(3).hex()}"
