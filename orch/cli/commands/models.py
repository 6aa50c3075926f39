"""`orch models`: list, show, pull, add, load, unload."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context
from orch.errors import ConfigError, OrchError

if TYPE_CHECKING:
    from orch.orchestrator import Orchestrator
    from orch.routing.model_state import ModelState
    from orch.routing.registry import Inventory

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="List, show, fetch and add models.",
)

Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]
ModelId = Annotated[str, typer.Argument(metavar="ID", show_default=False)]


@app.callback(invoke_without_command=True)
def models_command(ctx: typer.Context, as_json: Json = False) -> None:
    """List, show, fetch and add models."""
    if ctx.invoked_subcommand is not None:
        return
    from orch.cli import render
    from orch.routing.catalog import describe

    orchestrator = context.open_orchestrator(ctx)
    survey = asyncio.run(_survey(orchestrator))
    if as_json:
        render.print_json(
            {
                "v": 1,
                "models": [describe(state) for state in survey.states],
                "down": dict(survey.unreachable),
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
        [_row(state, grades.get(state.key)) for state in survey.states],
        drop=("can", "context", "provider", "size", "good at", "speed", "quality"),
    )
    for name, why in survey.unreachable.items():
        render.print_warning(f"provider {name}: {why}")
    for warning in orchestrator.runtime.journal.warnings:
        render.print_warning(warning)


@app.command("show")
def models_show(ctx: typer.Context, model: ModelId, as_json: Json = False) -> None:
    """Show everything that is known about one model."""
    from orch.cli import render
    from orch.routing.catalog import describe
    from orch.routing.lookup import resolve_model

    orchestrator = context.open_orchestrator(ctx)
    state = resolve_model(asyncio.run(_survey(orchestrator)), model)
    known = describe(state)
    if as_json:
        render.print_json({"v": 1, **known})
        return
    render.print_fields(((key, _text(value)) for key, value in known.items()), 20)


@app.command("pull")
def models_pull(
    ctx: typer.Context,
    model: ModelId,
    provider: Annotated[str, typer.Option(help="The Ollama to fetch it into.")] = "",
) -> None:
    """Fetch a model into Ollama, with progress."""
    asyncio.run(_pull(ctx, model, provider))


@app.command("add")
def models_add(
    ctx: typer.Context,
    model: ModelId,
    provider: Annotated[
        str, typer.Option(help="Where it is. Default: the provider that has it.")
    ] = "",
) -> None:
    """Write an installed model into models.yaml, with what its provider says of it."""
    from orch.cli import render
    from orch.config import edit_models
    from orch.routing.model_entry import model_entry

    orchestrator = context.open_orchestrator(ctx)
    state, name = asyncio.run(_to_add(orchestrator, model, provider))
    path = edit_models.ensure_own_file(context.chosen_config_dir(ctx))
    edit_models.add_model(path, model_entry(state), guessed=edit_models.GUESSED)
    render.print_stdout(f"added {name} to {path}")
    if state.is_remote_denied:
        from orch.providers.remote_models import display_host

        render.print_warning(
            f"it runs at {display_host(state.remote_host)}, and stays out unless its entry says"
            " remote: allow"
        )


@app.command("load")
def models_load(ctx: typer.Context, model: ModelId) -> None:
    """Bring a model into memory, so that its next answer begins at once."""
    _move(ctx, "load", model)


@app.command("unload")
def models_unload(ctx: typer.Context, model: ModelId) -> None:
    """Free a model's memory."""
    _move(ctx, "unload", model)


def _move(ctx: typer.Context, where: str, model: str) -> None:
    """By the running server, which knows what is in use, else here."""
    from orch.cli import render, via_server

    told = via_server.call_server(
        context.chosen_config_dir(ctx), f"/orch/models/{where}", {"model": model}
    )
    render.print_stdout(told["said"] if told else asyncio.run(_move_here(ctx, where, model)))


