"""`orch chat`: a conversation, one turn a line."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context
from orch.cli.commands.run import INTERRUPTION_CODES, OutputMode, cancel_on_signals, consume
from orch.cli.options import Dial, Loaded, Model, Profile, Quality, Speed, System, chosen_profile
from orch.errors import OrchError

if TYPE_CHECKING:
    from orch.orchestrator import Orchestrator
    from orch.text.prompt import Task
    from orch.types import Decision

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

HELP = """/model ID   ask this model from now on; /model auto chooses again
/why        why the last answer came from that model
/forget     forget this conversation for good
/quit       leave (or Ctrl-D); Ctrl-C ends an answer"""


@dataclass
class ChatState:
    """A conversation that is going on."""

    orchestrator: Orchestrator
    session: str
    model: str | None
    system: str | None
    profile: str
    dial: float | None
    loaded: bool
    recall: bool
    last_decision: Decision | None = None


@app.command()
def chat_command(
    ctx: typer.Context,
    model: Model = "",
    speed: Speed = False,
    quality: Quality = False,
    profile: Profile = "",
    dial: Dial = None,
    loaded: Loaded = False,
    system: System = "",
    carry_on: Annotated[
        bool, typer.Option("-c", "--continue", help="Go on with the last conversation.")
    ] = False,
    session: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The conversation to begin or to go on with.", show_default=False
        ),
    ] = "",
    recall: Annotated[
        bool, typer.Option("--recall", help="Put what memory finds before each turn.")
    ] = False,
) -> None:
    """Talk with your models, turn by turn."""
    from orch.cli import render
    from orch.execution.session import resolve_session

    orchestrator = context.open_orchestrator(ctx)
    name = resolve_session(session, carry_on, orchestrator.runtime.journal)
    talk = ChatState(
        orchestrator,
        name,
        model or None,
        system or None,
        chosen_profile(ctx.params),
        dial,
        loaded,
        recall,
    )
    face = OutputMode.from_params(
        {
            "as_json": False,
            "jsonl": False,
            "stream": True,
            "plain": False,
            "continue_partial": True,
            "show_thinking": False,
            "quiet": False,
        }
    )
    try:
        while (line := _line()) is not None:
            if line == "/quit":
                break
            try:
                if line:
                    _command(ctx, talk, line) if line.startswith("/") else asyncio.run(
                        _turn(talk, face, _task(talk, line))
                    )
            except OrchError as error:
                if error.code in INTERRUPTION_CODES[1:]:
                    raise
                render.print_error(error)
    finally:
        asyncio.run(orchestrator.aclose())


def _line() -> str | None:
    """The next line that was typed; None at the end. Arrow keys and history work where readline is
    there."""
    if not sys.stdin.isatty():
        line = sys.stdin.buffer.readline().decode("utf-8", "replace")
        return line.strip() if line else None
    with suppress(ImportError):
        import readline  # noqa: F401 - input() uses it once it is imported
    from orch.cli import render

    try:
        return render.prompt_user("> ")
    except KeyboardInterrupt:
        render.print_stdout("")
        return ""


def _task(talk: ChatState, text: str) -> Task:
    from orch.cli.swap_question import confirm_swap
    from orch.orchestrator import build_task

    wishes: dict[str, Any] = {
        "session": talk.session,
        "model": talk.model,
        "system_prompt": talk.system,
        "profile": talk.profile,
        "dial": talk.dial,
    }
    task = build_task(
        text, retrieve_context=True if talk.recall else None, loaded=talk.loaded, **wishes
    )
    return confirm_swap(talk.orchestrator, task)


async def _turn(talk: ChatState, face: OutputMode, task: Task) -> None:
    from orch.cli import render

    run = talk.orchestrator.start_run(task, "continue")
    reasons = cancel_on_signals()
    try:
        await consume(run, face)
        if not sys.stdout.isatty():
            render.write_stdout(b"\n")
    except asyncio.CancelledError:
        raise run.error or OrchError(reasons[0].replace("_", " "), code=reasons[0]) from None
    finally:
        talk.last_decision = run.decision or talk.last_decision
        await talk.orchestrator.release()


def _command(ctx: typer.Context, talk: ChatState, line: str) -> None:
    from orch.cli import render
    from orch.cli.commands.route import print_decision

    word, _, rest = line.partition(" ")
    if word == "/model":
        talk.model = None if rest.strip() in ("", "auto") else rest.strip()
        render.print_stderr(f"from now on: {talk.model or 'chosen for each turn'}")
    elif word == "/why" and talk.last_decision is not None:
        print_decision(talk.last_decision)
    elif word == "/why":
        render.print_stderr("nothing was answered yet")
    elif word == "/forget":
        from orch.cli.commands.memory import forget_session

        count = forget_session(ctx, talk.session)
        render.print_stderr(f"forgot {count} {'turn' if count == 1 else 'turns'}")
    else:
        render.print_stderr(HELP)
