"""`orch run`: runs the task of argv and stdin, and writes the answer to stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context, render
from orch.cli.options import Continue, NoStdin, Params, RunJson, task_options, with_options
from orch.cli.output import OutputMode, consume
from orch.cli.prompts import can_prompt
from orch.cli.signals import cancel_on_signals
from orch.cli.task_input import task_fields, task_from_fields
from orch.errors import OrchError, UsageError

if TYPE_CHECKING:
    from orch.execution.run import Run
    from orch.orchestrator import Orchestrator
    from orch.text.prompt import Task

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


SchemaOption = Annotated[
    str,
    typer.Option(
        metavar="FILE", help="JSON Schema that the answer must follow.", show_default=False
    ),
]
StreamOption = Annotated[
    bool, typer.Option("--stream/--no-stream", help="Show the answer as it arrives.")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Seconds to wait for the first token (300); at most 60 between tokens.",
        show_default=False,
    ),
]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Ignore cached answers.")]
RecallOption = Annotated[
    bool, typer.Option("--recall", help="Add memories that match the task to the prompt.")
]
RememberOption = Annotated[
    bool | None,
    typer.Option(
        "--remember/--no-remember",
        help="Whether this run can be recalled later.",
        show_default=False,
    ),
]
SessionOption = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Conversation that this task belongs to.", show_default=False
    ),
]
FallbackOption = Annotated[
    bool | None,
    typer.Option(
        "--fallback/--no-fallback",
        help="Whether another model may take over after a failure.",
        show_default=False,
    ),
]
ContinuePartialOption = Annotated[
    bool,
    typer.Option("--continue-partial", help="In a pipe: let another model continue a cut answer."),
]
JsonlOption = Annotated[
    bool, typer.Option("--jsonl", help="Print the run's events, one JSON object per line.")
]
PlainOption = Annotated[bool, typer.Option("--plain", help="Do not render Markdown on a terminal.")]
NoServerOption = Annotated[
    bool, typer.Option("--no-server", help="Do not use a running orch server.")
]
ShowThinkingOption = Annotated[
    bool, typer.Option("--show-thinking", help="Show the model's thinking on stderr.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only decide, like orch route.")]
QuietOption = Annotated[
    bool, typer.Option("-q", "--quiet", help="Print nothing but errors on stderr.")
]


@app.command(no_args_is_help=False)
@with_options(task_options)
def run_command(
    ctx: typer.Context,
    schema: SchemaOption = "",
    stream: StreamOption = True,
    timeout: TimeoutOption = None,
    fresh: FreshOption = False,
    recall: RecallOption = False,
    remember: RememberOption = None,
    carry_on: Continue = False,
    session: SessionOption = "",
    fallback: FallbackOption = None,
    continue_partial: ContinuePartialOption = False,
    as_json: RunJson = False,
    jsonl: JsonlOption = False,
    plain: PlainOption = False,
    no_stdin: NoStdin = False,
    no_server: NoServerOption = False,
    show_thinking: ShowThinkingOption = False,
    dry_run: DryRunOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run a task on the model that will give a good answer soonest."""
    if as_json and jsonl:
        raise UsageError("--json and --jsonl exclude each other", "use one of them")
    if carry_on and session:
        raise UsageError("--continue and --session exclude each other", "use one of them")
    mode = OutputMode.from_params(ctx.params)
    try:
        _run(ctx, mode)
    except OrchError as error:
        mode.fail(error)


def _run(ctx: typer.Context, mode: OutputMode) -> None:
    """Runs the task at a running server, else in this process. Raises OrchError."""
    fields = _confirm_swap(ctx, task_fields(ctx.params))
    if ctx.params["dry_run"]:
        from orch.cli.decision import decide_and_print

        decide_and_print(ctx, task_from_fields(fields), as_json=mode.as_json or mode.jsonl)
    elif ctx.params["no_server"] or not _run_at_server(ctx, fields, mode):
        import asyncio  # 3x `python -c pass`, which a server's client need not pay

        asyncio.run(_run_here(ctx, task_from_fields(fields), mode))


def _confirm_swap(ctx: typer.Context, fields: Params) -> Params:
    """The fields, restricted to loaded models where `swap: ask` is answered that way."""
    if ctx.params["dry_run"] or fields["model"] or not can_prompt():
        return fields
    if context.read_config(ctx).routing.swap != "ask":
        return fields
    from orch.cli.prompts import confirm_swap

    orchestrator = context.open_orchestrator(ctx)
    return {**fields, "loaded": confirm_swap(orchestrator, task_from_fields(fields)).loaded}


def _run_at_server(ctx: typer.Context, fields: Params, mode: OutputMode) -> bool:
    """Whether a running server ran the task. Raises OrchError as a run in this process does."""
    from orch.config.socket_path import socket_path

    if not socket_path().exists():
        return False
    from orch.cli.via_server import run_via_server

    request = {**fields, "carry_on": ctx.params["carry_on"]}
    return run_via_server(context.chosen_config_dir(ctx), request, mode)


async def _run_here(ctx: typer.Context, task: Task, mode: OutputMode) -> None:
    """Runs the task in this process. Raises OrchError; an interrupted run's has the partial
    text."""
    import asyncio

    orchestrator = context.open_orchestrator(ctx)
    codes = cancel_on_signals()
    if ctx.params["carry_on"]:
        task = _continue_session(task, orchestrator.runtime.journal)
    run = orchestrator.start_run(task, mode.on_partial)
    try:
        await consume(run, mode)
    except asyncio.CancelledError:
        raise run.error or OrchError(codes[0].replace("_", " "), code=codes[0]) from None
    except BrokenPipeError:
        raise OrchError("the reader is gone", code="reader_gone") from None
    finally:
        await orchestrator.aclose()
        if not mode.quiet:
            for warning in _untold_warnings(orchestrator, run):
                render.print_warning(warning)


def _untold_warnings(orchestrator: Orchestrator, run: Run) -> list[str]:
    """The journal's warnings, and the configuration's where the run failed before it had a
    model."""
    config, journal = orchestrator.runtime.config.warnings, orchestrator.runtime.journal.warnings
    return [*(each for each in config if each not in run.warnings), *journal]


def _continue_session(task: Task, journal: Any) -> Task:
    from dataclasses import replace

    from orch.execution.session import resolve_session

    return replace(task, session=resolve_session("", True, journal))
