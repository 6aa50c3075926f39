"""`orch serve`: the endpoint, in the foreground or behind; stop, status."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import Annotated, Any

import typer

from orch.cli import context
from orch.errors import OrchError, UsageError

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Serve OpenAI's and Ollama's APIs, and orch's own, on this machine.",
)

DEFAULT_PORT = 11_435
REQUIRED_PACKAGES, PAGE_PACKAGES = (
    ("fastapi", "fastapi_offline", "uvicorn", "httptools", "watchfiles", "prometheus_client"),
    ("nicegui", "nh3", "markdown_it", "pygments"),
)
START_TIMEOUT_S, STOP_TIMEOUT_S, KILL_TIMEOUT_S = 30.0, 15.0, 5.0
Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.callback(invoke_without_command=True)
def serve_command(
    ctx: typer.Context,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Where to listen; any but loopback needs --api-key."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65_535, help="0 takes a free one.")
    ] = DEFAULT_PORT,
    api_key: Annotated[
        str,
        typer.Option(
            "--api-key",
            metavar="FILE|VARIABLE",
            help="Keys, one `name: key` a line, or the variable that holds one.",
            show_default=False,
        ),
    ] = "",
    allow_host: Annotated[
        list[str],
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="A host name it also answers to.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    allow_origin: Annotated[
        list[str],
        typer.Option(
            "--allow-origin",
            metavar="ORIGIN",
            help="Pages that may ask it (CORS).",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    max_body_mb: Annotated[
        float, typer.Option("--max-body-mb", metavar="MB", help="The largest request.", min=0.001)
    ] = 32,
    detach: Annotated[
        bool, typer.Option("--detach", help="In the background; orch serve stop ends it.")
    ] = False,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Without the page at /.")] = False,
) -> None:
    """Serve OpenAI's and Ollama's APIs, and orch's own, on this machine."""
    if ctx.invoked_subcommand is not None:
        return
    _needs(*(() if no_ui else PAGE_PACKAGES))
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
        _detach(sys.argv)
        return
    run_server(
        context.chosen_config_dir(ctx),
        ListenAddress(host, port),
        rules,
        ConnectionLimits(),
        with_page=not no_ui,
        announce=render.print_stdout,
    )


def _needs(*more: str) -> None:
    from importlib.util import find_spec

    missing = [name for name in (*REQUIRED_PACKAGES, *more) if find_spec(name) is None]
    if missing:
        from orch.config.installation import install_extra_command

        raise OrchError(f"orch serve needs {', '.join(missing)}", install_extra_command("serve"))


# ---------------------------------------------------------------- in the background


def _detach(argv: list[str]) -> None:
    """Starts the same command without --detach, and waits until it answers. Raises OrchError with
    what it said."""
    import subprocess

    from orch.cli import render
    from orch.config import paths

    there = _known()
    if there:
        raise OrchError(f"orch serves already, {_where(there)}", "orch serve stop")
    log = paths.data_dir() / "serve.log"
    paths.touch_private(log)
    words = [word for word in argv[1:] if word != "--detach"]
    begin = log.stat().st_size
    with log.open("ab") as stream:
        # -P: `-c` puts the working directory first on sys.path, and a cloned folder's yaml.py would
        # run. Not -I, by which PYTHONPATH and a user's own
        # site-packages, where orch may be, would not be looked at.
        command = [sys.executable, "-P", "-c", "from orch.cli.main import main; main()", *words]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
        )
    _until(lambda: "url" in (server_info() or {}) or process.poll() is not None, START_TIMEOUT_S)
    there = server_info()
    if not there or "url" not in there:
        said = log.read_bytes()[begin:].decode("utf-8", "replace").strip()
        raise OrchError(
            "orch serve did not begin:"
            f" {said.splitlines()[0].removeprefix('orch: ') if said else 'it said nothing'}",
            f"see {log}",
        )
    render.print_stdout(
        f"orch serves at {there['url']} (process {there['pid']}); orch serve stop ends it"
    )


def server_info() -> dict[str, Any] | None:
    """What the running server says of itself; None where none runs, `{"stuck": True}` where it does
    not answer."""
    from orch.server.local_client import NoServerError, StuckServerError, request_json

    try:
        return request_json("GET", "/orch/server", timeout_s=5)[1]
    except StuckServerError:
        return {"stuck": True}
    except NoServerError:
        return None


def _known() -> dict[str, Any] | None:
    """The same. Raises OrchError for a server that is there and says nothing of itself."""
    there = server_info()
    if there is not None and "pid" not in there and "stuck" not in there:
        raise OrchError("a server runs, and takes no more connections now", "try again in a moment")
    return there


def _where(there: dict[str, Any]) -> str:
    return (
        "and does not answer" if "stuck" in there else f"at {there['url']} (process {there['pid']})"
    )


def _until(condition: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@app.command("stop")
def serve_stop() -> None:
    """End the running server; answers under way get some seconds, and one that does not end then is
    killed."""
    from orch.cli import render
    from orch.server.instance_lock import lock_holder

    pid = lock_holder()
    if pid is None:
        raise UsageError("no server is running", "orch serve --detach begins one")
    if pid == 0:
        raise OrchError(
            "the server runs in another container or on another machine", "orch serve stop there"
        )
    ended = _ended(pid, signal.SIGTERM, STOP_TIMEOUT_S) or _ended(
        pid, signal.SIGKILL, KILL_TIMEOUT_S
    )
    if not ended:
        raise OrchError(f"process {pid} does not end", f"kill -9 {pid}")
    render.print_stdout(
        "orch serves no more"
        if ended == signal.SIGTERM
        else f"orch serves no more: process {pid} did not end by itself, and was killed"
    )


def _ended(pid: int, number: signal.Signals, seconds: float) -> signal.Signals | None:
    """The signal, if it ended the server: the lock then is nobody's. A stopped process hears
    SIGTERM only when it goes on."""
    from orch.server.instance_lock import lock_holder

    if lock_holder() == pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)
    return number if _until(lambda: lock_holder() != pid, seconds) else None


@app.command("status")
def serve_status(ctx: typer.Context, as_json: Json = False) -> None:
    """Show whether a server runs, and what it does."""
    from orch.cli import render
    from orch.cli.via_server import local_fingerprint
    from orch.server.instance_lock import lock_holder

    there = _known()
    stuck = there is not None and "stuck" in there
    if as_json:
        render.print_json(
            {
                "v": 1,
                "running": there is not None,
                "server": None if stuck else there,
                "stuck": {"pid": lock_holder()} if stuck else None,
            }
        )
    elif there is None:
        render.print_stdout("no server is running")
    elif stuck:
        render.print_stdout(
            f"a server runs (process {lock_holder()}), and does not answer; orch serve stop ends it"
        )
    else:
        same = there["fingerprint"] == local_fingerprint(context.chosen_config_dir(ctx))
        since = f"for {there['uptime_s'] / 60:.0f} min, {there['running']} running"
        render.print_stdout(
            f"orch {there['version']} serves at {there['url']} (process {there['pid']}), {since}"
        )
        if not same:
            render.print_warning(
                "the commands here have another version, folder or configuration: they work alone"
            )
        if there["config_fault"]:
            render.print_warning(
                f"the configuration that stands there now is not used: {there['config_fault']}"
            )
    raise typer.Exit(0 if there and not stuck else 1)
