"""`orch chat`: a conversation in the terminal, one turn per line."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context, render
from orch.cli.options import CHAT_OPTIONS, Continue, Params, task_options, with_options
from orch.cli.output import OutputMode, consume
from orch.cli.signals import INTERRUPTION_CODES, cancel_on_signals
from orch.cli.task_input import chosen_profile
from orch.errors import OrchError

if TYPE_CHECKING:
    from orch.orchestrator import Orchestrator
    from orch.text.prompt import Task
    from orch.types import Decision

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

HELP = """/model ID   use this model from now on; /model auto chooses for each turn
/why        show why the last model was chosen
/forget     delete this conversation for good
/quit       quit (also Ctrl-D); Ctrl-C stops an answer"""


@dataclass
class ChatState:
    """The conversation in progress."""

    orchestrator: Orchestrator
    session: str
    model: str | None
    system: str | None
    profile: str
    dial: float | None
    loaded: bool
    recall: bool
    last_decision: Decision | None = None

    @classmethod
    def open(cls, ctx: typer.Context) -> ChatState:
        """The conversation that the options ask for. Raises UsageError."""
        from orch.execution.session import resolve_session

        params: Params = ctx.params
        profile = chosen_profile(params)
        orchestrator = context.open_orchestrator(ctx)
        journal = orchestrator.runtime.journal
        return cls(
            orchestrator,
            resolve_session(params["session"], params["carry_on"], journal),
            params["model"] or None,
            params["system"] or None,
            profile,
            params["dial"],
            params["loaded"],
            params["recall"],
        )


@app.command()
@with_options(task_options, only=CHAT_OPTIONS)
def chat_command(
    ctx: typer.Context,
    carry_on: Continue = False,
    session: Annotated[
        str,
        typer.Option(metavar="NAME", help="Conversation to start or continue.", show_default=False),
    ] = "",
    recall: Annotated[
        bool, typer.Option("--recall", help="Add memories that match each turn to the prompt.")
    ] = False,
) -> None:
    """Chat with your models in the terminal."""
    chat = ChatState.open(ctx)
    mode = OutputMode(live=render.is_terminal(sys.stdout))
    try:
        while (line := _read_line()) is not None and line != "/quit":
            if line:
                _answer_line(ctx, chat, mode, line)
    finally:
        asyncio.run(chat.orchestrator.aclose())


def _read_line() -> str | None:
    """The next line, without surrounding blanks; None at the end of stdin.

    Arrow keys and history work where readline is available.
    """
    if not sys.stdin.isatty():
        line = sys.stdin.buffer.readline().decode("utf-8", "replace")
        return line.strip() if line else None
    with suppress(ImportError):
        import readline  # noqa: F401 - input() uses it once it is imported

    try:
        return render.prompt_user("> ")
    except KeyboardInterrupt:
        render.print_stdout("")
        return ""


def _answer_line(ctx: typer.Context, chat: ChatState, mode: OutputMode, line: str) -> None:
    """Runs one turn or slash command. An error is printed; Ctrl-C ends the turn alone, another
    signal the command."""
    try:
        if line.startswith("/"):
            _run_slash_command(ctx, chat, line)
        else:
            asyncio.run(_run_turn(chat, mode, _make_task(chat, line)))
    except OrchError as error:
        if error.code in INTERRUPTION_CODES[1:]:
            raise
        render.print_error(error)


def _make_task(chat: ChatState, text: str) -> Task:
    from orch.cli.prompts import confirm_swap
    from orch.orchestrator import build_task

    fields: dict[str, Any] = {
        "session": chat.session,
        "model": chat.model,
        "system_prompt": chat.system,
        "profile": chat.profile,
        "dial": chat.dial,
        "loaded": chat.loaded,
        "retrieve_context": True if chat.recall else None,
    }
    return confirm_swap(chat.orchestrator, build_task(text, **fields))


async def _run_turn(chat: ChatState, mode: OutputMode, task: Task) -> None:
    run = chat.orchestrator.start_run(task, mode.on_partial)
    codes = cancel_on_signals()
    try:
        await consume(run, mode)
        if not sys.stdout.isatty():
            render.write_stdout(b"\n")
    except asyncio.CancelledError:
        raise run.error or OrchError(codes[0].replace("_", " "), code=codes[0]) from None
    finally:
        chat.last_decision = run.decision or chat.last_decision
        await chat.orchestrator.release()


def _run_slash_command(ctx: typer.Context, chat: ChatState, line: str) -> None:
    name, _, argument = line.partition(" ")
    if name == "/model":
        chat.model = None if argument.strip() in ("", "auto") else argument.strip()
        render.print_stderr(f"model: {chat.model or 'chosen for each turn'}")
    elif name == "/why":
        _explain(chat)
    elif name == "/forget":
        from orch.cli.commands.memory import forget_session

        count = forget_session(ctx, chat.session)
        render.print_stderr(f"deleted {count} {'turn' if count == 1 else 'turns'}")
    else:
        render.print_stderr(HELP)


def _explain(chat: ChatState) -> None:
    from orch.cli.decision import print_decision

    if chat.last_decision is None:
        render.print_stderr("no answer yet")
    else:
        print_decision(chat.last_decision)
