"""Tells a client which model answers: a line in the reasoning channel, and Open WebUI's status."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from orch.execution.events import Content, Done, Metadata, RunEvent, Thinking, ToolCall
from orch.text.prompt import Task
from orch.types import Decision, Message, TaskType

_LINE = re.compile(
    r"^\[orch\] [^\n]{1,300} · (?:" + "|".join(TaskType) + r")(?:\n+|\Z)", re.MULTILINE
)
"""The line of `_line`, with the blank line behind it where the client kept that."""
_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")
"""Where clients send reasoning back."""
_NO_THINKING = (False, "none")
"""Values of `think` and `reasoning_effort` by which a client asks for an answer alone."""


def is_told(task: Task) -> bool:
    """Whether a client learns which model answers: only where orch chose it, and not in the middle
    of a text, such as code, that the model continues."""
    return task.model is None and task.raw is None and not task.chore


def status_field(decision: Decision | None) -> dict[str, Any]:
    """The field of a chunk that Open WebUI shows as a line above the answer (`event_emitter` in
    its utils/middleware.py, 0.12.4); every other client that was tried ignores it."""
    if decision is None:
        return {}
    data = {"description": _description(decision), "done": True}
    return {"event": {"type": "status", "data": data}}


def announced(
    events: AsyncGenerator[RunEvent],
    task: Task,
    on_call: Callable[[ToolCall], object] = lambda call: None,
) -> AsyncGenerator[RunEvent]:
    """The events with a line of reasoning that names the model: before the first visible event, and
    after a fallback until text was shown. The client of `task` may want neither. `on_call` is told
    of a call before its line is shown, since headers tell of it."""
    wants_none = any(
        fields.get(name) in _NO_THINKING
        for fields in (task.options, task.extra)
        for name in ("think", "reasoning_effort")
    )
    return events if wants_none or not is_told(task) else _with_lines(events, on_call)


async def _with_lines(
    events: AsyncGenerator[RunEvent], on_call: Callable[[ToolCall], object]
) -> AsyncGenerator[RunEvent]:
    line, lines, has_text = "", "", False
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Metadata):
                # in the middle of a text, reasoning would cut it in two
                line = "" if has_text else _line(event.decision)
            elif isinstance(event, Content | Thinking | ToolCall | Done):
                if line:
                    if isinstance(event, ToolCall):
                        on_call(event)
                    yield Thinking(line)
                    line, lines = "", line
                has_text = has_text or not isinstance(event, Thinking)
            yield _with_line(event, lines) if isinstance(event, Done) else event


def _with_line(done: Done, line: str) -> Done:
    response = done.result.response
    response = replace(response, thinking=line + (response.thinking or ""))
    return Done(replace(done.result, response=response))


def _line(decision: Decision) -> str:
    return f"[orch] {_description(decision)}\n\n"


def _description(decision: Decision) -> str:
    return f"{' '.join(decision.model_name.split())[:200]} · {decision.task_type}"


def without_announcements(messages: Sequence[Message]) -> list[Message]:
    """The messages without the lines that a client sends back as the model's reasoning: the model
    sees its own thoughts, and the server's prefix cache holds."""
    return [
        _without_line(message) if message.get("role") == "assistant" else message
        for message in messages
    ]


def _without_line(message: Message) -> Message:
    changed = {
        name: _LINE.sub("", text)
        for name in _REASONING_FIELDS
        if isinstance(text := message.get(name), str) and "[orch] " in text
    }
    if not changed:
        return message
    kept = {**message, **changed}
    return {name: value for name, value in kept.items() if value or name not in changed}
