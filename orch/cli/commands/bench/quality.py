"""`orch bench --quality`: asks and grades, grades again, and reports; `bench` hands over to it."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from orch.bench import quality_curve
from orch.bench.quality import (
    GradingJob,
    grade_answers,
    grading_key_of,
    pending_jobs,
    regrade,
    task_hash,
)
from orch.bench.report import MeanScore, Report, conclusion, make_report
from orch.bench.router_choices import RouterOnSuite
from orch.bench.speed_plan import choose_models
from orch.bench.suite import Suite, load_suite
from orch.cli import context
from orch.errors import OrchError, UsageError
from orch.routing.lookup import resolve_model
from orch.routing.registry import Inventory
from orch.types import ModelKey

if TYPE_CHECKING:
    from orch.bench.graders import ExecuteCode
    from orch.orchestrator import Orchestrator
    from orch.storage.feedback import GradedAnswer


@dataclass(frozen=True, slots=True)
class QualityBenchOptions:
    """What the command line asks for. `budget_s` in seconds."""

    models: tuple[str, ...] = ()
    suite: str = ""
    allow_exec: bool = False
    regrade: bool = False
    report: bool = False
    budget_s: float | None = None
    fresh: bool = False
    new: bool = False
    as_json: bool = False
    as_md: bool = False
    svg: str = ""


def run_quality_bench(ctx: typer.Context, wishes: QualityBenchOptions) -> None:
    """Asks what was not asked yet (unless only a report or new grades are wanted), then reports."""
    from orch.cli import render

    orchestrator = context.open_orchestrator(ctx)
    journal = orchestrator.runtime.journal
    if journal.mode != "full":
        raise OrchError(
            "grading needs the answers' texts, and the journal keeps none (journal.mode is"
            f" {journal.mode})",
            code="not_kept",
        )
    suite, execute = (
        load_suite(Path(wishes.suite) if wishes.suite else None),
        _execute(wishes.allow_exec),
    )
    try:
        asyncio.run(_quality(orchestrator, suite, execute, wishes))
    except KeyboardInterrupt:
        render.print_stderr("interrupted: what was graded is kept; the same command goes on")
        raise


def _execute(allowed: bool) -> ExecuteCode | None:
    """What runs code. Raises OrchError where it can't be kept from the network: nothing weaker is
    run."""
    if not allowed:
        return None
    from orch.bench import sandbox

    why = sandbox.unavailable_reason()
    if why:
        raise OrchError(
            f"code can't be run safely here: {why}",
            "leave --allow-exec out: code is then graded by its form alone",
            code="usage",
        )
    return sandbox.run_tests


async def _quality(
    orchestrator: Orchestrator,
    suite: Suite,
    execute: ExecuteCode | None,
    wishes: QualityBenchOptions,
) -> None:
    async with orchestrator:
        orchestrator.runtime.journal.open()
        survey = await orchestrator.runtime.registry.snapshot(with_unlisted=True)
        if wishes.regrade:
            _regrade(orchestrator, suite, execute)
        elif not wishes.report:
            await _ask(orchestrator, suite, execute, wishes, survey)
        orchestrator.runtime.estimator.fit(survey.states)
        _show(orchestrator, suite, survey, wishes)


# ---------------------------------------------------------------- asking


async def _ask(
    orchestrator: Orchestrator,
    suite: Suite,
    execute: ExecuteCode | None,
    wishes: QualityBenchOptions,
    survey: Inventory,
) -> None:
    """Asks each model what it was not asked yet; Ctrl-C and the budget leave what is kept."""
    from orch.cli import render

    runtime = orchestrator.runtime
    judgements = runtime.journal.feedback
    states, left_out = choose_models(
        survey, [resolve_model(survey, name) for name in wishes.models]
    )
    for name, why in left_out:
        render.print_warning(f"{name}: {why}; it is left out unless it is named")
    before = [row for row in judgements.graded_answers() if not row.error]
    if wishes.new:
        asked = {ModelKey(row.provider, row.model) for row in before}
        states = [state for state in states if state.key not in asked]
    todo = pending_jobs(
        suite.tasks, states, frozenset() if wishes.fresh else frozenset(map(grading_key_of, before))
    )
    begun, count = time.monotonic(), 0
    with render.ProgressBar("bench") as progress:
        async with aclosing(
            grade_answers(todo, lambda name: runtime.providers[name], execute)
        ) as graded:
            async for row in graded:
                judgements.add_grades([row])
                count += 1
                progress.count(count, len(todo))
                if row.error:
                    render.print_warning(f"{row.model}: {row.error}")
                if wishes.budget_s is not None and time.monotonic() - begun >= wishes.budget_s:
                    render.print_stderr(
                        f"the time is used up: {len(todo) - count:,} answers are left; the same"
                        " command goes on"
                    )
                    break
    _any_left(todo, judgements.graded_answers())


def _any_left(todo: list[GradingJob], graded: list[GradedAnswer]) -> None:
    """Raises OrchError where not a single answer came."""
    wanted = {job.grading_key for job in todo}
    rows = [row for row in graded if grading_key_of(row) in wanted]
    if rows and all(row.error for row in rows):
        raise OrchError(
            f"no model answered: {rows[-1].error}",
            "orch health shows what is wrong",
            code="all_failed",
        )


def _regrade(orchestrator: Orchestrator, suite: Suite, execute: ExecuteCode | None) -> None:
    """Grades kept answers again, where the task is still what was asked."""
    from orch.cli import render

    judgements, tasks = (
        orchestrator.runtime.journal.feedback,
        {task.id: task for task in suite.tasks},
    )
    kept = [
        row
        for row in judgements.graded_answers()
        if row.answer is not None
        and row.task_id in tasks
        and task_hash(tasks[row.task_id]) == row.task_hash
    ]
    if not kept:
        raise UsageError("no kept answer is of this suite", "orch bench --quality asks every model")
    again = [regrade(row, tasks[row.task_id], execute) for row in kept]
    judgements.add_grades(again)
    render.print_stderr(
        f"graded {len(again):,} kept answers again;"
        f" {sum(a.score != b.score for a, b in zip(kept, again, strict=True)):,} have another score"
    )


# ---------------------------------------------------------------- showing


def _show(
    orchestrator: Orchestrator, suite: Suite, survey: Inventory, wishes: QualityBenchOptions
) -> None:
    from orch.cli import render

    runtime, tasks = orchestrator.runtime, {task.id: task for task in suite.tasks}
    rows = [
        row
        for row in runtime.journal.feedback.graded_answers()
        if row.task_id in tasks and task_hash(tasks[row.task_id]) == row.task_hash
    ]
    graded = {ModelKey(row.provider, row.model) for row in rows}
    states = [
        state for state in survey.states if state.key in graded and not state.is_remote_denied
    ]
    choose = (
        RouterOnSuite(
            tasks,
            states,
            runtime.config.routing,
            lru_cache(maxsize=4096)(runtime.classifier.classify),
        )
        if states
        else None
    )
    there = {state.key for state in states}
    found = make_report([row for row in rows if ModelKey(row.provider, row.model) in there], choose)
    if wishes.svg:
        quality_curve.write_curve(Path(wishes.svg), found)
    if wishes.as_json:
        render.print_json(
            {
                "v": 1,
                "suite": suite.name,
                **report_json(found),
                "static": sum(row.how == "static" for row in rows),
            }
        )
        return
    _tables(found, rows, as_md=wishes.as_md)


def _tables(found: Report, rows: list[GradedAnswer], *, as_md: bool) -> None:
    from orch.cli import render

    table = render.print_markdown_table if as_md else render.print_table
    kinds = sorted({kind for cells in found.by_model.values() for kind in cells} - {"all"})
    table(
        ("model", *kinds, "all"),
        [
            (model, *(_cell(cells.get(kind)) for kind in (*kinds, "all")))
            for (_, model), cells in found.by_model.items()
        ],
    )
    if found.strategies:
        render.print_stdout("")
        table(
            (f"of {found.tasks} tasks that every model answered", "quality", "seconds"),
            [
                (line.name, f"{line.quality:.3f}", f"{line.seconds:.2f} s")
                for line in found.strategies
            ],
        )
        render.print_stdout("")
        table(
            ("dial", "quality", "seconds"),
            [
                (
                    f"{dial}{' (speed)' if dial == 0 else ' (quality)' if dial == 10 else ''}",
                    f"{at.quality:.3f}",
                    f"{at.seconds:.2f} s",
                )
                for dial, at in found.curve
            ],
        )
    static = sum(row.how == "static" for row in rows)
    render.print_stdout(f"\n{conclusion(found)}")
    if static:
        render.print_stdout(
            f"{static:,} answers with code were graded by their form alone; --allow-exec --regrade"
            " runs them in a sandbox"
        )


def _cell(cell: MeanScore | None) -> str:
    return f"{cell.mean:.2f} [{cell.low:.2f}, {cell.high:.2f}] n={cell.n}" if cell else "-"


def report_json(found: Report) -> dict[str, Any]:
    """A report as plain values."""
    return {
        "models": [
            {
                "provider": provider,
                "model": model,
                "by_type": {kind: asdict(cell) for kind, cell in cells.items()},
            }
            for (provider, model), cells in found.by_model.items()
        ],
        "tasks": found.tasks,
        "lines": [asdict(line) for line in found.strategies],
        "gain": asdict(found.gain) if found.gain else None,
        "curve": [
            {"dial": dial, "quality": line.quality, "seconds": line.seconds}
            for dial, line in found.curve
        ],
        "best": found.best[1] if found.best else None,
        "sentence": conclusion(found),
    }
