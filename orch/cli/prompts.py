"""Yes-or-no questions on the terminal, such as that of `swap: ask`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orch.orchestrator import Orchestrator
    from orch.text.prompt import Task
    from orch.types import Candidate

YES_ANSWERS = ("y", "yes", "s", "si", "sí")


def can_prompt() -> bool:
    """Whether a question can be seen and answered: stdin and stderr are terminals."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str) -> bool:
    """Asks on stderr. Enter and the end of stdin mean no. Raises KeyboardInterrupt."""
    from orch.cli import render

    render.print_stderr(f"{question} [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in YES_ANSWERS


def confirm_swap(orchestrator: Orchestrator, task: Task) -> Task:
    """The task, restricted to loaded models where the answer is to keep the loaded one.

    Asks only where routing.yaml says `swap: ask` and the chosen model would unload a loaded one.
    Raises OrchError when no model can take the task.
    """
    import asyncio  # `orch run` with a running server does without

    from orch.routing.selection import find_swap

    asks = orchestrator.runtime.config.routing.swap == "ask"
    if not asks or task.model or task.loaded or not can_prompt():
        return task
    decision = asyncio.run(orchestrator.decide_task(task, close=True))
    pair = find_swap(decision.candidates)
    return replace(task, loaded=True) if pair and not _confirm_load(*pair) else task


def _confirm_load(loaded: Candidate, chosen: Candidate) -> bool:
    return confirm(f"load {_summary(chosen)} instead of {_summary(loaded)}, which is loaded?")


def _summary(candidate: Candidate) -> str:
    return f"{candidate.model_name} (quality {candidate.quality:.2f}, {candidate.expected_s:.1f} s)"
