"""`orch serve`: runs the server in the foreground or background, stops it, shows its status."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from orch.cli import context
from orch.cli.options import Json
from orch.errors import EXIT_CODES, OrchError, UsageError

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Serve OpenAI's, Anthropic's and Ollama's APIs, and orch's own, on this machine.",
)

DEFAULT_PORT = 11_435
REQUIRED_PACKAGES, PAGE_PACKAGES = (
    ("fastapi", "fastapi_offline", "uvicorn", "httptools", "watchfiles", "prometheus_client"),
    ("nicegui", "nh3", "markdown_it", "pygments"),
)
START_TIMEOUT_S, STOP_TIMEOUT_S, KILL_TIMEOUT_S = 30.0, 15.0, 5.0
MOST_OUTPUT_BYTES, MOST_PROBLEMS = 20_000, 20
"""Of a server that did not start: what is read of its output, and lines that are printed."""
HINT_BEGIN = "  try: "
"""How the hint of an error begins where it is printed."""


HostOption = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="Address to listen on; any but loopback needs --api-key."),
]
PortOption = Annotated[
    int, typer.Option(metavar="N", min=0, max=65_535, help="Port; 0 takes a free one.")
]
ApiKeyOption = Annotated[
    str,
    typer.Option(
        "--api-key",
        metavar="FILE|VARIABLE",
        help="File with one `name: key` per line, or a variable that holds a key.",
        show_default=False,
    ),
]
AllowHostOption = Annotated[
    list[str],
    typer.Option(
        "--allow-host",
        metavar="NAME",
        help="Another host name to answer to.",
        show_default=False,
    ),
]
AllowOriginOption = Annotated[
    list[str],
    typer.Option(
        "--allow-origin",
        metavar="ORIGIN",
        help="Origin of pages that may call the server (CORS), or a pattern: http://localhost:*,"
        " vscode-webview://*.",
        show_default=False,
    ),
]
MaxBodyMbOption = Annotated[
    float, typer.Option("--max-body-mb", metavar="MB", help="Largest request body.", min=0.001)
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Run in the background; orch serve stop ends it.")
]
NoUiOption = Annotated[bool, typer.Option("--no-ui", help="Do not serve the page at /.")]


@app.callback(invoke_without_command=True)
def serve_command(
    ctx: typer.Context,
    host: HostOption = "127.0.0.1",
    port: PortOption = DEFAULT_PORT,
    api_key: ApiKeyOption = "",
    allow_host: AllowHostOption = [],  # noqa: B006
    allow_origin: AllowOriginOption = [],  # noqa: B006
    max_body_mb: MaxBodyMbOption = 32,
    detach: DetachOption = False,
    no_ui: NoUiOption = False,
) -> None:
    """Serve OpenAI's, Anthropic's and Ollama's APIs, and orch's own, on this machine."""
    if ctx.invoked_subcommand is not None:
        return
    check_packages(*(() if no_ui else PAGE_PACKAGES))
    from orch.cli import render
    from orch.server.http.connection_limits import ConnectionLimits
    from orch.server.http.keys import ApiKeys
    from orch.server.http.rules import Rules
    from orch.server.process import ListenAddress, run_server

    rules = Rules.for_host(
        host,
        hosts=allow_host,
        origins=allow_origin,
        keys=ApiKeys.read(api_key),
        max_body_bytes=int(max_body_mb * 2**20),
    )
    if detach:
        _detach(sys.argv[1:])
        return
    run_server(
        context.chosen_config_dir(ctx),
        ListenAddress(host, port),
        rules,
        ConnectionLimits(),
        with_page=not no_ui,
        announce=render.print_stdout,
    )


def check_packages(*more: str) -> None:
    from importlib.util import find_spec

    missing = [name for name in (*REQUIRED_PACKAGES, *more) if find_spec(name) is None]
    if missing:
        from orch.config.installation import install_extra_command

        raise OrchError(f"orch serve needs {', '.join(missing)}", install_extra_command("serve"))


# ---------------------------------------------------------------- in the background


def _detach(words: list[str]) -> None:
    """Starts the same command without --detach and says where it serves. Raises OrchError."""
    from orch.cli import render

    info = start_in_background([word for word in words if word != "--detach"])
    render.print_stdout(
        f"orch serves at {info['url']} (process {info['pid']}); orch serve stop ends it"
    )


def start_in_background(words: list[str]) -> dict[str, Any]:
    """Starts `orch WORDS`, a server, waits until it answers and returns its description of itself.

    Raises OrchError with its own error, or the first line of its output, if it does not answer.
    """
    import subprocess

    from orch.config import paths

    info = checked_info()
    if info:
        raise OrchError(f"a server is already running {_where(info)}", "orch serve stop")
    log = paths.data_dir() / "serve.log"
    paths.touch_private(log)
    begin = log.stat().st_size
    with log.open("ab") as stream:
        # -P: `-c` puts the working directory first on sys.path, and a cloned folder's yaml.py would
        # run. Not -I, by which PYTHONPATH and a user's own
        # site-packages, where orch may be, would not be looked at.
        command = [sys.executable, "-P", "-c", "from orch.cli.main import main; main()", *words]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
        )
    _wait_until(
        lambda: "url" in (server_info() or {}) or process.poll() is not None, START_TIMEOUT_S
    )
    info = server_info()
    if not info or "url" not in info:
        if process.poll() is None:
            raise _late_error(process.pid, log)
        raise _start_error(_read_output(log, begin), process.returncode, log)
    return info


def starting_server() -> dict[str, Any] | None:
    """The description of a server that another process has begun to start, once it answers; None
    where none is, or where it ends before."""
    from orch.server.instance_lock import lock_holder

    _wait_until(lambda: "url" in (server_info() or {}) or lock_holder() is None, START_TIMEOUT_S)
    info = server_info()
    return info if info and "url" in info else None


def _read_output(log: Path, begin: int) -> list[str]:
    """The first lines behind that position of a log."""
    with log.open("rb") as stream:
        stream.seek(begin)
        return stream.read(MOST_OUTPUT_BYTES).decode("utf-8", "replace").strip().splitlines()


def _late_error(process_id: int, log: Path) -> OrchError:
    """The error of a server that has neither answered nor ended."""
    return OrchError(
        f"orch serve has not answered within {START_TIMEOUT_S:g} s; it goes on starting "
        f"(process {process_id}) and writes to {log}",
        "orch health says whether it answers now; orch serve stop ends it",
    )


def _start_error(output: list[str], exit_code: int | None, log: Path) -> OrchError:
    """The error that a server printed as it ended; of other output, such as a traceback, the first
    line."""
    first, *rest = output or ["it printed nothing"]
    if not first.startswith("orch: "):
        rest = []
    hint_at = next((n for n, line in enumerate(rest) if line.startswith(HINT_BEGIN)), len(rest))
    problems, hint = rest[:hint_at], [line.removeprefix("  ") for line in rest[hint_at:]]
    if len(problems) > MOST_PROBLEMS:
        problems, hint = problems[:MOST_PROBLEMS], []
    return OrchError(
        "\n".join([f"orch serve did not start: {first.removeprefix('orch: ')}", *problems]),
        "\n".join(hint).removeprefix(HINT_BEGIN.strip()).strip() or f"see {log}",
        code="config" if exit_code == EXIT_CODES["config"] else "",
    )


def server_info() -> dict[str, Any] | None:
    """The running server's description of itself; None where none runs, `{"stuck": True}` where it
    does not answer."""
    from orch.server.local_client import NoServerError, StuckServerError, request_json

    try:
        return request_json("GET", "/orch/server", timeout_s=5)[1]
    except StuckServerError:
        return {"stuck": True}
    except NoServerError:
        return None


def checked_info() -> dict[str, Any] | None:
    """`server_info`. Raises OrchError for a server that takes no more connections."""
    info = server_info()
    if info is not None and "pid" not in info and "stuck" not in info:
        raise OrchError("the server takes no more connections now", "try again in a moment")
    return info


def _where(info: dict[str, Any]) -> str:
    return "but does not answer" if "stuck" in info else f"at {info['url']} (process {info['pid']})"


def _wait_until(condition: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@app.command("stop")
def serve_stop() -> None:
    """Stop the running server. Running answers get some seconds; then the server is killed."""
    from orch.cli import render
    from orch.server.instance_lock import lock_holder

    pid = lock_holder()
    if pid is None:
        raise UsageError("no server is running", "orch serve --detach starts one")
    if pid == 0:
        raise OrchError(
            "the server runs in another container or on another machine",
            "type orch serve stop there",
        )
    ended = end_server(pid)
    if not ended:
        raise OrchError(f"process {pid} does not exit", f"kill -9 {pid}")
    render.print_stdout(
        "the server has stopped"
        if ended == signal.SIGTERM
        else f"the server was killed: process {pid} did not exit by itself"
    )


def end_server(pid: int) -> signal.Signals | None:
    """Ends the server of that process; returns the signal that did, None if none does."""
    return _end_with(pid, signal.SIGTERM, STOP_TIMEOUT_S) or _end_with(
        pid, signal.SIGKILL, KILL_TIMEOUT_S
    )


def _end_with(pid: int, number: signal.Signals, seconds: float) -> signal.Signals | None:
    """The signal, if it ended the server, which then has released its lock.

    A stopped process receives SIGTERM only after SIGCONT.
    """
    from orch.server.instance_lock import lock_holder

    if lock_holder() == pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)
    return number if _wait_until(lambda: lock_holder() != pid, seconds) else None


@app.command("status")
def serve_status(ctx: typer.Context, as_json: Json = False) -> None:
    """Show whether a server is running, and its load."""
    from orch.cli import render
    from orch.cli.via_server import local_fingerprint
    from orch.server.instance_lock import lock_holder

    info = checked_info()
    stuck = info is not None and "stuck" in info
    if as_json:
        render.print_json(
            {
                "v": 1,
                "running": info is not None,
                "server": None if stuck else info,
                "stuck": {"pid": lock_holder()} if stuck else None,
            }
        )
    elif info is None:
        render.print_stdout("no server is running")
    elif stuck:
        render.print_stdout(
            f"a server is running (process {lock_holder()}) but does not answer;"
            " orch serve stop ends it"
        )
    else:
        same = info["fingerprint"] == local_fingerprint(context.chosen_config_dir(ctx))
        since = f"for {info['uptime_s'] / 60:.0f} min, {info['running']} running"
        render.print_stdout(
            f"orch {info['version']} serves at {info['url']} (process {info['pid']}), {since}"
        )
        if not same:
            render.print_warning(
                "commands here have another version, folder or configuration and do not use this"
                " server"
            )
        if info["config_fault"]:
            render.print_warning(
                f"the present configuration is invalid and not used: {info['config_fault']}"
            )
    raise typer.Exit(0 if info and not stuck else 1)
