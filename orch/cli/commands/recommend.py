"""`orch models recommend`: what to pull for this machine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from orch.cli import context
from orch.cli.options import Json
from orch.errors import OrchError

if TYPE_CHECKING:
    from orch.execution.recommending.report import RecommendationReport
    from orch.routing.recommendations.recommend import Wishes


def models_recommend(
    ctx: typer.Context,
    task_type: Annotated[
        str,
        typer.Option(
            "--type", metavar="TYPE", help="Only what helps at one task type.", show_default=False
        ),
    ] = "",
    num_ctx: Annotated[
        int | None,
        typer.Option(
            "--ctx",
            metavar="N",
            min=1,
            max=10_000_000,
            help="Context in tokens that has to fit. Default: 8192.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which models to pull for this machine, and what each would add. Pulls nothing."""
    from orch.cli import render
    from orch.execution.recommending import wording

    report = asyncio.run(_report(ctx, _wishes(task_type, num_ctx)))
    if as_json:
        render.print_json({"v": 1, **wording.to_json(report)})
        return
    render.print_stdout(wording.memory_text(report.capacity))
    if nothing := wording.nothing_text(report):
        render.print_stdout(nothing)
    else:
        _print_rows(report)


def _wishes(task_type: str, num_ctx: int | None) -> Wishes:
    from orch.routing.recommendations.recommend import Wishes
    from orch.types import TaskType

    if task_type and task_type not in tuple(TaskType):
        raise OrchError(
            f"{task_type!r} is not a task type", f"one of: {', '.join(TaskType)}", code="usage"
        )
    return Wishes(TaskType(task_type) if task_type else None, num_ctx)


async def _report(ctx: typer.Context, wishes: Wishes) -> RecommendationReport:
    from orch.execution.recommending.report import make_report

    async with context.open_orchestrator(ctx) as orchestrator:
        return await make_report(orchestrator.runtime, wishes)


def _print_rows(report: RecommendationReport) -> None:
    from orch.cli import render
    from orch.execution.recommending import wording

    rows = report.found.rows
    render.print_stdout("")
    render.print_table(
        ("model", "size", "fits", "tokens/s", "gain" if report.machine.best else "quality"),
        [
            (
                row.model.tag,
                f"{row.model.size_bytes / 1e9:.1f} GB",
                row.placement,
                f"~{row.tokens_per_s:.{0 if row.tokens_per_s >= 10 else 1}f}",
                wording.gain_text(row),
            )
            for row in rows
        ],
        drop=("size",),
    )
    render.print_stdout("")
    commands = [wording.command(report, row) for row in rows]
    width = max(map(len, commands))
    for row, command in zip(rows, commands, strict=True):
        render.print_stdout(f"{command:{width}}   # {wording.reason(row)}")
    render.print_stdout("")
    render.print_stdout(_footer(report))


def _footer(report: RecommendationReport) -> str:
    num_ctx = report.wishes.num_ctx or report.found.rows[0].num_ctx
    lines = [
        f"~ is guessed; what fits counts a context of {num_ctx:,} tokens; quality is by",
        "published scores, 0 to 10, and a gain is beyond the error of both estimates.",
    ]
    if report.provider and not report.runs:
        lines.append("Ollama does not answer: orch health says how to start it.")
    return "\n".join(lines)
