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
    """Model ids and aliases of models.yaml for shell completion, without network access.

    Ids with terminal control characters are left out: the shell writes them to its terminal.
    """
    from orch.config.load import load_config
    from orch.text.terminal import sanitize_text

    try:
        models = load_config().models
        ids = [*(spec.id for spec in models.models), *models.aliases]
    except OrchError:
        return []
    return [each for each in ids if each.startswith(incomplete) and each == sanitize_text(each)]


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
RunJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, also on failure.")]
NoStdin = Annotated[
    bool, typer.Option("--no-stdin", help="Do not read stdin (for loops and cron).")
]
Since = Annotated[
    str,
    typer.Option(
        help="Start of the period: 24h, 7d, …, or a date such as 2026-11-01.", show_default=False
    ),
]
Continue = Annotated[bool, typer.Option("-c", "--continue", help="Continue the last conversation.")]


WordsOption = Annotated[
    list[str],
    typer.Argument(
        metavar="[TASK] [-]", help="The task; - reads it from stdin.", show_default=False
    ),
]
ModelOption = Annotated[
    str,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        help="Use this model.",
        autocompletion=complete_model,
        show_default=False,
    ),
]
TaskTypeOption = Annotated[
    str,
    typer.Option(
        "-t",
        "--type",
        metavar="TYPE",
        help="Task type, instead of the detected one.",
        show_default=False,
    ),
]
SpeedOption = Annotated[bool, typer.Option("--speed", help="Prefer the fastest answer.")]
QualityOption = Annotated[bool, typer.Option("--quality", help="Prefer the best answer.")]
ProfileOption = Annotated[
    str,
    typer.Option("--profile", metavar="NAME", help="Profile of routing.yaml.", show_default=False),
]
DialOption = Annotated[
    float | None,
    typer.Option(
        "--dial",
        metavar="0..10",
        help="0: speed only, 5: balanced, 10: quality only.",
        show_default=False,
    ),
]
LoadedOption = Annotated[
    bool, typer.Option("--loaded", help="Use only loaded models, if one can take the task.")
]
SystemOption = Annotated[
    str,
    typer.Option("-s", "--system", metavar="TEXT", help="System prompt.", show_default=False),
]
FilesOption = Annotated[
    list[str],
    typer.Option(
        "-f",
        "--file",
        metavar="FILE",
        help="File to attach; can be repeated.",
        show_default=False,
    ),
]
ContextOption = Annotated[
    list[str],
    typer.Option(
        "--context",
        metavar="TEXT",
        help="Fact to add to the task; can be repeated.",
        show_default=False,
    ),
]
OptionOption = Annotated[
    list[str],
    typer.Option(
        "-o",
        metavar="KEY=VALUE",
        help="Sampling option such as temperature=0; can be repeated.",
        show_default=False,
    ),
]


def task_options(
    words: WordsOption = [],  # noqa: B006 - Typer copies it
    model: ModelOption = "",
    task_type: TaskTypeOption = "",
    speed: SpeedOption = False,
    quality: QualityOption = False,
    profile: ProfileOption = "",
    dial: DialOption = None,
    loaded: LoadedOption = False,
    system: SystemOption = "",
    files: FilesOption = [],  # noqa: B006
    context: ContextOption = [],  # noqa: B006
    option: OptionOption = [],  # noqa: B006
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
