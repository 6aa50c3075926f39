"""`orch rate`: the user's word on a run that is over."""

from __future__ import annotations

from typing import Annotated

import typer

from orch.cli import opening
from orch.errors import JournalError, OrchError, UsageError

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def rate(
    ctx: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="last|ID", show_default=False)],
    task_type: Annotated[str, typer.Option("--type", metavar="TYPE", help="What kind of task it really was.", show_default=False)] = "",
) -> None:
    """Say what a run really was: similar tasks are told apart better at once."""
    from orch import render
    from orch.types import TaskType

    if task_type not in tuple(TaskType):
        raise UsageError(f"{task_type!r} is no task type" if task_type else "say what it was: --type TYPE", f"there are: {', '.join(TaskType)}")
    journal = opening.orchestrator(ctx).runtime.journal
    if journal.mode != "full":
        raise OrchError(f"a correction needs the task's text, and the journal keeps none (journal.mode is {journal.mode})", code="not_kept")
    run = journal.find_run(run_id)
    if run is None or not run["task"]:
        raise UsageError(f"no run is called {run_id!r}", "orch run --json tells run_id; last is the last one")
    if not journal.correct(run, task_type):
        raise JournalError("; ".join(journal.warnings) or "the correction could not be written")
    render.show(f"{' '.join(run['task'].split())[:60]!r} is {task_type}, not {run['task_type']}" if run["task_type"] != task_type else f"{task_type} it was")
