"""Command-line options that several commands share, each declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from functools import wraps
from typing import Annotated, Any

import typer

from orch.errors import OrchError

Params = dict[str, Any]
"""The options of a command by name, as Typer parsed them (`ctx.params`)."""
Command = Callable[..., None]


def complete_model(incomplete: str) -> list[str]:
    """Model ids of models.yaml for shell completion, without network access.

    Ids with terminal control characters are left out: the shell writes them to its terminal.
    """
    from orch.config.load import load_config
    from orch.text.terminal import sanitize_text

    try:
        ids = [spec.id for spec in load_config().models.models]
    except OrchError:
        return []
    return [each for each in ids if each.startswith(incomplete) and each == sanitize_text(each)]


Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]
RunJson = Annotated[bool, typer.Option("--json", help="One JSON object, also on failure.")]
NoStdin = Annotated[bool, typer.Option("--no-stdin", help="Leave stdin alone: for loops and cron.")]
Since = Annotated[
    str,
    typer.Option(
        help="Only the last 24h, 7d, …, or since a date such as 2026-11-01.", show_default=False
    ),
]
Continue = Annotated[
    bool, typer.Option("-c", "--continue", help="Go on with the last conversation.")
]


def task_options(
    words: Annotated[
        list[str],
        typer.Argument(metavar="[TASK] [-]", help="The task; - reads stdin.", show_default=False),
    ] = [],  # noqa: B006 - Typer copies it
    model: Annotated[
        str,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            help="Ask this model.",
            autocompletion=complete_model,
            show_default=False,
        ),
    ] = "",
    task_type: Annotated[
        str,
        typer.Option(
            "-t", "--type", metavar="TYPE", help="Say what kind of task it is.", show_default=False
        ),
    ] = "",
    speed: Annotated[bool, typer.Option("--speed", help="Soonest answer first.")] = False,
    quality: Annotated[bool, typer.Option("--quality", help="Best answer first.")] = False,
    profile: Annotated[
        str,
        typer.Option(
            "--profile", metavar="NAME", help="A profile of routing.yaml.", show_default=False
        ),
    ] = "",
    dial: Annotated[
        float | None,
        typer.Option(
            "--dial",
            metavar="0..10",
            help="0 speed alone, 5 balanced, 10 quality alone.",
            show_default=False,
        ),
    ] = None,
    loaded: Annotated[
        bool, typer.Option("--loaded", help="Only a model that is loaded, where one can.")
    ] = False,
    system: Annotated[
        str,
        typer.Option("-s", "--system", metavar="TEXT", help="System prompt.", show_default=False),
    ] = "",
    files: Annotated[
        list[str],
        typer.Option(
            "-f",
            "--file",
            metavar="FILE",
            help="A file to go with the task; can be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    context: Annotated[
        list[str],
        typer.Option(
            "--context",
            metavar="TEXT",
            help="A fact to go with the task; can be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    option: Annotated[
        list[str],
        typer.Option(
            "-o",
            metavar="KEY=VALUE",
            help="A sampling option, such as temperature=0.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
) -> None:
    """Declares the options of `orch run` and `orch route`; `orch chat` has those of
    `CHAT_OPTIONS`."""


CHAT_OPTIONS = ("model", "speed", "quality", "profile", "dial", "loaded", "system")


def with_options(declared: Command, only: Collection[str] = ()) -> Callable[[Command], Command]:
    """Adds the parameters of `declared` to a command, behind its first (the context).

    The command reads their values from `ctx.params`. `only` names those to add; default: all.
    """

    def add(command: Command) -> Command:
        context, *own = _parameters(command)
        shared = [each for each in _parameters(declared) if not only or each.name in only]
        names = {each.name for each in (context, *own)}

        @wraps(command)
        def run(**params: Any) -> None:
            command(**{name: value for name, value in params.items() if name in names})

        parameters = [context, *shared, *own]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return add


def _parameters(function: Command) -> list[inspect.Parameter]:
    return list(inspect.signature(function, eval_str=True).parameters.values())
