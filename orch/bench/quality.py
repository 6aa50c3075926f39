"""Asks models the tasks of a suite, grades what they say, and keeps answers and grades in the
journal."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from orch.bench.graders import Execute, grade
from orch.bench.suite import Task
from orch.errors import BackendError
from orch.execution.attempt import Asking
from orch.execution.request import chat_request
from orch.providers import Backend
from orch.routing.model_state import ModelState
from orch.storage.grades import Graded
from orch.text import prompt as tasks
from orch.types import Candidate, ModelKey

PORTION = 8
"""Tasks that a model is asked before the next one's turn: one of each type, so that a bench that is
cut short is balanced, and loads are few."""
PATIENCE = 3
"""Failures in a row after which a model is asked no more."""
OPTIONS = {"temperature": 0, "seed": 7}

Done = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Job:
    """One task for one model."""

    task: Task
    state: ModelState

    @property
    def done(self) -> Done:
        """What tells its answer in the journal: the task, its text, and the model as it is
        installed now."""
        return (
            self.task.id,
            task_hash(self.task),
            self.state.spec.provider,
            self.state.spec.id,
            self.state.digest,
        )


def task_hash(task: Task) -> str:
    """Of all that a model is told; a grader may change without asking again."""
    return hashlib.sha256(f"{task.system}\0{task.prompt}\0{task.max_tokens}".encode()).hexdigest()[
        :16
    ]


def key_of(graded: Graded) -> Done:
    """The `Job.done` that a kept answer is of."""
    return graded.task_id, graded.task_hash, graded.provider, graded.model, graded.digest


def jobs(
    suite: Sequence[Task], states: Sequence[ModelState], done: frozenset[Done] = frozenset()
) -> list[Job]:
    """What is still to be asked: portions of one task of each type, and for each portion model by
    model."""
    by_type: dict[str, list[Task]] = {}
    for task in suite:
        by_type.setdefault(task.type, []).append(task)
    ordered = [
        task for round_ in zip_longest(*by_type.values()) for task in round_ if task is not None
    ]
    portions = [ordered[at : at + PORTION] for at in range(0, len(ordered), PORTION)]
    wanted = [Job(task, state) for portion in portions for state in states for task in portion]
    return [job for job in wanted if job.done not in done]


async def answers(
    todo: Sequence[Job], backend_of: Callable[[str], Backend], execute: Execute | None
) -> AsyncGenerator[Graded]:
    """Each job's graded answer. A model that fails three times in a row is asked no more; each
    failure is a row of its own."""
    failed: dict[ModelKey, int] = {}
    for job in todo:
        if failed.get(job.state.key, 0) >= PATIENCE:
            continue
        graded = await _answer(job, backend_of(job.state.spec.provider), execute)
        failed[job.state.key] = failed.get(job.state.key, 0) + 1 if graded.error else 0
        yield graded


async def _answer(job: Job, backend: Backend, execute: Execute | None) -> Graded:
    asked = tasks.Task(
        text=job.task.prompt,
        system_prompt=job.task.system,
        options={**OPTIONS, "max_tokens": job.task.max_tokens},
    )
    messages = tasks.messages_of(asked)
    need = tasks.need_of(asked, messages)
    spec = job.state.spec
    asking = Asking(
        Candidate(spec.id, spec.label, spec.provider),
        job.state,
        backend,
        chat_request(asked, messages, need, job.state),
        need.prompt_tokens,
    )
    row = _row(job)
    try:
        async for _ in asking.chunks():
            pass
    except BackendError as failure:
        if failure.code != "empty":  # an empty answer is an answer, worth nothing
            return replace(row, error=failure.message)
    attempt = asking.attempt("ok")
    seconds = attempt.total_s - (attempt.load_s or 0.0)
    return graded_again(
        replace(row, answer=asking.partial, seconds=round(max(seconds, 0.0), 4)), job.task, execute
    )


def _row(job: Job) -> Graded:
    task, spec = job.task, job.state.spec
    return Graded(
        time.time(),
        task.id,
        task_hash(task),
        str(task.type),
        task.lang,
        task.prompt,
        spec.id,
        spec.provider,
        job.state.digest,
    )


def graded_again(row: Graded, task: Task, execute: Execute | None) -> Graded:
    """The row with the grade that its kept answer gets now."""
    found = grade(task, row.answer or "", execute)
    return replace(row, score=found.score, how=found.how, why=found.why)
