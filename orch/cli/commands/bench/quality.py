"""`orch bench --quality`: runs the suite on models, grades the answers, and prints the report."""

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
from orch.bench.server_versions import server_versions, version_notes
from orch.bench.speed_plan import choose_models
from orch.bench.suite import Suite, load_suite
from orch.cli import context
from orch.errors import OrchError, UsageError
from orch.routing.lookup import resolve_model
from orch.routing.registry import Inventory
from orch.types import ModelKey

if TYPE_CHECKING:
    from orch.bench.graders.grade import ExecuteCode
    from orch.orchestrator import Orchestrator
    from orch.storage.feedback import GradedAnswer


@dataclass(frozen=True, slots=True)
class QualityBenchOptions:
    """The options of a quality bench. `budget_s` in seconds."""

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


def run_quality_bench(ctx: typer.Context, options: QualityBenchOptions) -> None:
    """Runs the pending tasks (not with --report or --regrade), then prints the report."""
    from orch.cli import render

    orchestrator = context.open_orchestrator(ctx)
    journal = orchestrator.runtime.journal
    if journal.mode != "full":
        raise OrchError(
            f"grading needs the answers' texts, which the journal does not keep (journal.mode is"
            f" {journal.mode})",
            code="not_kept",
        )
    suite, execute = (
        load_suite(Path(options.suite) if options.suite else None),
        _execute(options.allow_exec),
    )
    try:
        asyncio.run(_quality(orchestrator, suite, execute, options))
    except KeyboardInterrupt:
        render.print_stderr("interrupted: the grades so far are kept; the same command resumes")
        raise


def _execute(allowed: bool) -> ExecuteCode | None:
    """The function that runs code. Raises OrchError where the sandbox is unavailable: code is never
    run without it."""
    if not allowed:
        return None
    from orch.bench import sandbox

    why = sandbox.available()
    if why:
        raise OrchError(
            f"code can't be run safely here: {why}",
            "leave --allow-exec out: code is then graded by its form only",
            code="usage",
        )
    return sandbox.run


async def _quality(
    orchestrator: Orchestrator,
    suite: Suite,
    execute: ExecuteCode | None,
    options: QualityBenchOptions,
) -> None:
    async with orchestrator:
        orchestrator.runtime.journal.open()
        inventory = await orchestrator.runtime.registry.snapshot(with_unlisted=True)
        if options.regrade:
            _regrade(orchestrator, suite, execute)
        elif not options.report:
            await _run_pending(orchestrator, suite, execute, options, inventory)
        orchestrator.runtime.estimator.fit(inventory.states)
        _print_report(orchestrator, suite, inventory, options)


# ---------------------------------------------------------------- running


async def _run_pending(
    orchestrator: Orchestrator,
    suite: Suite,
    execute: ExecuteCode | None,
    options: QualityBenchOptions,
    inventory: Inventory,
) -> None:
    """Runs each model's pending tasks. Each grade is stored at once: Ctrl-C and the budget lose
    nothing."""
    from orch.cli import render

    runtime = orchestrator.runtime
    feedback = runtime.journal.feedback
    states, left_out = choose_models(
        inventory, [resolve_model(inventory, name) for name in options.models]
    )
    for name, why in left_out:
        render.print_warning(f"{name}: {why}; not asked unless named")
    before = [row for row in feedback.graded_answers() if not row.error]
    if options.new:
        asked = {ModelKey(row.provider, row.model) for row in before}
        states = [state for state in states if state.key not in asked]
    todo = pending_jobs(
        suite.tasks,
        states,
        frozenset() if options.fresh else frozenset(map(grading_key_of, before)),
    )
    servers = await server_versions(runtime.providers, (state.spec.provider for state in states))
    kept = [] if options.fresh else [(row.provider, row.server) for row in before]
    for note in version_notes(kept, servers, "grades"):
        render.print_warning(note)
    begun, count = time.monotonic(), 0
    with render.ProgressBar("bench") as progress:
        async with aclosing(
            grade_answers(todo, lambda name: runtime.providers[name], execute, servers)
        ) as graded:
            async for row in graded:
                feedback.add_grades([row])
                count += 1
                progress.count(count, len(todo))
                if row.error:
                    render.print_warning(f"{row.model}: {row.error}")
                if options.budget_s is not None and time.monotonic() - begun >= options.budget_s:
                    render.print_stderr(
                        f"the budget is used up: {len(todo) - count:,} answers remain; the same"
                        " command resumes"
                    )
                    break
    _check_any_answer(todo, feedback.graded_answers())


