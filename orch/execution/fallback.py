"""Calls the planned models in order until one answers; falls back as routing.yaml allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from orch.errors import OrchError, ProviderError
from orch.execution.attempt import ModelCall
from orch.execution.checks.json_schema import AnswerSchema
from orch.execution.events import (
    CallEvent,
    CallWarning,
    Fallback,
    IgnoredFields,
    Metadata,
    RunEvent,
)
from orch.execution.request import Prompt, build_chat_request, estimated_prompt_tokens
from orch.execution.results import RunState, all_failed_error, last_resort_warning
from orch.execution.retry import (
    backoff_s,
    can_retry_with_more_context,
    may_refuse_prefill,
    next_candidates,
    state_for_retry,
)
from orch.execution.runtime import Runtime
from orch.providers import ProviderClient
from orch.providers.http.loading import Waiting
from orch.routing.machine.admission import slot_request
from orch.routing.router import Plan
from orch.text.prompt import estimate_tokens
from orch.types import Attempt, Candidate, Decision, Message, ModelKey

if TYPE_CHECKING:
    from orch.execution.context_loads import AgreedContext
    from orch.execution.tool_calls.gate import CallGate
    from orch.providers.chat import ChatRequest
    from orch.routing.prompt_cache.prompt_caches import PromptCaches


API_FACES = ("openai", "anthropic", "ollama")
"""Where a call of a model reaches a program: one that offered no tools can do nothing with it."""


class FallbackChain:
    """The calls of one run. Iterate `events`; then the answer is that of `state.call`.

    `stops` forbids that another model continues text that was already shown.
    """

    def __init__(
        self,
        state: RunState,
        plan: Plan,
        runtime: Runtime,
        schema: AnswerSchema | None,
        *,
        stops: bool,
    ) -> None:
        self._state, self._plan, self._runtime = state, plan, runtime
        self._schema, self._stops = schema, stops
        self._task = state.task
        self._queue = list(plan.order)
        self._calls_left = runtime.config.routing.fallback.max_attempts
        self._prefill_refused: set[ModelKey] = set()
        is_checked = runtime.config.routing.tool_calls == "checked"
        is_offered = bool(self._task.tools) or state.face in API_FACES
        self._checks_calls = is_checked and is_offered and not self._task.raw
        self._corrections: dict[ModelKey, Sequence[Message]] = {}
        """What a model is told that is asked again after a faulty tool call."""

    async def events(self) -> AsyncGenerator[RunEvent]:
        """The events of every call. Raises OrchError when no model answered."""
        while True:
            candidate = self._queue.pop(0)
            self._calls_left -= 1
            call = self._start_call(candidate)
            try:
                async with aclosing(self._call_events(call)) as events:
                    async for event in events:
                        yield event
                return
            except ProviderError as failure:
                async with aclosing(self._after_failure(call, failure)) as events:
                    async for event in events:
                        yield event

    @property
    def _has_more(self) -> bool:
        return bool(self._queue) and self._calls_left > 0

    # ------------------------------------------------------------ one call

    def _start_call(self, candidate: Candidate) -> ModelCall:
        run, model = self._state, self._plan.states[candidate.key]
        run.text_before, run.call = run.visible_text, None
        need, provider = self._plan.need, self._runtime.providers[candidate.provider]
        messages = self._plan.messages
        if correction := self._corrections.get(candidate.key):
            messages = [*messages, *correction]
            need = need._replace(prompt_tokens=need.prompt_tokens + estimate_tokens(correction))
        prompt = Prompt(
            messages,
            self._plan.recalled,
            run.text_before,
            prefills=provider.prefills
            and not model.closes_answers
            and candidate.key not in self._prefill_refused,
        )
        request = build_chat_request(self._task, prompt, need, model)
        run.call = ModelCall(
            candidate,
            model,
            provider,
            request,
            estimated_prompt_tokens(need, run.text_before),
            self._task.max_tokens,
            self._schema,
            held=run.buffered,
            may_be_empty=self._task.allows_empty and not self._has_more,
            gate=(lambda: self._gate(candidate, request)) if self._checks_calls else None,
        )
        return run.call

    def _gate(self, candidate: Candidate, request: ChatRequest) -> CallGate:
        """What checks the tool calls of one answer."""
        from orch.execution.tool_calls.gate import CallGate  # requests without tools need none

        forgives = candidate.key in self._corrections
        return CallGate(request, streams=not self._state.buffered, forgives_missing=forgives)

    async def _call_events(self, call: ModelCall) -> AsyncGenerator[RunEvent]:
        run = self._state
        plan = self._plan
        slot = slot_request(
            call.state,
            plan.need,
            self._task,
            run.run_id,
            memory=plan.memory,
            states=plan.states,
        )
        poor = last_resort_warning(call.state.spec)
        admission, room = self._runtime.admission, self._runtime.room
        caches, changed_at = self._runtime.router.prompt_caches, self._runtime.loads.changed_at
        ctx, began = call.request.num_ctx, run.started_clock_s
        is_placed = plan.prepared.chain is not None or (call.state.slots or 0) > 1
        async with (
            admission.acquire(slot) as evictions,
            nullcontext()
            if ctx is None
            or (ctx == call.state.resident_ctx and changed_at.get(slot.model, 0) < began)
            else self._agreed_context(call) as agreed,
            _PlacedPrompt(
                call,
                plan,
                caches,
                self._runtime.providers[slot.model.provider],
                is_corrected=call.candidate.key in self._corrections,
            )
            if caches is not None and is_placed
            else nullcontext(),
            aclosing(call.events()) as events,
        ):
            loads = slot.room is not None and slot.room.loads
            for message in await room.make(slot.model, evictions, loads=loads):
                yield run.warning(message)
            async for event in events:
                if agreed is not None and not isinstance(event, Waiting):
                    agreed.note_answer()
                    agreed = None
                if poor:
                    yield run.warning(poor)
                    poor = ""
                if visible := self._visible(event):
                    yield visible
        if run.buffered:
            call.raise_if_context_exceeded()
        run.add_attempt(call.as_attempt("ok", offset=len(run.text_before)))
        self._runtime.registry.note_loaded(slot.model, call.num_ctx)

    def _agreed_context(self, call: ModelCall) -> AgreedContext:
        run, need = self._state, self._plan.need
        tokens = estimated_prompt_tokens(need, run.text_before)
        whole = need._replace(prompt_tokens=tokens)
        return self._runtime.loads.agree(call, whole, self._task, run.started_clock_s)

    def _visible(self, event: CallEvent) -> RunEvent | None:
        """The event as the caller sees it. Ignored fields are reported only where the caller chose
        the model: elsewhere they are a wish."""
        if isinstance(event, (Waiting, CallWarning)):
            return self._state.warning(event.message)
        if not isinstance(event, IgnoredFields):
            return event
        return self._state.warning(event.message) if self._task.model is not None else None

    # ------------------------------------------------------------ a failure

    async def _after_failure(
        self, call: ModelCall, failure: ProviderError
    ) -> AsyncGenerator[RunEvent]:
        """Records the failure and prepares the next call. Raises OrchError if there is none."""
        run, failed = self._state, call.candidate
        run.add_attempt(self._failed_attempt(call, failure))
        if failure.code == "remote_answer":
            registry = self._runtime.registry
            await self._runtime.offload(registry.note_remote, call.state, failure.remote_host)
        if may_refuse_prefill(call.request, failure) and not call.text:
            self._prefill_refused.add(failed.key)
            self._queue, self._calls_left = [failed, *self._queue], self._calls_left + 1
            return
        if self._plan_correction(call, failure):
            yield run.warning(f"{failed.model_id} is asked once more: {failure.message}")
            return
        if self._plan_retry(call, failure):
            yield run.warning(
                f"{failed.model_id} found the prompt longer than expected: it is asked once more"
                f" ({failure.message})"
            )
            return
        self._queue = next_candidates(self._queue, failed, failure, run.attempts, self._fits_now)
        has_more = self._has_more
        if not has_more or (run.visible_text and self._stops):
            raise self._all_failed(call, failure, has_more=has_more) from None
        successor = self._queue[0]
        if pause_s := backoff_s(failure, failed, successor):
            await asyncio.sleep(pause_s)
        offset = len(run.visible_text)
        yield Fallback(failed.key, successor.key, failure.message, failure.code, offset)
        yield Metadata(decision_for(self._plan, successor))

    def _all_failed(self, call: ModelCall, failure: ProviderError, *, has_more: bool) -> OrchError:
        run = self._state
        error = all_failed_error(run.attempts, run.visible_text, has_more, failure.retry_after_s)
        if error.code == "context_overflow":
            estimate = call.state.corrected_tokens(self._plan.need.prompt_tokens)
            error.prompt_tokens = failure.prompt_tokens or estimate
            error.context_tokens = failure.context_tokens or call.num_ctx
        return error

    def _failed_attempt(self, call: ModelCall, failure: ProviderError) -> Attempt:
        is_partial = call.shown_text and not self._state.buffered
        return call.as_attempt(
            "partial" if is_partial else "failed",
            code=failure.code,
            message=failure.message,
            offset=len(self._state.text_before),
            prompt_tokens=failure.prompt_tokens,
        )

    def _plan_correction(self, call: ModelCall, failure: ProviderError) -> bool:
        """Whether the same model is asked once more, with the fault of its tool call named. It is
        no other model, so it uses up no attempt."""
        key = call.candidate.key
        if failure.code != "tool_call_invalid" or key in self._corrections:
            return False
        if self._state.visible_text or not self._checks_calls:
            return False
        from orch.execution.tool_calls.faults import correction_of  # few answers need it

        self._corrections[key] = correction_of(failure)
        self._queue, self._calls_left = [call.candidate, *self._queue], self._calls_left + 1
        return True

    def _plan_retry(self, call: ModelCall, failure: ProviderError) -> bool:
        """Whether the same model is called again with more context. The retry is no other model,
        so it uses up no attempt."""
        run, candidate = self._state, call.candidate
        is_shown = call.shown_text and not run.buffered
        if is_shown or not can_retry_with_more_context(failure, candidate.key, run.attempts):
            return False
        plan = self._plan
        tokens = estimated_prompt_tokens(plan.need, run.text_before)
        need = plan.need._replace(prompt_tokens=tokens)
        corrected = state_for_retry(call.state, need, call.request, failure)
        if corrected is None:
            return False
        self._plan = plan._replace(states={**plan.states, candidate.key: corrected})
        run.plan = self._plan
        self._queue = [candidate, *self._queue]
        self._calls_left += 1
        return True

    def _fits_now(self, candidate: Candidate) -> bool:
        state = self._plan.states[candidate.key]
        slot = slot_request(state, self._plan.need, self._task)
        return self._runtime.admission.wait_reason(slot) is None


class _PlacedPrompt:
    """The prompt of a call while it is answered: sent where most of it is cached, and then noted as
    what is cached there."""

    __slots__ = ("_caches", "_call", "_is_corrected", "_plan", "_provider", "_use")

    def __init__(
        self,
        call: ModelCall,
        plan: Plan,
        caches: PromptCaches,
        provider: ProviderClient,
        *,
        is_corrected: bool,
    ) -> None:
        self._call, self._plan, self._caches, self._provider = call, plan, caches, provider
        self._is_corrected = is_corrected
        """Whether messages of orch's own stand between the conversation and the answer."""

    async def __aenter__(self) -> None:
        call, prepared = self._call, self._plan.prepared
        use = self._use = await self._caches.begin(call.state, prepared, self._provider)
        if use.address or use.slot is not None:
            call.request = replace(call.request, address=use.address, slot=use.slot)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        is_changed = bool(self._plan.recalled or self._call.request.continues)
        is_changed = is_changed or self._is_corrected
        self._use.end(self._call.sent_prompt(is_changed=is_changed))


def decision_for(plan: Plan, candidate: Candidate) -> Decision:
    """The plan's decision with this candidate as the model that is called."""
    if candidate is plan.order[0]:
        return plan.decision
    return replace(
        plan.decision,
        model_id=candidate.model_id,
        model_name=candidate.model_name,
        provider=candidate.provider,
        reason=candidate.reason,
        reasons=candidate.reasons,
        degraded=plan.states[candidate.key].spec.last_resort,
        remote_host=candidate.remote_host,
    )
