"""What a grader is given and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orch.bench.sandbox import SandboxResult

ExecuteCode = Callable[[str, str], SandboxResult]
"""Runs code and its tests: `sandbox.run`."""
PASS_SCORE = 0.99


@dataclass(frozen=True, slots=True)
class Grade:
    """A score from 0 to 1, the reason, and the method: graded, executed, or static.

    Static code was only parsed: a score of 1 does not mean that it works.
    """

    score: float
    why: str
    how: str = "graded"

    @property
    def passed(self) -> bool:
        """Whether every condition is met."""
        return self.score >= PASS_SCORE


@dataclass(frozen=True, slots=True)
class Submission:
    """The visible answer, its language, and the function that runs its code, if any."""

    text: str
    lang: str
    execute: ExecuteCode | None = None
