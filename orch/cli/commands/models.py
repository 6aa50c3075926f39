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
    from orch.routing.registry import Survey

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="List, show, fetch and add models.",
)

Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]
Name = Annotated[str, typer.Argument(metavar="ID", show_default=False)]


@app.callback(invoke_without_command=True)
def models(ctx: typer.Context, as_json: Json = False) -> None:
    """List, show, fetch and add models."""
    if ctx.invoked_subcommand is not None:
        return
    from orch.cli import render
    from orch.routing.lookup import facts

    orchestrator = context.orchestrator(ctx)
    survey = asyncio.run(_survey(orchestrator))
    if as_json:
        render.show_json(
            {"v": 1, "models": [facts(state) for state in survey.states], "down": dict(survey.down)}
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
    grades = orchestrator.runtime.journal.judgements.mean_grades()
    render.table(
        columns,
        [_row(state, grades.get(state.key)) for state in survey.states],
        drop=("can", "context", "provider", "size", "good at", "speed", "quality"),
    )
    for name, why in survey.down.items():
        render.warn(f"provider {name}: {why}")
    for warning in orchestrator.runtime.journal.warnings:
        render.warn(warning)


@app.command("show")
def show(ctx: typer.Context, model: Name, as_json: Json = False) -> None:
    """Show everything that is known about one model."""
    from orch.cli import render
    from orch.routing.lookup import facts, find

    orchestrator = context.orchestrator(ctx)
    state = find(asyncio.run(_survey(orchestrator)), model)
    known = facts(state)
    if as_json:
        render.show_json({"v": 1, **known})
        return
    render.show_facts(((key, _text(value)) for key, value in known.items()), 20)


@app.command("pull")
def pull(
    ctx: typer.Context,
    model: Name,
    provider: Annotated[str, typer.Option(help="The Ollama to fetch it into.")] = "",
) -> None:
    """Fetch a model into Ollama, with progress."""
    asyncio.run(_pull(ctx, model, provider))


@app.command("add")
def add(
    ctx: typer.Context,
    model: Name,
    provider: Annotated[
        str, typer.Option(help="Where it is. Default: the provider that has it.")
    ] = "",
) -> None:
    """Write an installed model into models.yaml, with what its provider says of it."""
    from orch.cli import render
    from orch.config import edit_models

    orchestrator = context.orchestrator(ctx)
    state, name = asyncio.run(_to_add(orchestrator, model, provider))
    path = edit_models.own_file(context.config_dir(ctx))
    edit_models.add(path, edit_models.entry_of(state), guessed=edit_models.GUESSED)
    render.show(f"added {name} to {path}")
    if state.is_denied:
        from orch.providers.remote_models import place

        render.warn(
            f"it runs at {place(state.remote_host)}, and stays out unless its entry says remote:"
            " allow"
        )


@app.command("load")
def load(ctx: typer.Context, model: Name) -> None:
    """Bring a model into memory, so that its next answer begins at once."""
    _move(ctx, "load", model)


@app.command("unload")
def unload(ctx: typer.Context, model: Name) -> None:
    """Free a model's memory."""
    _move(ctx, "unload", model)


def _move(ctx: typer.Context, where: str, model: str) -> None:
    """By the running server, which knows what is in use, else here."""
    from orch.cli import render, via_server

    told = via_server.ask(context.config_dir(ctx), f"/orch/models/{where}", {"model": model})
    render.show(told["said"] if told else asyncio.run(_move_here(ctx, where, model)))


async def _move_here(ctx: typer.Context, where: str, model: str) -> str:
    from orch.execution import lifecycle

    async with context.orchestrator(ctx) as orchestrator:
        return await (lifecycle.load if where == "load" else lifecycle.unload)(
            orchestrator.runtime, model
        )


# ---------------------------------------------------------------- asking


async def _survey(orchestrator: Orchestrator) -> Survey:
    async with orchestrator:
        return await orchestrator.runtime.registry.available(with_unlisted=True)


async def _to_add(orchestrator: Orchestrator, name: str, provider: str) -> tuple[ModelState, str]:
    from orch.config.spec import canonical
    from orch.routing.lookup import find

    listed = [
        spec
        for spec in orchestrator.runtime.config.models.models
        if canonical(spec.id) == canonical(name)
    ]
    if listed:
        raise ConfigError(f"{name} is in models.yaml already", f"orch models show {name}")
    survey = await _survey(orchestrator)
    states = [
        s
        for s in survey.states
        if canonical(s.spec.id) == canonical(name) and provider in ("", s.spec.provider)
    ]
    if not states:
        find(survey, f"{provider}/{name}" if provider else name)
        raise OrchError(
            f"{provider} has no model {name!r}",
            "orch models lists what is there",
            code="model_not_found",
        )
    return states[0], states[0].spec.id


async def _pull(ctx: typer.Context, name: str, provider: str) -> None:
    from orch.cli import render
    from orch.execution.pulling import pull

    async with context.orchestrator(ctx) as orchestrator:
        with render.Progress(name) as progress:
            async for step in pull(orchestrator.runtime, name, provider):
                progress.show(step.status, step.completed_bytes, step.total_bytes or None)
    render.show(f"{name} is installed")


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
        can if state.is_there else "-",
        _quality(state, grade),
        _speed(state),
        ", ".join(spec.strengths) or "-",
    )


def _where(state: ModelState) -> str:
    from orch.routing.ranking import runs_at

    if state.remote_host and state.is_there:
        return f"{runs_at(state.remote_host)}{', out' if state.is_denied else ''}"
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
    from orch.execution.answer_cache import age

    measured = state.measured
    if measured and measured.decode_tps:
        return (
            f"{measured.decode_tps:.0f} tokens/s measured (n={measured.n}, {age(measured.last_at)})"
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
