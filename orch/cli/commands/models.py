"""`orch models`: lists, shows, downloads, adds, loads and unloads models."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context
from orch.cli.commands.pull import models_pull, print_forecast
from orch.cli.commands.recommend import models_recommend
from orch.cli.options import Json
from orch.errors import ConfigError, OrchError

if TYPE_CHECKING:
    from orch.orchestrator import Orchestrator
    from orch.routing.model_state import ModelState
    from orch.routing.registry import Inventory

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="List, recommend, download and add models.",
)

_UNTOLD = ("resident", "size_bytes", "parameters_b", "context_window", "num_ctx", "capabilities")
"""What a server may leave open of a model that it has: shown as `?`."""
ModelId = Annotated[str, typer.Argument(metavar="ID", show_default=False)]


@app.callback(invoke_without_command=True)
def models_command(ctx: typer.Context, as_json: Json = False) -> None:
    """List, recommend, download and add models."""
    if ctx.invoked_subcommand is not None:
        return
    from orch.cli import render
    from orch.routing.catalog import describe

    orchestrator = context.open_orchestrator(ctx)
    inventory = asyncio.run(_read_inventory(orchestrator))
    if as_json:
        render.print_json(
            {
                "v": 1,
                "models": [describe(state) for state in inventory.states],
                "aliases": inventory.names.aliases,
                "down": dict(inventory.unreachable),
            }
        )
        return
    columns = (
        "model",
        "provider",
        "state",
        "size",
        "context",
        "can",
        "quality",
        "speed",
        "good at",
    )
    grades = orchestrator.runtime.journal.feedback.mean_grades()
    render.print_table(
        columns,
        [_row(state, grades.get(state.key)) for state in inventory.states],
        drop=("can", "context", "provider", "size", "good at", "speed", "quality"),
    )
    if aliases := inventory.names.aliases.items():
        render.print_stdout("")
        render.print_table(("alias", "stands for"), [[*alias] for alias in aliases])
    for name, why in inventory.unreachable.items():
        render.print_warning(f"provider {name}: {why}")
    for warning in orchestrator.runtime.journal.warnings:
        render.print_warning(warning)


@app.command("show")
def models_show(ctx: typer.Context, model: ModelId, as_json: Json = False) -> None:
    """Show everything known about a model."""
    from orch.cli import render
    from orch.routing.catalog import describe
    from orch.routing.lookup import resolve_model

    orchestrator = context.open_orchestrator(ctx)
    state = resolve_model(asyncio.run(_read_inventory(orchestrator)), model)
    journal = orchestrator.runtime.journal
    known = describe(state) | {
        "speed_measured_with": journal.timings.benchmark_servers(state.key),
        "graded_with": journal.feedback.graded_servers(state.key),
    }
    if as_json:
        render.print_json({"v": 1, **known})
        return
    told = state.is_installed and state.spec.gguf is None
    render.print_fields(
        (
            (key, "?" if told and value is None and key in _UNTOLD else _format_value(value))
            for key, value in known.items()
        ),
        20,
    )


app.command("recommend")(models_recommend)
app.command("pull")(models_pull)


@app.command("add")
def models_add(
    ctx: typer.Context,
    model: ModelId,
    provider: Annotated[
        str, typer.Option(help="Provider that has it. Default: the only one.")
    ] = "",
) -> None:
    """Add an installed model to models.yaml, with the facts that its provider gives."""
    from orch.cli import render
    from orch.config.edit import models as edit_models
    from orch.execution.recommending.forecast import forecast_installed
    from orch.routing.model_entry import model_entry

    orchestrator = context.open_orchestrator(ctx)
    inventory, state = asyncio.run(_find_model_to_add(orchestrator, model, provider))
    name = state.spec.id
    if not state.is_remote_denied:
        forecast = forecast_installed(orchestrator.runtime, inventory, state)
        print_forecast(asyncio.run(forecast))
    path = edit_models.ensure_own_file(context.chosen_config_dir(ctx))
    edit_models.add_model(path, model_entry(state), guessed=edit_models.GUESSED)
    render.print_stdout(f"added {name} to {path}")
    if state.is_remote_denied:
        from orch.providers.remote_models import display_host

        render.print_warning(
            f"it runs at {display_host(state.remote_host)}, and is never used unless its entry says"
            " remote: allow"
        )


@app.command("load")
def models_load(ctx: typer.Context, model: ModelId) -> None:
    """Load a model into memory, so that its next answer starts at once."""
    _load_or_unload(ctx, "load", model)


@app.command("unload")
def models_unload(ctx: typer.Context, model: ModelId) -> None:
    """Unload a model from memory."""
    _load_or_unload(ctx, "unload", model)


def _load_or_unload(ctx: typer.Context, action: str, model: str) -> None:
    """Loads or unloads at the running server, which knows what is in use, else here."""
    from orch.cli import render, via_server

    response = via_server.call_server(
        context.chosen_config_dir(ctx), f"/orch/models/{action}", {"model": model}
    )
    render.print_stdout(
        response["said"] if response else asyncio.run(_load_or_unload_here(ctx, action, model))
    )


async def _load_or_unload_here(ctx: typer.Context, action: str, model: str) -> str:
    async with context.open_orchestrator(ctx) as orchestrator:
        loader = orchestrator.runtime.loader
        return await (loader.load if action == "load" else loader.unload)(model)


# ---------------------------------------------------------------- reading


async def _read_inventory(orchestrator: Orchestrator) -> Inventory:
    async with orchestrator:
        return await orchestrator.runtime.registry.snapshot(with_unlisted=True)


async def _find_model_to_add(
    orchestrator: Orchestrator, name: str, provider: str
) -> tuple[Inventory, ModelState]:
    from orch.routing.lookup import resolve_model
    from orch.text.model_names import is_same_model

    listed = [
        spec for spec in orchestrator.runtime.config.models.models if is_same_model(spec.id, name)
    ]
    if listed:
        raise ConfigError(f"{name} is already in models.yaml", f"orch models show {name}")
    inventory = await _read_inventory(orchestrator)
    states = [
        s
        for s in inventory.states
        if is_same_model(s.spec.id, name) and provider in ("", s.spec.provider)
    ]
    if not states:
        resolve_model(inventory, f"{provider}/{name}" if provider else name)
        raise OrchError(
            f"{provider} has no model {name!r}",
            "orch models lists what is installed",
            code="model_not_found",
        )
    return inventory, states[0]


# ---------------------------------------------------------------- printing


def _row(state: ModelState, grade: tuple[float, int] | None) -> tuple[str, ...]:
    spec = state.spec
    words = [_state_label(state), *(["unlisted"] if state.unlisted else [])]
    return (
        spec.id,
        spec.provider,
        ", ".join(words),
        f"{state.size_bytes / 1e9:.1f} GB" if state.size_bytes else "-",
        f"{state.context_window:,}" if state.context_window < 1 << 20 else "?",
        _abilities(state) if state.is_installed else "-",
        _quality(state, grade),
        _speed(state),
        ", ".join(spec.strengths) or "-",
    )


def _abilities(state: ModelState) -> str:
    """What it can do beside chat; `?` for what its server does not tell."""
    if not state.capabilities:
        return "?"
    told = sorted(state.capabilities - {"completion"})
    return ", ".join([*told, *(["?"] if state.untold else [])]) or "chat"


def _state_label(state: ModelState) -> str:
    from orch.routing.scoring.ranking import remote_reasons
    from orch.routing.wording import elimination_text, reason_text

    if state.remote_host and state.is_installed:
        remote = reason_text(remote_reasons(state.remote_host))
        return f"{remote}, out" if state.is_remote_denied else remote
    if state.unavailable:
        return elimination_text(state.unavailable).split(":")[0]
    if state.status in ("loading", "downloading", "sleeping", "failed"):
        return state.status
    return {True: "loaded", False: "installed", None: "installed, loaded: ?"}[state.resident]


def _quality(state: ModelState, grade: tuple[float, int] | None) -> str:
    """The mean quality over the types and its source in a word; `orch models show` has both in
    full."""
    source = (
        state.prior.source.split(" (")[0].split(" from ")[0].split(",")[0] if state.prior else ""
    )
    estimate = f"{state.prior.mean * 10:.1f} {source}" if state.prior else "-"
    return f"{grade[0]:.2f} of 1 measured (n={grade[1]:,}), {estimate}" if grade else estimate


def _speed(state: ModelState) -> str:
    from orch.execution.answer_cache import format_age

    measured = state.measured
    if measured and measured.decode_tps:
        return (
            f"{measured.decode_tps:.0f} tokens/s measured (n={measured.n},"
            f" {format_age(measured.last_at)})"
        )
    word = "guessed" if state.speed_guessed else "rated"
    return f"{state.spec.speed_rating:g} {word}" if state.spec.speed_rating is not None else "-"


def _format_time(at: float) -> str:
    """A time in seconds since the epoch, as local date and time."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")


def _format_value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, dict):
        return ", ".join(
            f"{key} {_format_time(entry) if key.endswith('_at') else _format_value(entry)}"
            for key, entry in value.items()
            if entry is not None and entry != {} and entry != ()
        )
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        f"{value:,.2f}".rstrip("0").rstrip(".")
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )
