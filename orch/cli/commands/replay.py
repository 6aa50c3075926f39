"""`orch replay`: what another configuration would have decided."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context
from orch.errors import OrchError
from orch.text.lines import one_line

if TYPE_CHECKING:
    from orch.orchestrator import Orchestrator
    from orch.routing.replay import Comparison, Replay

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

MAX_SHOWN = 50
TASK_CHARS = 60
_HELP = "The {} to try, or its folder. Default: the present one."


@app.command()
def replay_command(
    ctx: typer.Context,
    routing: Annotated[
        str,
        typer.Option(
            "--routing", metavar="FILE", help=_HELP.format("routing.yaml"), show_default=False
        ),
    ] = "",
    models: Annotated[
        str,
        typer.Option(
            "--models", metavar="FILE", help=_HELP.format("models.yaml"), show_default=False
        ),
    ] = "",
    since: Annotated[
        str,
        typer.Option(
            help="Only the last 24h, 7d, …, or since a date such as 2026-11-01.", show_default=False
        ),
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help=f"List every change, not only the first {MAX_SHOWN}.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Decide every task of the journal again, under another configuration; run nothing."""
    from orch.cli import render
    from orch.config.durations import parse_since

    orchestrator, begin = _opened(ctx, models, routing), parse_since(since)
    found, lifted = asyncio.run(_replayed(orchestrator, begin))
    if lifted:
        render.print_warning(
            f"{' and '.join(lifted)} can't be reached: the models listed there count as installed,"
            " and not loaded"
        )
    for warning in (*orchestrator.runtime.config.notes, *orchestrator.runtime.journal.warnings):
        render.print_warning(warning)
    if as_json:
        render.print_json(_plain(found, lifted))
    elif found.decisions:
        _show(found, MAX_SHOWN if not every else len(found.changes))
    else:
        render.print_stdout(_nothing(found, since))


def _opened(ctx: typer.Context, models: str, routing: str) -> Orchestrator:
    """On the files to try; what is not named is the present one. Raises ConfigError, and OrchError
    where runs are not recorded."""
    from orch.config.discovery import FILES
    from orch.config.load import load_config
    from orch.orchestrator import Orchestrator

    paths = {
        which: Path(name).expanduser()
        for which, name in (("models", models), ("routing", routing))
        if name
    }
    named = {which: path / FILES[which] if path.is_dir() else path for which, path in paths.items()}
    config = load_config(context.chosen_config_dir(ctx), named=named)
    # what is recorded is said by the present routing.yaml, not by the one to try
    if (context.read_config(ctx) if routing else config).routing.journal.mode == "off":
        raise OrchError(
            "runs are not recorded: journal.mode is off in routing.yaml",
            "set journal: {mode: full} to keep them",
            code="not_kept",
        )
    return Orchestrator(config=config, face="cli")


async def _replayed(orchestrator: Orchestrator, begin: float) -> tuple[Replay, tuple[str, ...]]:
    """The replay, and the providers whose models had to be taken for installed."""
    from orch.quality import estimator
    from orch.routing.recorded_decisions import recorded_decisions
    from orch.routing.replay import MAX_RUNS, DecisionReplayer, assume_reachable, replay_decisions

    async with orchestrator:
        runtime = orchestrator.runtime
        runtime.journal.open()
        survey, lifted = assume_reachable(
            await runtime.registry.snapshot(), runtime.journal.timings
        )
        fitted = runtime.journal.feedback.load_learned(estimator.NAME)
        recorded = recorded_decisions(runtime.journal.history.runs(begin, MAX_RUNS))
        found = replay_decisions(recorded, DecisionReplayer(runtime.router, survey).decide)
        if fitted and runtime.journal.feedback.load_learned(estimator.NAME) != fitted:
            # fitted to the ratings of the models.yaml to try: the present one would have to be
            # fitted again
            runtime.journal.feedback.save_learned(estimator.NAME, *fitted)
        return found, lifted


# ---------------------------------------------------------------- showing


def _nothing(found: Replay, since: str) -> str:
    when = f"since {since}" if since else "yet"
    if not found.without_text and not found.left_out:
        return f"no runs {when}"
    parts = (
        [f"{found.without_text:,} have no text (journal.mode was meta)"]
        if found.without_text
        else []
    )
    parts += (
        [f"{found.left_out:,} were not orch's to decide (-m, cache, notes)"]
        if found.left_out
        else []
    )
    return f"no runs {when} that could be decided again: {', '.join(parts)}"


def _show(found: Replay, most: int) -> None:
    from orch.cli import render

    changes = found.changes
    render.print_stdout(f"{len(changes):,} of {len(found.decisions):,} decisions change\n")
    rows = [_row(kind, each) for kind, each in found.by_type().items()]
    render.print_table(
        ("type", "runs", "changed", "expected quality", "expected seconds"),
        [*rows, _row("all", found.decisions)],
    )
    if changes:
        render.print_stdout("")
        render.print_table(
            ("task", "type", "model", "gain", "why"),
            [_change(each) for each in changes[:most]],
            drop=("why", "type"),
        )
    if len(changes) > most:
        render.print_stdout(f"and {len(changes) - most:,} more; --all lists them")
    if found.without_text:
        render.print_stdout(
            f"\n{found.without_text:,} more {'run has' if found.without_text == 1 else 'runs have'}"
            " no text (journal.mode was meta)"
        )


def _row(kind: str, decisions: Sequence[Comparison]) -> tuple[str, ...]:
    changed = sum(each.changed for each in decisions)
    return (
        kind,
        f"{len(decisions):,}",
        f"{changed:,}",
        _means([each.quality for each in decisions], 2),
        _means([each.seconds for each in decisions], 1),
    )


def _means(pairs: list[tuple[float | None, float | None]], digits: int) -> str:
    from orch.routing.replay import known_means

    found = known_means(pairs)
    return f"{found[0]:.{digits}f} → {found[1]:.{digits}f}" if found else "-"


def _change(each: Comparison) -> tuple[str, ...]:
    task = one_line(each.task)
    return (
        task[:TASK_CHARS],
        each.task_type,
        f"{each.before} → {each.after or 'none'}",
        _gain(each),
        each.reason,
    )


def _gain(each: Comparison) -> str:
    """What the new choice is expected to be better at: `quality +0.10, 3.2 s sooner`."""
    (quality, new_quality), (seconds, new_seconds) = each.quality, each.seconds
    parts = (
        [f"quality {new_quality - quality:+.2f}"]
        if quality is not None and new_quality is not None
        else []
    )
    if seconds is not None and new_seconds is not None:
        parts.append(
            f"{abs(new_seconds - seconds):.1f} s {'later' if new_seconds > seconds else 'sooner'}"
        )
    return ", ".join(parts) or "-"


def _plain(found: Replay, lifted: tuple[str, ...]) -> dict[str, Any]:
    from dataclasses import asdict

    types = {kind: _figures(each) for kind, each in found.by_type().items()}
    return {
        "v": 1,
        **_figures(found.decisions),
        "without_text": found.without_text,
        "left_out": found.left_out,
        "taken_for_installed": list(lifted),
        "types": types,
        "changes": [asdict(each) for each in found.changes],
    }


def _figures(decisions: Sequence[Comparison]) -> dict[str, Any]:
    """Means are pairs, before and after, over the runs where both are known."""
    from orch.routing.replay import known_means

    changed = sum(each.changed for each in decisions)
    quality, seconds = (
        known_means(each.quality for each in decisions),
        known_means(each.seconds for each in decisions),
    )
    return {"runs": len(decisions), "changed": changed, "quality": quality, "seconds": seconds}
