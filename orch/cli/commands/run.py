"""`orch run`: the task that argv and stdin ask for, the run's chunks to stdout."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn

import typer

from orch.cli import context as opening
from orch.cli.options import (
    ContextFacts,
    Dial,
    Json,
    Loaded,
    Model,
    NoStdin,
    Params,
    Profile,
    Quality,
    SamplingOptions,
    Speed,
    System,
    TaskFiles,
    TaskWords,
    Type,
    task_fields,
    task_from_fields,
)
from orch.errors import OrchError, UsageError

if TYPE_CHECKING:
    from orch.execution.run import OnPartial, Run
    from orch.orchestrator import Orchestrator
    from orch.text.prompt import Task

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

SIGNAL_CODES = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung_up"}
INTERRUPTION_CODES = tuple(SIGNAL_CODES.values())


@app.command(no_args_is_help=False)
def run_command(
    ctx: typer.Context,
    words: TaskWords = [],  # noqa: B006 - Typer copies it
    model: Model = "",
    task_type: Type = "",
    speed: Speed = False,
    quality: Quality = False,
    profile: Profile = "",
    dial: Dial = None,
    loaded: Loaded = False,
    system: System = "",
    files: TaskFiles = [],  # noqa: B006
    context: ContextFacts = [],  # noqa: B006
    option: SamplingOptions = [],  # noqa: B006
    schema: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="JSON Schema the answer must follow.", show_default=False
        ),
    ] = "",
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", help="Show the answer as it comes.")
    ] = True,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Seconds to the first token (300); between tokens at most 60.",
            show_default=False,
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask again, whatever was answered before.")
    ] = False,
    recall: Annotated[
        bool, typer.Option("--recall", help="Put what memory finds before the task.")
    ] = False,
    remember: Annotated[
        bool | None,
        typer.Option(
            "--remember/--no-remember", help="Whether it can be recalled later.", show_default=False
        ),
    ] = None,
    carry_on: Annotated[
        bool, typer.Option("-c", "--continue", help="Go on with the last conversation.")
    ] = False,
    session: Annotated[
        str,
        typer.Option(metavar="NAME", help="The conversation it belongs to.", show_default=False),
    ] = "",
    fallback: Annotated[
        bool | None,
        typer.Option(
            "--fallback/--no-fallback",
            help="Whether other models may take over.",
            show_default=False,
        ),
    ] = None,
    continue_partial: Annotated[
        bool,
        typer.Option(
            "--continue-partial", help="Into a pipe: let another model go on from a cut answer."
        ),
    ] = False,
    as_json: Json = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="The run's events, one JSON object a line.")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="No Markdown rendering on a terminal.")
    ] = False,
    no_stdin: NoStdin = False,
    no_server: Annotated[
        bool, typer.Option("--no-server", help="Work alone, without a running orch server.")
    ] = False,
    show_thinking: Annotated[
        bool, typer.Option("--show-thinking", help="What the model thinks, on stderr.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide only: what orch route does.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Nothing on stderr but errors.")
    ] = False,
) -> None:
    """Answer a task with the model that will do it well soonest."""
    if as_json and jsonl:
        raise UsageError("--json and --jsonl say two things", "give one of them")
    if carry_on and session:
        raise UsageError("--continue and --session both name a conversation", "give one of them")
    face = OutputMode.from_params(ctx.params)
    try:
        _answer(ctx, face)
    except OrchError as error:
        _tell(error, face)


def _answer(ctx: typer.Context, face: OutputMode) -> None:
    """By a running server, else here. Raises OrchError."""
    wished = _asked_first(ctx, task_fields(ctx.params))
    if ctx.params["dry_run"]:
        from orch.cli.commands.route import decide_and_print

        decide_and_print(ctx, task_from_fields(wished), as_json=face.as_json or face.jsonl)
    elif ctx.params["no_server"] or not _by_server(ctx, wished, face):
        import asyncio  # 3x `python -c pass`, which a server's client need not pay

        asyncio.run(_run(ctx, task_from_fields(wished), face))


def _tell(error: OrchError, face: OutputMode) -> NoReturn:
    """Ends the command as the error wants it: told as JSON where JSON was asked for."""
    if error.code == "reader_gone":
        raise BrokenPipeError from None
    if not (face.as_json or face.jsonl):
        raise error
    from orch.cli import render
    from orch.execution import serialize

    if face.as_json:
        render.print_json(serialize.error_to_json(error))
    elif not error.run_id or error.code in INTERRUPTION_CODES:
        face.print_event(serialize.error_chunk(error))  # a failed run has told it already
    raise typer.Exit(error.exit_code) from None


def _asked_first(ctx: typer.Context, wished: Params) -> Params:
    """The wishes; only for loaded models where routing.yaml says `swap: ask` and the person at the
    terminal keeps what is loaded."""
    if (
        ctx.params["dry_run"]
        or wished["model"]
        or not (sys.stdin.isatty() and sys.stderr.isatty())
        or opening.read_config(ctx).routing.swap != "ask"
    ):
        return wished
    from orch.cli.swap_question import confirm_swap

    return {
        **wished,
        "loaded": confirm_swap(opening.open_orchestrator(ctx), task_from_fields(wished)).loaded,
    }


def _by_server(ctx: typer.Context, wished: Params, face: OutputMode) -> bool:
    """Whether a running server ran it. Raises OrchError as the run itself would."""
    from orch.config.socket_path import socket_path

    if not socket_path().exists():
        return False
    from orch.cli import via_server

    return via_server.run_via_server(
        opening.chosen_config_dir(ctx), {**wished, "carry_on": ctx.params["carry_on"]}, face
    )


# ---------------------------------------------------------------- running


class OutputMode(NamedTuple):
    """How this run is shown: one JSON object, one a line, or a screen; `held` text is shown at the
    end only."""

    as_json: bool
    jsonl: bool
    live: bool
    show_thinking: bool
    quiet: bool
    on_partial: OnPartial

    @classmethod
    def from_params(cls, params: Params) -> OutputMode:
        """The face that the options and stdout ask for."""
        from orch.cli import render

        as_json, jsonl, stream = params["as_json"], params["jsonl"], params["stream"]
        live = (
            stream and not (params["plain"] or as_json or jsonl) and render.is_terminal(sys.stdout)
        )
        goes_on = jsonl or params["continue_partial"] or sys.stdout.isatty()
        on_partial: OnPartial = (
            "restart" if as_json or not stream else "continue" if goes_on else "stop"
        )
        return cls(as_json, jsonl, live, params["show_thinking"], params["quiet"], on_partial)

    @property
    def drops_partial_text(self) -> bool:
        """Whether a failed model's text is dropped, so that nothing may be shown before the end."""
        return self.on_partial == "restart"

    def print_event(self, chunk: dict[str, Any]) -> None:
        """One line of --jsonl."""
        from orch.cli import render

        render.print_json(chunk, one_line=True)

    def make_display(self) -> Any:
        """The screen for a person or a pipe."""
        from orch.cli.run_display import PipeDisplay, TerminalDisplay

        kind = TerminalDisplay if self.live else PipeDisplay
        return kind(thinking=self.show_thinking, quiet=self.quiet)


