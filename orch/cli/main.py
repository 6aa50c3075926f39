"""The `orch` command: loads subcommands on demand and turns errors into exit codes."""

from __future__ import annotations

import gc
import os
import shlex
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from orch.config.version import VERSION
from orch.text.terminal import sanitize_streams

COMMANDS = {
    "run": (
        "orch.cli.commands.run",
        "Run a task on the model that will give a good answer soonest.",
    ),
    "chat": ("orch.cli.commands.chat", "Chat with your models in the terminal."),
    "route": (
        "orch.cli.commands.route",
        "Show which model would be chosen for a task, and why, without running it.",
    ),
    "classify": (
        "orch.cli.commands.classify",
        "Classify a text by task type, or each line of a JSONL file (`text` or `task`).",
    ),
    "setup": (
        "orch.cli.commands.setup.command",
        "Find models that suit this machine, and install one if you agree.",
    ),
    "models": ("orch.cli.commands.models", "List, recommend, download and add models."),
    "health": (
        "orch.cli.commands.health",
        "Check everything that a run needs, with a fix for each problem.",
    ),
    "memory": ("orch.cli.commands.memory", "Search, list, add and delete memories."),
    "journal": ("orch.cli.commands.journal", "Export, back up and restore the journal of runs."),
    "cache": ("orch.cli.commands.cache", "Inspect and delete cached answers."),
    "stats": (
        "orch.cli.commands.stats",
        "Show measured times, errors and fallbacks by model and by task type.",
    ),
    "bench": (
        "orch.cli.commands.bench.command",
        "Measure the speed of your models or, with --quality, how good their answers are.",
    ),
    "rate": (
        "orch.cli.commands.rate",
        "Rate an answer or correct its task type, to improve later decisions.",
    ),
    "replay": (
        "orch.cli.commands.replay",
        "Show which recorded decisions would change under another configuration.",
    ),
    "serve": (
        "orch.cli.commands.serve",
        "Serve OpenAI's, Anthropic's and Ollama's APIs, and orch's own, on this machine.",
    ),
    "mcp": (
        "orch.cli.commands.mcp.command",
        "Serve orch's tools to a program that speaks MCP, over stdin and stdout.",
    ),
    "launch": (
        "orch.cli.commands.launch",
        "Start Claude Code, Codex or OpenCode at your own models, and a server if none is running.",
    ),
    "page": ("orch.cli.commands.page", "Open the running server's page in your browser."),
    "config": (
        "orch.cli.commands.config",
        "Validate, show and create models.yaml and routing.yaml.",
    ),
}
"""Name to module and short help, so that `orch --help` imports no command.

A test compares them with the modules.
"""


TEXTS, FILES = ("TASK", "TEXT", "QUERY"), ("FILE", "DIR")
"""Words in the metavar of an option that takes a text, or a file name."""


