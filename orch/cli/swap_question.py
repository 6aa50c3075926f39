"""`swap: ask`: on a terminal, whether a loaded model is left for a better one that is not."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orch.orchestrator import Orchestrator
    from orch.text.prompt import Task
    from orch.types import Candidate

YES_ANSWERS = ("y", "yes", "s", "si", "sí")


def can_prompt() -> bool:
    """Whether somebody sees a question and can answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm_swap(orchestrator: Orchestrator, task: Task) -> Task:
    """The task; only for loaded models where `swap` is `ask`, a loaded model would be unloaded for
    it, and the answer is to keep that.

    Raises OrchError when no model can take the task.
    """
    from orch.routing.selection import find_swap

    if (
        orchestrator.runtime.config.routing.swap != "ask"
        or task.model
        or task.loaded
        or not can_prompt()
    ):
        return task
    decision = asyncio.run(orchestrator.decide_task(task, close=True))
    pair = find_swap(decision.candidates)
    return replace(task, loaded=True) if pair and not _swaps(*pair) else task


def _swaps(loaded: Candidate, chosen: Candidate) -> bool:
    """Asks; Enter, or the end of the input, keeps what is loaded. Raises KeyboardInterrupt."""
    from orch.cli import render

    render.print_stderr(
        f"load {_told(chosen)} instead of {_told(loaded)}, which is loaded? [y/N] ", end=""
    )
    return sys.stdin.readline().strip().lower() in YES_ANSWERS


def _told(candidate: Candidate) -> str:
    return f"{candidate.model_name} (quality {candidate.quality:.2f}, {candidate.expected_s:.1f} s)"