async def _run(ctx: typer.Context, task: Task, face: OutputMode) -> None:
    """Runs the task. Raises OrchError, also for a run that was ended from outside, with what had
    come."""
    import asyncio

    orchestrator = opening.open_orchestrator(ctx)
    reasons = cancel_on_signals()
    if ctx.params["carry_on"]:
        from dataclasses import replace

        from orch.execution.session import resolve_session

        task = replace(task, session=resolve_session("", True, orchestrator.runtime.journal))
    run = orchestrator.start_run(task, face.on_partial)
    try:
        await consume(run, face)
    except asyncio.CancelledError:
        raise run.error or OrchError(reasons[0].replace("_", " "), code=reasons[0]) from None
    except BrokenPipeError:
        raise OrchError("the reader is gone", code="reader_gone") from None
    finally:
        await orchestrator.aclose()
        if not face.quiet:
            _say_journal_warnings(orchestrator)


def cancel_on_signals() -> list[str]:
    """Ctrl-C and SIGTERM cancel the run, which ends generation and journals what came; gives the
    list that the reason is put into."""
    import asyncio

    reasons: list[str] = []
    running = asyncio.current_task()
    assert running is not None

    def end(reason: str) -> None:
        reasons.append(reason)
        running.cancel(reason)

    for name, reason in SIGNAL_CODES.items():
        try:
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), end, reason)
        except (AttributeError, NotImplementedError, RuntimeError):
            pass  # Windows, or not the main thread: asyncio.run's own handling of Ctrl-C stays
    return reasons


async def consume(run: Run, face: OutputMode) -> None:
    """Hands the run's chunks to the screen, or gathers them into one JSON object."""
    from contextlib import aclosing

    from orch.execution import serialize

    show = OutputWriter(face)
    try:
        async with aclosing(run.events()) as events:
            async for event in events:
                show.write(serialize.event_to_json(event))
    finally:
        show.close()


class OutputWriter:
    """A run's chunks, in their JSON form, as its face shows them."""

    def __init__(self, face: OutputMode) -> None:
        self._face = face
        self._screen = None if face.as_json or face.jsonl else face.make_display()
        self._held: list[str] = []

    def write(self, chunk: dict[str, Any]) -> None:
        """One chunk. Raises BrokenPipeError when the reader is gone."""
        from orch.cli import render

        if self._face.jsonl:
            self._face.print_event(chunk)
        elif self._face.as_json:
            if chunk["type"] == "done":
                render.print_json(chunk["result"])
        elif self._screen is not None:
            for each in _hold(chunk, self._held) if self._face.drops_partial_text else (chunk,):
                self._screen.show(each)

    def close(self) -> None:
        """Gives the terminal back."""
        if self._screen is not None:
            self._screen.close()


def _hold(chunk: dict[str, Any], held: list[str]) -> list[dict[str, Any]]:
    """For --no-stream: keeps the text back until the run is done, since a failed model's text is
    dropped."""
    if chunk["type"] == "content":
        held.append(chunk["chunk"])
        return []
    if chunk["type"] == "fallback":
        held.clear()
    if chunk["type"] == "done" and held:
        return [{"type": "content", "chunk": "".join(held)}, chunk]
    return [chunk]


def _say_journal_warnings(orchestrator: Orchestrator) -> None:
    from orch.cli import render

    for warning in orchestrator.runtime.journal.warnings:
        render.print_warning(warning)
