"""`orch launch`: starts a coding agent at your own models, with a configuration of its own."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from orch.cli.options import ModelOption
from orch.errors import OrchError, UsageError

if TYPE_CHECKING:
    from orch.cli.clients.endpoint import ClientModel, Endpoint
    from orch.cli.clients.launchable import Launch, LaunchableClient, Merge

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

NAMES = ("claude", "codex", "opencode")
"""The keys of `clients.launchable.LAUNCHABLE`, which shell completion need not load."""


def complete_client(incomplete: str) -> list[str]:
    """Names of clients for shell completion."""
    return [name for name in NAMES if name.startswith(incomplete)]


NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="|".join(NAMES),
        help="The client.",
        autocompletion=complete_client,
        show_default=False,
    ),
]
ArgsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="[-- ARGS]",
        help="Arguments for the client.",
        callback=lambda value: value,  # they may have any bytes, as the client may be given
        show_default=False,
    ),
]
PrintOption = Annotated[
    bool,
    typer.Option(
        "--print", help="Start nothing: print the environment, the files and the command."
    ),
]


class LaunchCommand(TyperCommand):
    """A command that names `--` where it is given an option of the client's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raises UsageError for an option that it does not know."""
        given = list(args)  # Typer empties it
        try:
            return super().parse_args(ctx, args)
        except Exception as error:  # its classes are Typer's own
            option = getattr(error, "option_name", "")
            at = next((at for at, word in enumerate(given) if word.startswith(option)), 0)
            if type(error).__name__ != "NoSuchOption" or not {*given[:at]} & {*NAMES}:
                raise
        words = shlex.join([*given[:at], "--", *given[at:]])
        raise UsageError(
            f"orch launch has no option {option}; options of the client follow --",
            f"orch launch {words}",
        )


@app.command(cls=LaunchCommand)
def launch_command(
    ctx: typer.Context,
    name: NameArgument,
    args: ArgsArgument = [],  # noqa: B006 - Typer copies it
    model: ModelOption = "",
    show: PrintOption = False,
) -> None:
    """Start Claude Code, Codex or OpenCode at your own models, and a server if none is running."""
    from orch.cli.clients.endpoint import AUTO
    from orch.cli.clients.source import chosen_model
    from orch.config import paths

    client = _client(name)
    program = _program(client, required=not show)
    with _endpoint(ctx, start=not show) as endpoint:
        chosen = chosen_model(endpoint, model or AUTO)
        if chosen.name not in [each.name for each in endpoint.models]:  # an alias, other spelling
            endpoint = replace(endpoint, models=(*endpoint.models, chosen))
        folder = paths.data_dir() / "clients" / name
        launch = _prepared(client, endpoint, chosen, folder)
        if show:
            _print(client, launch, folder, args)
            return
        _warn(client, endpoint, chosen)
        environment = _environment(client, launch, needs_key=endpoint.needs_key)
        _write_files(folder, launch.files)
        _become(program, [client.program, *args], environment)


def _client(name: str) -> LaunchableClient:
    from orch.cli.clients.launchable import LAUNCHABLE

    if name not in LAUNCHABLE:
        raise UsageError(
            f"orch launch does not know {name!r}",
            f"one of: {', '.join(LAUNCHABLE)}; orch config client prints the settings of others",
        )
    return LAUNCHABLE[name]


def _program(client: LaunchableClient, *, required: bool) -> str:
    """The path of the client. Raises UsageError where it is not installed."""
    import shutil

    path = shutil.which(client.program)
    if path is None and required:
        raise UsageError(
            f"{client.title} is not installed: there is no {client.program} on PATH",
            client.install_command,
        )
    return path or client.program


@contextmanager
def _endpoint(ctx: typer.Context, *, start: bool) -> Iterator[Endpoint]:
    """The running server, or one that is started, which ends where its client can't be started;
    without `start`, what would be served."""
    from orch.cli import render
    from orch.cli.clients.source import current_endpoint, endpoint_of_server
    from orch.cli.commands import serve

    if not start or serve.server_info() is not None:
        yield current_endpoint(ctx)
        return
    info, is_own = _start_server(ctx)
    try:
        yield endpoint_of_server(info)
    except OrchError:
        if is_own and serve.end_server(info["pid"]):
            render.print_stderr("the server has stopped")
        raise


