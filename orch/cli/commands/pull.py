"""`orch models pull`: what the model will take, then the download, which Ctrl-C leaves to be
continued."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from orch.cli import context
from orch.errors import OrchError

if TYPE_CHECKING:
    from orch.execution.recommending.forecast import FitForecast
    from orch.execution.runtime import Runtime


def models_pull(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    provider: Annotated[
        str, typer.Option(help="Provider to download it into: an Ollama or LM Studio.")
    ] = "",
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow a registry of your own without TLS.")
    ] = False,
) -> None:
    """Download a model into Ollama. Stopped, it goes on with the same command."""
    asyncio.run(_pull(ctx, model, provider, insecure=insecure))


async def _pull(ctx: typer.Context, name: str, provider: str, *, insecure: bool) -> None:
    from orch.cli import render
    from orch.cli.signals import cancel_on_signals
    from orch.execution.recommending.forecast import check_disk, forecast_pull

    async with context.open_orchestrator(ctx) as orchestrator:
        codes = cancel_on_signals()
        try:
            forecast = await forecast_pull(orchestrator.runtime, name, provider)
            print_forecast(forecast)
            check_disk(forecast)
            await _download(orchestrator.runtime, name, provider, insecure=insecure)
        except asyncio.CancelledError:
            raise stopped(
                typed(name, provider, insecure=insecure), codes[0] if codes else "interrupted"
            ) from None
    render.print_stdout(f"{name} is installed")


async def _download(runtime: Runtime, name: str, provider: str, *, insecure: bool) -> None:
    from orch.cli import render
    from orch.execution.pulling import pull_model

    with render.ProgressBar(name) as progress:
        async for step in pull_model(runtime.providers, name, provider, insecure=insecure):
            progress.update(step.status, step.completed_bytes, step.total_bytes or None)


def print_forecast(forecast: FitForecast) -> None:
    """What the model will take, on stderr; a warning where it seems too large."""
    from orch.cli import render
    from orch.execution.recommending.forecast import disk_warning, forecast_text, forecast_warning
    from orch.text.lines import one_line

    render.print_stderr(one_line(forecast_text(forecast)))
    for warning in filter(None, (forecast_warning(forecast), disk_warning(forecast))):
        render.print_warning(warning)


def typed(name: str, provider: str, *, insecure: bool) -> str:
    """The command that downloads this."""
    options = (f" --provider {provider}" if provider else "", " --insecure" if insecure else "")
    return f"orch models pull {name}{''.join(options)}"


def stopped(command: str, code: str) -> OrchError:
    """The error of a download that a signal stopped."""
    return OrchError("the download is stopped; what came is kept", f"{command} goes on", code=code)