class LazyGroup(TyperGroup):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Imports the command; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command = get_command(import_module(COMMANDS[cmd_name][0]).app)
        command.name = cmd_name
        _check_bytes(command)
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that argv names. Raises UsageError with the closest one."""
        if args[0] in COMMANDS or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches

        from orch.errors import UsageError

        near = get_close_matches(args[0], COMMANDS, n=1)
        hint = (
            f"orch {near[0]}"
            if near
            else (
                f"orch run {shlex.quote(' '.join(args))}"
                if " " in args[0]
                else "orch --help lists the commands"
            )
        )
        raise UsageError(f"unknown command {args[0]!r}", hint)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command. A closed stdout has an exit code of its own: Typer's is 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            from orch.errors import EXIT_CODES

            raise typer.Exit(EXIT_CODES["reader_gone"]) from None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


def _check_bytes(command: Any) -> None:
    """Checks the options and arguments of a command and its subcommands for bytes that are not
    UTF-8."""
    for param in command.params:
        param.callback = param.callback or _readable
    for below in getattr(command, "commands", {}).values():
        _check_bytes(below)


def _readable(ctx: Any, param: Any, value: Any) -> Any:
    """A value as UTF-8, whatever the locale by which Python decoded argv. Raises UsageError where
    bytes that are not UTF-8 are part of a name.

    In a text they become replacement characters; a file's name may have any bytes.
    """
    given, takes = (
        value if isinstance(value, (list, tuple)) else [value],
        param.metavar or param.name,
    )
    escaped = [each for each in given if isinstance(each, str) and _has_surrogates(each)]
    if not escaped or any(word in takes for word in FILES):
        return value
    if not any(word in takes for word in TEXTS):
        _check_name(ctx, param.opts[-1] if param.opts[-1].startswith("-") else takes, escaped)
    if isinstance(value, (list, tuple)):
        return type(value)(map(_as_utf8, given))
    return _as_utf8(value)


def _check_name(ctx: Any, option: str, escaped: list[str]) -> None:
    from orch.errors import UsageError

    for name in escaped:
        try:
            name.encode("utf-8", "surrogateescape").decode("utf-8")
        except UnicodeError:
            message = f"{option}: {name!r} is not UTF-8"
            raise UsageError(message, f"{ctx.command_path} --help") from None


def _has_surrogates(text: str) -> bool:
    """Whether Python could not decode some bytes of argv. Each became a surrogate: also a byte of
    valid UTF-8, in the C locale without UTF-8 mode."""
    return not text.isascii() and text != _as_utf8(text)


def _as_utf8(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


app = typer.Typer(
    cls=LazyGroup, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True
)


@app.callback(
    invoke_without_command=True,
    epilog=(
        'One-liners: orch run "What is a mutex?" · git diff | orch run "review this" - · orch route'
        ' "Design a schema"'
    ),
)
def orch(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Show the version.")
    ] = False,
    config: Annotated[
        str,
        typer.Option(
            "--config",
            metavar="DIR",
            help="Folder with models.yaml and routing.yaml.",
            show_default=False,
        ),
    ] = "",
    models: Annotated[bool, typer.Option("--models", hidden=True)] = False,
    health: Annotated[bool, typer.Option("--health", hidden=True)] = False,
) -> None:
    """One command for all your local models: classifies a task, chooses the model, runs it, and
    says why."""
    if version:
        typer.echo(f"orch {VERSION}")
        raise typer.Exit()
    if models or health:
        alias = "models" if models else "health"
        aliased = get_command(import_module(COMMANDS[alias][0]).app)
        with aliased.make_context(f"orch {alias}", [], parent=ctx) as sub:
            aliased.invoke(sub)


def main() -> None:
    """Entry point of the `orch` command."""
    _leave(command())


def command() -> int:
    """Runs the command of argv and returns the exit code of the process."""
    # a short process makes little garbage: collecting it 30 times while importing costs 0.8x
    # `python -c pass`
    gc.set_threshold(100_000, 20, 50)
    # for Python processes that libraries start (multiprocessing's resource tracker by `-c`): they
    # look for modules in the working directory first
    os.environ["PYTHONSAFEPATH"] = "1"
    _mend_streams()
    sanitize_streams()
    try:
        app(prog_name="orch")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except (Exception, KeyboardInterrupt) as problem:
        return _exit_code(problem)
    return 0


def _mend_streams() -> None:
    """Gives closed streams /dev/null (or the journal would get their number), and makes the others
    speak UTF-8, whatever the locale."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))
        elif stream.encoding.lower() not in ("utf-8", "utf8"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _exit_code(problem: BaseException) -> int:
    """Prints an error and returns its exit code; unexpected exceptions are raised again."""
    # 1.3x `python -c pass` that --help need not pay
    from orch.cli import render
    from orch.errors import EXIT_CODES, OrchError

    if isinstance(problem, OrchError):
        render.print_error(problem)
        return problem.exit_code
    if isinstance(problem, BrokenPipeError):
        return EXIT_CODES["reader_gone"]
    if isinstance(problem, KeyboardInterrupt):
        return EXIT_CODES["interrupted"]
    if isinstance(problem, OSError):  # a full disk behind stdout, and its like
        render.print_stderr(
            "orch:"
            f" {problem.strerror or problem}{f': {problem.filename}' if problem.filename else ''}"
        )
        return EXIT_CODES["error"]
    raise problem


def _leave(code: int) -> None:
    """Ends the process at once: taking 400 modules apart would cost 2.6x `python -c pass`, and
    everything is closed by now."""
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # there is no such stream, or its reader is gone
    os._exit(code)
