"""`orch health`: checks everything that a run needs, with a fix for each problem."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orch.cli import context
from orch.cli.options import Json

if TYPE_CHECKING:
    from orch.execution.health import HealthCheck

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def health_command(
    ctx: typer.Context,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline",
            help=(
                "Contact nothing; list every address that orch may contact, and fail if one is"
                " remote."
            ),
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check everything that a run needs, with a fix for each problem."""
    from orch.cli import render

    if offline:
        raise typer.Exit(_print_addresses(ctx, as_json=as_json))
    rows, could_answer = _check_at_server(ctx) or asyncio.run(_check_here(ctx))
    rows = [*rows, *asyncio.run(servers_to_add(ctx))]
    if as_json:
        render.print_json({"v": 1, "ok": could_answer, "checks": [asdict(row) for row in rows]})
    else:
        render.print_table(
            ("check", "", "latency", "what"),
            [(row.name, row.status, _latency(row), _detail(row)) for row in rows],
            drop=("latency",),
        )
        render.print_stdout(
            "\nready: a task can be answered now"
            if could_answer
            else "\nnot ready: no task can be answered now; orch setup finds a model for this"
            " machine"
        )
    raise typer.Exit(0 if could_answer else 3)


def _print_addresses(ctx: typer.Context, *, as_json: bool) -> int:
    """Prints the addresses that orch may contact; returns the exit code."""
    from orch.cli import render
    from orch.execution.offline_report import reachable_addresses

    addresses = reachable_addresses(context.read_config(ctx))
    beyond = sum(each.scope == "beyond" for each in addresses)
    if as_json:
        render.print_json({"addresses": [each._asdict() for each in addresses]})
        return int(beyond > 0)
    render.print_table(("address", "used by", "scope"), addresses)
    count = f"{beyond:,} of {len(addresses):,} addresses are" if beyond else "no address is"
    render.print_stdout(
        f"\n{count} beyond this machine and private networks; nothing was contacted and no name"
        " was resolved"
    )
    return int(beyond > 0)


def _latency(row: HealthCheck) -> str:
    return f"{row.latency_s * 1000:.1f} ms" if row.latency_s is not None else ""


def _detail(row: HealthCheck) -> str:
    return f"{row.detail} → {row.hint.replace(chr(10), ' && ')}" if row.hint else row.detail


async def _check_here(ctx: typer.Context) -> tuple[list[HealthCheck], bool]:
    from orch.execution.health import run_health_checks

    async with context.open_orchestrator(ctx) as orchestrator:
        return await run_health_checks(orchestrator.runtime)


async def servers_to_add(ctx: typer.Context) -> list[HealthCheck]:
    """A line for each llama-server at a usual port that models.yaml does not have."""
    from orch.execution.health import HealthCheck
    from orch.providers.llama_server.usual_ports import find_servers

    found = await find_servers(context.read_config(ctx).models.providers)
    return [
        HealthCheck(
            f"{each.label} at {each.url}",
            "off",
            f"{'1 model' if each.model_count == 1 else f'{each.model_count:,} models'},"
            " not in models.yaml",
            "to use it, write below providers: in models.yaml (orch config path shows the file):"
            f"{each.block}",
        )
        for each in found
    ]


def _check_at_server(ctx: typer.Context) -> tuple[list[HealthCheck], bool] | None:
    """The checks of a running server, which holds the index of memory open."""
    from orch.cli import via_server
    from orch.execution.health import HealthCheck

    response = via_server.call_server(context.chosen_config_dir(ctx), "/orch/health")
    return (
        ([HealthCheck(**each) for each in response["checks"]], bool(response["ok"]))
        if response
        else None
    )
