"""`orch rate`: records the user's rating of a run, or the correct type of its task."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from orch.cli import context

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def rate_command(
    ctx: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="last|ID", show_default=False)],
    word: Annotated[
        str,
        typer.Argument(metavar="[good|bad]", help="Rating of the answer.", show_default=False),
    ] = "",
    better: Annotated[
        str,
        typer.Option(
            "--better",
            metavar="MODEL",
            help="Model that is better at such tasks.",
            show_default=False,
        ),
    ] = "",
    task_type: Annotated[
        str,
        typer.Option("--type", metavar="TYPE", help="Correct task type.", show_default=False),
    ] = "",
) -> None:
    """Rate an answer or correct its task type, to improve later decisions."""
    from orch.cli import render

    for sentence in asyncio.run(_rate(ctx, run_id, word, better, task_type)):
        render.print_stdout(sentence)


async def _rate(
    ctx: typer.Context, run_id: str, word: str, better: str, task_type: str
) -> list[str]:
    async with context.open_orchestrator(ctx) as orchestrator:
        return await orchestrator.runtime.feedback.record(run_id, word, better, task_type)
