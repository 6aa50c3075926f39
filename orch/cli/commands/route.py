"""`orch route`: the decision for a task, as a table or as JSON."""

from __future__ import annotations

from typing import Annotated

import typer

from orch.cli.decision import decide_and_print
from orch.cli.options import NoStdin, RunJson, task_options, with_options
from orch.cli.output import OutputMode
from orch.cli.task_input import task_from_argv
from orch.errors import OrchError

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
@with_options(task_options)
def route_command(
    ctx: typer.Context,
    as_json: RunJson = False,
    no_stdin: NoStdin = False,
    why: Annotated[
        bool, typer.Option("--why", help="Show the evidence for the two most likely types.")
    ] = False,
) -> None:
    """Show which model would be chosen for a task, and why, without running it."""
    try:
        decide_and_print(ctx, task_from_argv(ctx.params), as_json=as_json, why=why)
    except OrchError as error:
        OutputMode(as_json=as_json).fail(error)
