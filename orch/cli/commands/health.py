"""`orch health`: every check with its latency, its cause and what to type next."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orch.cli import context

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
                "Ask nothing; list every address that orch could speak to, and fail if one is"
                " beyond."
            ),
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check everything an answer needs, and say what to type next."""
    from orch.cli import render

    if offline:
        raise typer.Exit(_show_reach(ctx, as_json=as_json))
    rows, could_answer = _by_server(ctx) or asyncio.run(_probe(ctx))
    if as_json:
        render.print_json({"v": 1, "ok": could_answer, "checks": [asdict(row) for row in rows]})
    else:
        render.print_table(
            ("check", "", "latency", "what"),
            [(row.name, row.status, _latency(row), _what(row)) for row in rows],
        )
        render.print_stdout(
            "\na task could be answered now"
            if could_answer
            else "\nno task could be answered now: orch setup finds what would serve here"
        )
    raise typer.Exit(0 if could_answer else 3)


def _show_reach(ctx: typer.Context, *, as_json: bool) -> int:
    """Shows how far orch could reach; the exit code."""
    from orch.cli import render
    from orch.execution.reachable_addresses import reachable_addresses

    found = reachable_addresses(context.read_config(ctx))
    beyond = sum(each.scope == "beyond" for each in found)
    if as_json:
        render.print_json({"addresses": [each._asdict() for each in found]})
        return int(beyond > 0)
    render.print_table(("address", "used by", "scope"), found)
    said = (
        f"{beyond:,} of {len(found):,} addresses are beyond this machine and private networks"
        if beyond
        else ""
    )
    render.print_stdout(
        f"\n{said or 'no address is beyond this machine and private networks'}; nothing was asked,"
        " and no name was looked up"
    )
    return int(beyond > 0)


def _latency(row: HealthCheck) -> str:
    return f"{row.latency_s * 1000:.1f} ms" if row.latency_s is not None else ""


def _what(row: HealthCheck) -> str:
    return f"{row.detail} → {row.hint.replace(chr(10), ' && ')}" if row.hint else row.detail


async def _probe(ctx: typer.Context) -> tuple[list[HealthCheck], bool]:
    from orch.execution.health import run_health_checks

    async with context.open_orchestrator(ctx) as orchestrator:
        return await run_health_checks(orchestrator.runtime)


def _by_server(ctx: typer.Context) -> tuple[list[HealthCheck], bool] | None:
    """What a running server finds: it holds the index of memory, which could not be looked at from
    here."""
    from orch.cli import via_server
    from orch.execution.health import HealthCheck

    told = via_server.call_server(context.chosen_config_dir(ctx), "/orch/health")
    return ([HealthCheck(**each) for each in told["checks"]], bool(told["ok"])) if told else None
