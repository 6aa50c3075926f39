"""Graded answers and the user's ratings, as the journal keeps them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GradedAnswer:
    """One graded answer. `score` is 0 to 1, None where the model failed (`error` says why); `how`
    is graded, static or executed."""

    at: float
    task_id: str
    task_hash: str
    task_type: str
    lang: str
    prompt: str
    model: str
    provider: str
    digest: str
    answer: str | None = None
    score: float | None = None
    how: str | None = None
    why: str | None = None
    seconds: float | None = None
    error: str | None = None


def is_evidence(row: GradedAnswer) -> bool:
    """Whether a grade says something of a model's worth: code that was only looked at does not."""
    return row.score is not None and row.how != "static"


@dataclass(frozen=True, slots=True)
class Rating:
    """The user's word on one model's answer to a task. `kind` is word, better or rerun."""

    id: int
    task: str
    task_type: str | None
    model: str
    provider: str
    score: float
    kind: str
