"""Calls one model, streams its output as events and records the outcome as an Attempt."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING, Any

from orch.errors import ProviderError
from orch.execution.checks.answer_checks import (
    FinishedAnswer,
    check_answer,
    exceeded_context,
    wants_json,
)
from orch.execution.checks.json_schema import AnswerSchema
from orch.execution.events import (
    CallEvent,
    CallWarning,
    Content,
    IgnoredFields,
    Thinking,
    ToolCall,
)
from orch.execution.retry import is_prefilled
from orch.providers import ProviderClient
from orch.providers.chat import ChatRequest, Completion, Delta
from orch.providers.http.loading import LoadingWait
from orch.providers.streams.thinking_markers import ThinkingSplitter, may_lack_opening
from orch.routing.model_state import UNKNOWN_CTX, ModelState
from orch.types import Attempt, Candidate

if TYPE_CHECKING:
    from orch.execution.tool_calls.gate import CallGate
    from orch.routing.prompt_cache.sent_prompt import SentPrompt
    from orch.text.continuation import ContinuationJoiner


class ModelCall:
    """One call of a model. Iterate `events`, then read `as_attempt`.

    `events` raises ProviderError. `limit` is the caller's own limit of answer tokens: JSON that is
    cut there is returned as is, and with `may_be_empty` so is an answer that it left no room for.
    With `held`, content comes as one event at the end, when the whole answer can be looked at; so
    does text that was to be JSON and does not begin as such. With a
    `gate`, tool calls come at the end, checked and repaired.
    """

    def __init__(
        self,
        candidate: Candidate,
        state: ModelState,
        provider: ProviderClient,
        request: ChatRequest,
        estimate: int,
        limit: int | None = None,
        schema: AnswerSchema | None = None,
        *,
        held: bool = False,
        may_be_empty: bool = False,
        gate: Callable[[], CallGate] | None = None,
    ) -> None:
        self.candidate, self.state, self.request = candidate, state, request
        self.reported = False
        """Whether `as_attempt` was called."""
        self.tool_calls, self.repairs = list[dict[str, Any]](), tuple[str, ...]()
        """What the model called, and a word for each repair of that."""
        self.logprobs: list[dict[str, Any]] = []
        self.completion: Completion | None = None
        self.first_token_at: float | None = None
        """When the first visible token came, by the performance counter."""
        self._provider, self._estimate = provider, estimate
        self._limit, self._schema, self._may_be_empty = limit, schema, may_be_empty
        self._make_gate, self._splitter = gate, ThinkingSplitter()
        self._gate = gate() if gate and request.tools else None
        self._joiner = _joiner_of(request)
        self._held: bool | None = held or (None if wants_json(request) else False)
        """None until the first character of the answer shows whether it is JSON."""
        # not a list of pieces: a chunk of five letters would take sixty bytes
        self._text, self._thinking = StringIO(), StringIO()
        self._leading_blanks = ""
        self._started_at: float | None = None
        self._loading_s: float | None = None
        self._pending_logprobs: list[dict[str, Any]] = []

    # ------------------------------------------------------------ the stream

    async def events(self) -> AsyncGenerator[CallEvent]:
        """Content, thinking and tool calls as they arrive; then checks the answer."""
        self._started_at = time.perf_counter()  # the wait for a slot is over
        request, done = self.request, False
        wait = LoadingWait(request.model, request.first_token_timeout_s)
        while not done:
            has_begun = False
            try:
                async with aclosing(self._provider.chat(request)) as deltas:
                    async for delta in deltas:
                        has_begun = True
                        for event in self._delta_events(delta):
                            yield event
                done = True
            except ProviderError as failure:
                if has_begun:
                    raise
                if notice := wait.add(failure):
                    yield notice
                await wait.pause()
                request = replace(self.request, first_token_timeout_s=wait.left_s)
                self._loading_s = time.perf_counter() - self._started_at
        for event in self._last_events():
            yield event
        for event in await self._settled_events(self._gate) if self._gate else ():
            yield event
        text = await check_answer(self._finished, self._schema, can_unwrap=self._held is True)
        if self._held and text:
            self._replace_text(text)
            self._held = False
            yield self._with_logprobs(Content(text))
        if self._pending_logprobs:
            yield self._with_logprobs(Content(""))

    def _delta_events(self, delta: Delta) -> list[CallEvent]:
        events: list[CallEvent] = []
        if delta.ignored_fields:
            events.append(IgnoredFields(f"{self.request.model} {delta.ignored_fields}"))
        self.logprobs += delta.logprobs
        self._pending_logprobs += delta.logprobs
        # a server that separates thinking itself has left no marker in its content
        kept = self._splitter.skip() if delta.thinking else ""
        content, thinking = (
            (delta.content, "") if self.request.raw else self._splitter.feed(delta.content)
        )
        content = self._joined(kept + content)
        if self._gate is not None and content:
            content = self._gate.feed(content)
            if self._gate.pending:
                self.first_token_at = self.first_token_at or time.perf_counter()
        events += self._text_events(content, thinking, delta.thinking)
        if delta.tool_calls or self._splitter.reads_calls:
            events += self._call_events((*self._splitter.take_calls(), *delta.tool_calls))
        self.completion = delta.completion or self.completion
        return events

    def _joined(self, content: str) -> str:
        return content if self._joiner is None else self._joiner.feed(content)

    def _last_events(self) -> list[CallEvent]:
        """What was kept back at the end of the stream, and the thought in text that nobody has
        seen."""
        content, thinking = self._splitter.flush()
        content = self._joined(content) + (self._joiner.flush() if self._joiner else "")
        content = self._gate.feed(content) if self._gate else content
        events: list[CallEvent] = [*self._text_events(content, thinking, "")]
        events += self._call_events(self._splitter.take_calls())
        is_chat = self.request.raw is None
        if is_chat and self._held and not self.thinking and may_lack_opening(self.text):
            from orch.providers.streams.unopened import separate  # few servers need it

            if parts := separate(self.text, has_calls=bool(self.tool_calls)):
                self._replace_text(parts.content)
                events += self._text_events("", parts.thinking, "")
                events += self._call_events(parts.tool_calls)
        return events

    def _call_events(self, calls: Sequence[dict[str, Any]]) -> list[ToolCall]:
        if not calls:
            return []
        from orch.execution.tool_calls.names import with_bare_name  # few answers have calls

        named = [with_bare_name(call) for call in calls]
        if self._gate is None and self._make_gate:
            self._gate = self._make_gate()  # no tools were offered
        if self._gate is not None:
            self._gate.calls += named
            return []
        self.tool_calls += named
        return [ToolCall(call) for call in named]

    async def _settled_events(self, gate: CallGate) -> list[CallEvent]:
        """What was held back of an answer with tools: its text, and its calls as they are settled.
        Raises ToolCallError for a faulty one that nobody has seen a part of; else a warning says
        what is wrong."""
        shown, is_held = self._text.getvalue(), bool(self._held)
        is_seen = bool(self.shown_text) or self._finished.cut_by_caller
        settled = await gate.settle(
            shown, is_shown=not is_held, is_seen=is_seen, cut=self.reached_token_limit
        )
        self.tool_calls, self.repairs = settled.calls, settled.repairs
        if is_held:
            self._replace_text(settled.text)
        rest = "" if is_held else settled.text[len(shown) :]
        events: list[CallEvent] = [*self._text_events(rest, "", "")]
        if settled.fault:
            events.append(CallWarning(f"{self.request.model}: {settled.fault}"))
        return [*events, *(ToolCall(call, len(self.repairs)) for call in self.tool_calls)]

    def _text_events(
        self, content: str, tagged_thinking: str, thinking: str
    ) -> list[Content | Thinking]:
        events: list[Content | Thinking] = []
        if thinking := tagged_thinking + thinking:
            self._thinking.write(thinking)
            events.append(Thinking(thinking))
        is_unanswered = self.first_token_at is None and self.request.raw is None
        if content and is_unanswered and not content.strip():
            # blank so far: it belongs to the answer only if something follows
            self._leading_blanks += content
        elif content:
            content, self._leading_blanks = self._leading_blanks + content, ""
            self.first_token_at = self.first_token_at or time.perf_counter()
            self._text.write(content)
            if self._held is None:
                self._held = not content.lstrip().startswith(("{", "["))
            if not self._held:
                events.append(Content(content))
        if events and self._pending_logprobs:
            events[-1] = self._with_logprobs(events[-1])
        return events

    def _replace_text(self, text: str) -> None:
        self._text = StringIO()
        self._text.write(text)

    def _with_logprobs(self, event: Content | Thinking) -> Content | Thinking:
        """The event with the logprobs of its tokens, and of tokens that gave no visible text."""
        logprobs, self._pending_logprobs = tuple(self._pending_logprobs), []
        return event._replace(logprobs=logprobs)

    # ------------------------------------------------------------ what came of it

    @property
    def text(self) -> str:
        """The answer so far, shown or held."""
        return self._text.getvalue() + (self._gate.pending if self._gate else "")

    @property
    def shown_text(self) -> str:
        """The answer as far as its events were yielded."""
        return "" if self._held else self._text.getvalue()

    @property
    def thinking(self) -> str:
        """What the model thought so far."""
        return self._thinking.getvalue()

    @property
    def _finished(self) -> FinishedAnswer:
        has_calls = bool(self.tool_calls)
        return FinishedAnswer(
            self.request,
            self.completion,
            self.text,
            self.thinking,
            has_calls,
            self._limit,
            self._may_be_empty,
        )

    @property
    def reached_token_limit(self) -> bool:
        """Whether the answer ended at a limit, whoever set it."""
        return self._finished.reached_token_limit

    @property
    def cut(self) -> bool:
        """Whether the answer ended at a limit that the caller did not set."""
        return self._finished.cut

    @property
    def num_ctx(self) -> int | None:
        """Tokens of context that the model was called with; None where only the server knows."""
        num_ctx = self.request.num_ctx or self.state.default_ctx
        return num_ctx if num_ctx < UNKNOWN_CTX else None

    @property
    def context_exceeded_message(self) -> str:
        """How prompt and answer exceeded the context; empty where they did not."""
        return exceeded_context(self.request, self.completion)

    def raise_if_context_exceeded(self) -> None:
        """Raises ProviderError (`context_overflow`): for an answer that nobody has seen yet."""
        if message := self.context_exceeded_message:
            counted = self.completion.prompt_tokens if self.completion else None
            raise ProviderError("context_overflow", message, prompt_tokens=counted)

    def sent_prompt(self, *, is_changed: bool) -> SentPrompt | None:
        """What the server read and answered, also where that was broken off; None where no answer
        began. `is_changed`: whether it got another last message than the conversation has."""
        completion = self.completion or Completion()
        if self.completion is None and not (self.text or self.thinking or self.tool_calls):
            return None
        from orch.routing.prompt_cache.sent_prompt import SentPrompt  # for servers alone

        return SentPrompt(
            completion,
            completion.load_s or self._loading_s or 0.0,
            self.text,
            len(self.tool_calls),
            is_changed=is_changed,
            has_thought=self._thinking.tell() > 0,
        )

    def as_attempt(
        self,
        outcome: str,
        *,
        code: str = "",
        message: str = "",
        offset: int = 0,
        prompt_tokens: int | None = None,
    ) -> Attempt:
        """The record of this call. Seconds are the provider's own where it reports them, else
        measured from the start of the call. `prompt_tokens` is a refusal's count."""
        self.reported = True
        completion, now = self.completion or Completion(), time.perf_counter()
        started_at = now if self._started_at is None else self._started_at
        first_at, decode_s = self.first_token_at, completion.decode_s
        if decode_s is None and first_at:
            decode_s = now - first_at
        return Attempt(
            model=self.candidate.model_id,
            provider=self.candidate.provider,
            outcome=outcome,
            code=code,
            message=message,
            offset=offset,
            total_s=now - started_at,
            ttft_s=first_at - started_at if first_at else None,
            load_s=completion.load_s or self._loading_s,
            prompt_tokens=completion.prompt_tokens or prompt_tokens or 0,
            completion_tokens=completion.completion_tokens or 0,
            prefill_s=completion.prefill_s,
            decode_s=decode_s,
            estimated_tokens=self._estimate,
            cached_tokens=completion.cached_tokens,
            draft_tokens=completion.draft_tokens,
            draft_accepted=completion.draft_accepted,
            repairs=self.repairs,
        )


def _joiner_of(request: ChatRequest) -> ContinuationJoiner | None:
    if not request.continues:
        return None
    from orch.text.continuation import ContinuationJoiner  # 0.4 ms, for few requests

    return ContinuationJoiner(request.continues, prefilled=is_prefilled(request))