def _check_any_answer(todo: list[GradingJob], graded: list[GradedAnswer]) -> None:
    """Raises OrchError if every request failed."""
    wanted = {job.grading_key for job in todo}
    rows = [row for row in graded if grading_key_of(row) in wanted]
    if rows and all(row.error for row in rows):
        raise OrchError(
            f"no model answered: {rows[-1].error}",
            "orch health shows what is wrong",
            code="all_failed",
        )


def _regrade(orchestrator: Orchestrator, suite: Suite, execute: ExecuteCode | None) -> None:
    """Grades stored answers again, where the task is unchanged."""
    from orch.cli import render

    feedback, tasks = (
        orchestrator.runtime.journal.feedback,
        {task.id: task for task in suite.tasks},
    )
    kept = [
        row
        for row in feedback.graded_answers()
        if row.answer is not None
        and row.task_id in tasks
        and task_hash(tasks[row.task_id]) == row.task_hash
    ]
    if not kept:
        raise UsageError("no stored answer belongs to this suite", "orch bench --quality runs it")
    again = [regrade(row, tasks[row.task_id], execute) for row in kept]
    feedback.add_grades(again)
    render.print_stderr(
        f"graded {len(again):,} stored answers again;"
        f" {sum(a.score != b.score for a, b in zip(kept, again, strict=True)):,} scores changed"
    )


# ---------------------------------------------------------------- printing


def _print_report(
    orchestrator: Orchestrator, suite: Suite, inventory: Inventory, options: QualityBenchOptions
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
        state for state in inventory.states if state.key in graded and not state.is_remote_denied
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
    keys = {state.key for state in states}
    report = make_report([row for row in rows if ModelKey(row.provider, row.model) in keys], choose)
    if options.svg:
        quality_curve.write_curve(Path(options.svg), report)
    if options.as_json:
        render.print_json(
            {
                "v": 1,
                "suite": suite.name,
                **report_json(report),
                "static": sum(row.how == "static" for row in rows),
            }
        )
        return
    _print_tables(report, rows, as_md=options.as_md)


def _print_tables(report: Report, rows: list[GradedAnswer], *, as_md: bool) -> None:
    from orch.cli import render

    table = render.print_markdown_table if as_md else render.print_table
    kinds = sorted({kind for cells in report.by_model.values() for kind in cells} - {"all"})
    table(
        ("model", *kinds, "all"),
        [
            (model, *(_cell(cells.get(kind)) for kind in (*kinds, "all")))
            for (_, model), cells in report.by_model.items()
        ],
    )
    if report.strategies:
        render.print_stdout("")
        table(
            (f"of {report.tasks} tasks that every model answered", "quality", "seconds"),
            [
                (line.name, f"{line.quality:.3f}", f"{line.seconds:.2f} s")
                for line in report.strategies
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
                for dial, at in report.curve
            ],
        )
    static = sum(row.how == "static" for row in rows)
    render.print_stdout(f"\n{conclusion(report)}")
    if static:
        render.print_stdout(
            f"{static:,} answers with code were graded by their form only; --allow-exec --regrade"
            " runs them in a sandbox"
        )


def _cell(cell: MeanScore | None) -> str:
    return f"{cell.mean:.2f} [{cell.low:.2f}, {cell.high:.2f}] n={cell.n}" if cell else "-"


def report_json(report: Report) -> dict[str, Any]:
    """A report as JSON values."""
    return {
        "models": [
            {
                "provider": provider,
                "model": model,
                "by_type": {kind: asdict(cell) for kind, cell in cells.items()},
            }
            for (provider, model), cells in report.by_model.items()
        ],
        "tasks": report.tasks,
        "lines": [asdict(line) for line in report.strategies],
        "gain": asdict(report.gain) if report.gain else None,
        "curve": [
            {"dial": dial, "quality": line.quality, "seconds": line.seconds}
            for dial, line in report.curve
        ],
        "best": report.best[1] if report.best else None,
        "sentence": conclusion(report),
    }