async def _move_here(ctx: typer.Context, where: str, model: str) -> str:
    async with context.open_orchestrator(ctx) as orchestrator:
        loader = orchestrator.runtime.loader
        return await (loader.load if where == "load" else loader.unload)(model)


# ---------------------------------------------------------------- asking


async def _survey(orchestrator: Orchestrator) -> Inventory:
    async with orchestrator:
        return await orchestrator.runtime.registry.snapshot(with_unlisted=True)


async def _to_add(orchestrator: Orchestrator, name: str, provider: str) -> tuple[ModelState, str]:
    from orch.config.spec import canonical_model_name
    from orch.routing.lookup import resolve_model

    listed = [
        spec
        for spec in orchestrator.runtime.config.models.models
        if canonical_model_name(spec.id) == canonical_model_name(name)
    ]
    if listed:
        raise ConfigError(f"{name} is in models.yaml already", f"orch models show {name}")
    survey = await _survey(orchestrator)
    states = [
        s
        for s in survey.states
        if canonical_model_name(s.spec.id) == canonical_model_name(name)
        and provider in ("", s.spec.provider)
    ]
    if not states:
        resolve_model(survey, f"{provider}/{name}" if provider else name)
        raise OrchError(
            f"{provider} has no model {name!r}",
            "orch models lists what is there",
            code="model_not_found",
        )
    return states[0], states[0].spec.id


async def _pull(ctx: typer.Context, name: str, provider: str) -> None:
    from orch.cli import render
    from orch.execution.pulling import pull_model

    async with context.open_orchestrator(ctx) as orchestrator:
        with render.ProgressBar(name) as progress:
            async for step in pull_model(orchestrator.runtime.providers, name, provider):
                progress.update(step.status, step.completed_bytes, step.total_bytes or None)
    render.print_stdout(f"{name} is installed")


# ---------------------------------------------------------------- showing


def _row(state: ModelState, grade: tuple[float, int] | None) -> tuple[str, ...]:
    spec = state.spec
    words = [_where(state), *(["unlisted"] if state.unlisted else [])]
    can = (
        ", ".join(sorted(state.capabilities - {"completion"})) or "chat"
        if state.capabilities
        else "?"
    )
    return (
        spec.id,
        spec.provider,
        ", ".join(words),
        f"{state.size_bytes / 1e9:.1f} GB" if state.size_bytes else "-",
        f"{state.context_window:,}" if state.context_window < 1 << 20 else "?",
        can if state.is_installed else "-",
        _quality(state, grade),
        _speed(state),
        ", ".join(spec.strengths) or "-",
    )


def _where(state: ModelState) -> str:
    from orch.routing.ranking import remote_note

    if state.remote_host and state.is_installed:
        return f"{remote_note(state.remote_host)}{', out' if state.is_remote_denied else ''}"
    return (
        "loaded"
        if state.resident
        else "installed"
        if not state.unavailable
        else state.unavailable[1].split(":")[0]
    )


def _quality(state: ModelState, grade: tuple[float, int] | None) -> str:
    """Its mean over the types, and in a word where that comes from; `orch models show` tells both
    whole."""
    source = (
        state.prior.source.split(" (")[0].split(" from ")[0].split(",")[0] if state.prior else ""
    )
    believed = f"{state.prior.mean * 10:.1f} {source}" if state.prior else "-"
    return f"{grade[0]:.2f} of 1 measured (n={grade[1]:,}), {believed}" if grade else believed


def _speed(state: ModelState) -> str:
    from orch.execution.answer_cache import format_age

    measured = state.measured
    if measured and measured.decode_tps:
        return (
            f"{measured.decode_tps:.0f} tokens/s measured (n={measured.n},"
            f" {format_age(measured.last_at)})"
        )
    word = "guessed" if state.bytes_per_token else "rated"
    return f"{state.spec.speed_rating:g} {word}" if state.spec.speed_rating is not None else "-"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, dict):
        return ", ".join(
            f"{key} {_text(entry)}" for key, entry in value.items() if entry is not None
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
