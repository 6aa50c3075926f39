"""`orch mcp`: serves the tools over stdin and stdout, until the client closes stdin."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import typer

from orch.cli import context
from orch.errors import EXIT_CODES, OrchError

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Serve orch's tools to a program that speaks MCP, over stdin and stdout.",
)
EXAMPLE = "Example: claude mcp add orch -- orch mcp"


@app.command(epilog=EXAMPLE)
def mcp_command(ctx: typer.Context) -> None:
    """Serve orch's tools to a program that speaks MCP, over stdin and stdout.

    ask, route, classify, memory_search, memory_add, models. A program that speaks MCP over HTTP
    finds the same at /mcp of orch serve.
    """
    _check_package()
    from orch.cli import render

    if sys.stdin.isatty():
        render.print_stderr(f"orch mcp waits for a client's messages on stdin. {EXAMPLE}")
    # what any library prints must not get between the messages
    wire = os.dup(1)
    os.dup2(2, 1)
    code = asyncio.run(_serve(context.chosen_config_dir(ctx), wire))
    if code:
        # a thread may still be reading stdin: nothing is left to be done
        raise typer.Exit(EXIT_CODES[code])


def _check_package() -> None:
    from orch.config.installation import has_mcp_sdk, install_extra_command

    if not has_mcp_sdk():
        raise OrchError("orch mcp needs the package mcp", install_extra_command("serve"))


async def _serve(config_dir: Path | None, wire: int) -> str:
    """Serves until the end; returns the code of the signal that ended it, if one did."""
    from orch.cli.commands.mcp.backend import LocalOrRunning
    from orch.cli.signals import cancel_on_signals
    from orch.mcp.protocol import create_server
    from orch.mcp.stdio import serve_stdio

    codes, backend = cancel_on_signals(), LocalOrRunning(config_dir)
    try:
        await serve_stdio(create_server(lambda _: backend, _log_fault), 0, wire)
    except* OSError:
        pass  # the client is gone
    except* asyncio.CancelledError:
        pass
    finally:
        await backend.aclose()
    return codes[0] if codes else ""


def _log_fault(error: Exception) -> None:
    from orch.cli import render
    from orch.server.http.errors import error_location

    render.print_stderr(f"orch mcp: {error_location(error)}")
