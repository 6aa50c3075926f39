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

YES = ("y", "yes", "s", "si", "sí")


def can_be_asked() -> bool:
    """Whether somebody sees a question and can answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def asked_first(orchestrator: Orchestrator, task: Task) -> Task:
    """The task; only for loaded models where `swap` is `ask`, a loaded model would be unloaded for
    it, and the answer is to keep that.

    Raises OrchError when no model can take the task.
    """
    from orch.routing.selection import swap_of

    if (
        orchestrator.runtime.config.routing.swap != "ask"
        or task.model
        or task.loaded
        or not can_be_asked()
    ):
        return task
    decision = asyncio.run(orchestrator.decide_task(task, close=True))
    pair = swap_of(decision.candidates)
    return replace(task, loaded=True) if pair and not _swaps(*pair) else task


def _swaps(loaded: Candidate, chosen: Candidate) -> bool:
    """Asks; Enter, or the end of the input, keeps what is loaded. Raises KeyboardInterrupt."""
    from orch.cli import render

    render.say(f"load {_told(chosen)} instead of {_told(loaded)}, which is loaded? [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in YES


def _told(candidate: Candidate) -> str:
    return f"{candidate.model_name} (quality {candidate.quality:.2f}, {candidate.expected_s:.1f} s)"
