"""Builds a run's row of the journal (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orch.errors import OrchError
from orch.execution.results import RunState
from orch.execution.serialize import decision_to_dict, stored_response
from orch.storage.journal import RunRecord
from orch.text.prompt import Task, build_messages, text_size, text_to_classify
from orch.text.slices import is_image_data_url
from orch.types import Message, RunResult

MAX_UNANSWERED_CHARS = 100_000
"""What is kept of a task without an answer: 31 MB that fit no model would take seconds to search
for secrets, and are of no use."""


OUTPUT_TOOL = "final_result"
"""How the tools of pydantic-ai begin whose call is an agent's result (DEFAULT_OUTPUT_TOOL_NAME in
_output.py): it requires a call at each step."""


def is_remembered(task: Task, result: RunResult | None, wanted: bool) -> bool:
    """Whether a run is found by memory if it was answered; `wanted`: where the task does not say.
    Of a cached answer the run that gave it is, and of an agent's turn its end, not the steps that
    call tools."""
    if result and (result.source == "cache" or is_step(task, result.response.tool_calls)):
        return False
    return wanted if task.store_memory is None else task.store_memory


def is_step(task: Task, calls: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an answer is a step of an agent's turn: its client runs these calls and asks again.
    A call that the client forced (`tool_choice`) is the form of its answer, unless it may be that
    of any tool."""
    choice = {**task.options, **task.extra}.get("tool_choice") if calls else None
    if choice in (None, "auto", "none"):
        return bool(calls and task.tools)
    from orch.execution.tool_calls.names import tool_function  # few requests force a call
    from orch.execution.tool_calls.settle import offer_of

    offer = offer_of(task.tools, choice)
    is_any = offer.choice == "required" and len(offer.tools) > 1
    called = (str(tool_function(each).get("name")) for each in calls)
    return offer.choice in ("auto", "none") or (
        is_any and not any(name.startswith(OUTPUT_TOOL) for name in called)
    )


def build_record(
    state: RunState,
    status: str,
    remember: bool,
    *,
    result: RunResult | None = None,
    error: OrchError | None = None,
) -> RunRecord:
    """The journal's row: of the `result` if there is one, else of what came before the `error`."""
    timing, last = state.timing, state.attempts[-1] if state.attempts else None
    answer = result.response.content if result else error.partial if error else ""
    stored = stored_response(state.task.stored_response, result)
    task, text, messages = _recorded_task(state, has_answer=bool(answer) or stored is not None)
    decision = result.decision if result else state.plan.decision if state.plan else None
    typed = None if task.chore else decision  # the type of a chore says nothing of what people ask
    key = last.key if last else decision.key if result and decision else None
    return RunRecord(
        run_id=state.run_id,
        at=state.started_at,
        face=state.face,
        status=status,
        task=text,
        system=task.system_prompt,
        messages=messages,
        answer=answer,
        task_type=str(typed.task_type) if typed else None,
        confidence=typed.confidence if typed else None,
        decision=decision_to_dict(decision) if decision else None,
        attempts=state.attempts,
        model=key.model if key else None,
        provider=key.provider if key else None,
        session=task.session,
        alternative_to=task.alternative_to,
        client=task.client,
        response=stored,
        chore=task.chore or None,
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


def _recorded_task(state: RunState, *, has_answer: bool) -> tuple[Task, str, list[Message]]:
    """The task, its text and its messages as recorded: without images and earlier turns; a long
    task without an answer is shortened. A cached answer has messages if it may be continued."""
    task, prepared = state.task, state.prepared
    if not has_answer and text_size(task) > MAX_UNANSWERED_CHARS:
        task, prepared = _shortened(task), None
    text = prepared.text if prepared else text_to_classify(task)
    if not state.plan and task.stored_response is None:
        return task, text, []
    messages = prepared.own_messages if prepared else build_messages(task)
    return task, text, _without_images(messages)


def _shortened(task: Task) -> Task:
    """The beginning of a long task; it says how long the whole is."""
    text, size = text_to_classify(task), text_size(task)
    return Task(
        text=f"{text[:MAX_UNANSWERED_CHARS]}\n[… of {size:,} characters]",
        system_prompt=(task.system_prompt or "")[:MAX_UNANSWERED_CHARS] or None,
        session=task.session,
        alternative_to=task.alternative_to,
        client=task.client,
        chore=task.chore,
    )


def _without_images(messages: list[Message]) -> list[Message]:
    """The messages with a placeholder for each image: nobody reads megabytes of base64 again."""
    return [_without_image_data(message) for message in messages]


def _without_image_data(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_image_field(key, entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_image_data(entry) for entry in value]
    if isinstance(value, str) and is_image_data_url(value):
        return _image_placeholder(value)
    return value


def _without_image_field(key: str, entry: Any) -> Any:
    if key == "images" and isinstance(entry, list):
        return [_image_placeholder(image) for image in entry]
    return _without_image_data(entry)


def _image_placeholder(data: Any) -> str:
    return f"[an image, {len(str(data)):,} characters of base64]"
