"""The READMEs' table of commands and the command reference, from the Typer app."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click
from typer.main import get_command

from orch.cli import main
from orch.errors import EXIT_CODES
from tests.readme import spanish
from tests.readme.markup import cell, code, table

HEADS = {"en": ("command", "what it does"), "es": ("comando", "qué hace")}
EXITS = {
    0: "There is an answer.",
    1: "Something else went wrong.",
    2: "The command line, the configuration or the input is invalid.",
    3: "No provider can be reached.",
    4: "The model is not installed.",
    5: "The task does not fit the context.",
    6: "Timed out.",
    7: "Every candidate failed; with `-m`, that model failed.",
    129: "The terminal was closed (SIGHUP); the partial answer is kept.",
    130: "Interrupted (Ctrl-C); the partial answer is kept.",
    141: "The reader closed the pipe (`| head -1`).",
    143: "Terminated (SIGTERM); the partial answer is kept.",
}


def overview(language: str) -> str:
    """The table of the commands, one row each."""
    rows = [
        (name, spanish.COMMANDS[name] if language == "es" else about)
        for name, (_, about) in main.COMMANDS.items()
    ]
    return table(HEADS[language], [(f"`orch {name}`", cell(about)) for name, about in rows])


def exit_codes() -> str:
    """Each exit code with its meaning."""
    return table(
        ("exit code", "meaning"),
        [(f"`{number}`", cell(EXITS[number])) for number in sorted({0, *EXIT_CODES.values()})],
    )


def reference() -> str:
    """Every command and subcommand: usage, help, arguments and options."""
    parts = list(_command("orch", get_command(main.app), with_subcommands=False))
    for name, (module, _) in main.COMMANDS.items():
        parts += _command(f"orch {name}", get_command(import_module(module).app))
    return "\n\n".join(parts)


def _command(path: str, command: Any, *, with_subcommands: bool = True) -> Iterator[str]:
    yield f"{'###' if path.count(' ') > 1 else '##'} {path}"
    yield " ".join((command.help or "").split("\n\n")[0].split())
    usage = " ".join(command.collect_usage_pieces(click.Context(command, info_name=path)))
    yield f"```text\n{path} {usage}\n```"
    yield from (part for part in (_arguments(command), _options(command)) if part)
    if with_subcommands:
        for name, below in getattr(command, "commands", {}).items():
            yield from _command(f"{path} {name}", below)


def _arguments(command: Any) -> str:
    rows = [
        (code(_metavar(param)), cell(param.help))
        for param in command.params
        if param.param_type_name == "argument" and param.help
    ]
    return table(("argument", "meaning"), rows) if rows else ""


def _options(command: Any) -> str:
    shown = [
        param
        for param in command.params
        if param.param_type_name == "option" and not param.hidden and param.name != "help"
    ]
    rows = [(code(_names(param)), cell(param.help or ""), _default(param)) for param in shown]
    return table(("option", "meaning", "default"), rows) if rows else ""


def _names(param: Any) -> str:
    names = ", ".join((*param.opts, *param.secondary_opts))
    metavar = "" if param.is_flag else _metavar(param)
    return f"{names} {metavar}".strip()


def _metavar(param: Any) -> str:
    return str(param.make_metavar(click.Context(click.Command("orch"))))


def _default(param: Any) -> str:
    value = param.default
    if param.secondary_opts and value is not None:
        return code(param.opts[0] if value else param.secondary_opts[0])
    if param.is_flag or not isinstance(value, (str, int, float)) or value == "":
        return ""
    return code(str(value))