def _start_server(ctx: typer.Context) -> tuple[dict[str, Any], bool]:
    """A new server's description of itself, and True; that of another one which somebody else has
    started at the same moment, and False."""
    from orch.cli import context, render
    from orch.cli.commands import serve

    serve.check_packages(*serve.PAGE_PACKAGES)
    chosen = context.chosen_config_dir(ctx)
    config = ["--config", str(chosen)] if chosen else []
    try:
        info = serve.start_in_background([*config, "serve", "--port", str(_free_port())])
    except OrchError:
        other = serve.starting_server()  # another terminal's, at the same moment
        if other is None:
            raise
        return other, False
    render.print_stderr(
        f"started a server at {info['url']} (process {info['pid']}); orch serve stop ends it"
    )
    return info, True


def _free_port() -> int:
    """The usual port; 0, which stands for any, where another program has it."""
    import socket

    from orch.cli.commands.serve import DEFAULT_PORT

    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", DEFAULT_PORT))
        return DEFAULT_PORT
    return 0


def _prepared(
    client: LaunchableClient, endpoint: Endpoint, model: ClientModel, folder: Path
) -> Launch:
    from orch.cli.clients.launchable import past_proxies

    launch = client.prepare(endpoint, model, folder)
    direct = past_proxies(os.environ, endpoint.url)
    return replace(launch, environment={**direct, **launch.environment})


def _warn(client: LaunchableClient, endpoint: Endpoint, model: ClientModel) -> None:
    from orch.cli import render

    if not endpoint.installed:
        render.print_warning("no model can answer now; orch health shows why")
    elif not model.tools:
        render.print_warning(
            f"no model can call tools, so {client.title} can't read or change files;"
            " orch setup finds one that can"
            if endpoint.names.is_auto(model.name)
            else f"{model.name} can't call tools, so {client.title} can't read or change files"
        )
    if 0 < model.context < client.least_context:
        render.print_warning(
            f"{model.name} holds {model.context:,} tokens; {client.title} needs about"
            f" {client.least_context:,} to get anywhere, with its own instructions"
        )


def _environment(client: LaunchableClient, launch: Launch, *, needs_key: bool) -> dict[str, str]:
    from orch.cli.clients.launchable import environment_of
    from orch.cli.clients.source import key_of_environment

    environment = environment_of(
        os.environ, client, launch, key_of_environment() if needs_key else ""
    )
    if not sys.flags.safe_path:
        environment.pop("PYTHONSAFEPATH", None)  # orch's own, not the user's
    return environment


def _write_files(folder: Path, files: Mapping[str, Merge]) -> None:
    """Writes the client's files for its owner only; one that can't be merged is kept as NAME.bak.

    Raises OrchError where they can't be written.
    """
    from orch.cli import render
    from orch.config import paths

    try:
        for name, merge in files.items():
            path = folder / name
            try:
                existing = path.read_text(encoding="utf-8") if path.exists() else ""
                text = merge(existing)
            except ValueError:  # also of bytes that are no text
                path.replace(path.with_name(f"{name}.bak"))
                render.print_warning(f"{path} could not be read, and is now {name}.bak")
                existing, text = "", merge("")
            if text != existing:
                paths.write_private(path, text)
    except (OSError, UnicodeError) as error:
        raise OrchError(f"{folder} can't be written: {error}", "set ORCH_HOME") from None


def _print(client: LaunchableClient, launch: Launch, folder: Path, args: list[str]) -> None:
    """Prints what would be done, as lines for a shell; the key is never among them."""
    from orch.cli import render
    from orch.cli.clients.launchable import KEY_REFERENCE

    dropped = sorted(name for name in os.environ if name.startswith(client.dropped))
    lines = ["# environment", *([f"unset {' '.join(dropped)}"] if dropped else [])]
    for name, value in launch.environment.items():
        quoted = f'"{value}"' if value == KEY_REFERENCE else shlex.quote(value)
        lines.append(f"export {name}={quoted}")
    for name, merge in launch.files.items():
        lines += [f"# {folder / name}", *(f"#   {line}" for line in merge("").splitlines())]
    render.print_stdout("\n".join([*lines, "# command", shlex.join([client.program, *args])]))


def _become(program: str, words: list[str], environment: dict[str, str]) -> NoReturn:
    """Runs the client in this process's place, so that signals, the terminal and the exit code are
    its own; where the system can't, as a child."""
    import signal

    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if os.name == "nt":
        import subprocess

        raise SystemExit(subprocess.call([program, *words[1:]], env=environment))
    ignored: Any = getattr(signal, "SIGPIPE", None)
    if ignored is not None:
        signal.signal(ignored, signal.SIG_DFL)  # Python ignores it, and so would the client
    try:
        os.execve(program, words, environment)
    except OSError as error:
        raise OrchError(f"{program} can't be started: {error.strerror}") from None
