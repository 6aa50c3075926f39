"""Runs the tasks of a suite on models and grades the answers."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from orch.bench.graders.grade import ExecuteCode
from orch.bench.grading import grade
from orch.bench.suite import SuiteTask
from orch.errors import ProviderError
from orch.execution.attempt import ModelCall
from orch.execution.request import Prompt, build_chat_request
from orch.providers import ProviderClient
from orch.routing.model_state import ModelState
from orch.storage.feedback import GradedAnswer
from orch.text import prompt as tasks
from orch.types import Candidate, ModelKey

BATCH_SIZE = 8
"""Tasks per model before the next model: one of each type, so that a bench that is cut short is
balanced and loads are few."""
MAX_FAILURES_IN_A_ROW = 3
"""Consecutive failures after which a model is skipped."""
OPTIONS = {"temperature": 0, "seed": 7}

GradingKey = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class GradingJob:
    """One task for one model."""

    task: SuiteTask
    state: ModelState

    @property
    def grading_key(self) -> GradingKey:
        """Identifies the answer in the journal: the task, its text, and the installed version of
        the model."""
        return (
            self.task.id,
            task_hash(self.task),
            self.state.spec.provider,
            self.state.spec.id,
            self.state.digest,
        )


def task_hash(task: SuiteTask) -> str:
    """A hash of what the model is sent; a grader may change without a new answer."""
    return hashlib.sha256(f"{task.system}\0{task.prompt}\0{task.max_tokens}".encode()).hexdigest()[
        :16
    ]


def grading_key_of(graded: GradedAnswer) -> GradingKey:
    """The `GradingJob.grading_key` of a stored answer."""
    return graded.task_id, graded.task_hash, graded.provider, graded.model, graded.digest


def pending_jobs(
    suite: Sequence[SuiteTask],
    states: Sequence[ModelState],
    done: frozenset[GradingKey] = frozenset(),
) -> list[GradingJob]:
    """The jobs without an answer: batches of one task per type, each for every model in turn."""
    by_type: dict[str, list[SuiteTask]] = {}
    for task in suite:
        by_type.setdefault(task.type, []).append(task)
    ordered = [
        task for round_ in zip_longest(*by_type.values()) for task in round_ if task is not None
    ]
    portions = [ordered[at : at + BATCH_SIZE] for at in range(0, len(ordered), BATCH_SIZE)]
    wanted = [
        GradingJob(task, state) for portion in portions for state in states for task in portion
    ]
    return [job for job in wanted if job.grading_key not in done]


async def grade_answers(
    todo: Sequence[GradingJob],
    backend_of: Callable[[str], ProviderClient],
    execute: ExecuteCode | None,
    servers: Mapping[str, str] = {},
) -> AsyncGenerator[GradedAnswer]:
    """Runs and grades each job. A model is skipped after three consecutive failures; each failure
    is a row of its own. `servers`: the name and version of each provider's server."""
    failed: dict[ModelKey, int] = {}
    for job in todo:
        if failed.get(job.state.key, 0) >= MAX_FAILURES_IN_A_ROW:
            continue
        provider = job.state.spec.provider
        graded = await _answer(job, backend_of(provider), execute)
        graded = graded._replace(server=servers.get(provider, ""))
        failed[job.state.key] = failed.get(job.state.key, 0) + 1 if graded.error else 0
        yield graded


async def _answer(
    job: GradingJob, backend: ProviderClient, execute: ExecuteCode | None
) -> GradedAnswer:
    asked = tasks.Task(
        text=job.task.prompt,
        system_prompt=job.task.system,
        options={**OPTIONS, "max_tokens": job.task.max_tokens},
    )
    messages = tasks.build_messages(asked)
    need = tasks.estimate_need(asked, messages)
    spec = job.state.spec
    asking = ModelCall(
        Candidate(spec.id, spec.label, spec.provider),
        job.state,
        backend,
        build_chat_request(asked, Prompt(messages), need, job.state),
        need.prompt_tokens,
        held=True,
    )
    row = _row(job)
    try:
        async for _ in asking.events():
            pass
    except ProviderError as failure:
        if failure.code != "empty":  # an empty answer is an answer, with score 0
            return row._replace(error=failure.message)
    attempt = asking.as_attempt("ok")
    seconds = attempt.total_s - (attempt.load_s or 0.0)
    return regrade(
        row._replace(answer=asking.text, seconds=round(max(seconds, 0.0), 4)), job.task, execute
    )


def _row(job: GradingJob) -> GradedAnswer:
    task, spec = job.task, job.state.spec
    return GradedAnswer(
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


def regrade(row: GradedAnswer, task: SuiteTask, execute: ExecuteCode | None) -> GradedAnswer:
    """The row with a new grade for its stored answer."""
    new = grade(task, row.answer or "", execute)
    return row._replace(score=new.score, how=new.how, why=new.why)
