"""`orch replay`: repeats recorded decisions under another configuration and shows the changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context
from orch.cli.options import Json, Since
from orch.errors import OrchError
from orch.text.lines import one_line

if TYPE_CHECKING:
    from orch.orchestrator import Orchestrator
    from orch.routing.replaying.replay import Comparison, Replay

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

MAX_SHOWN = 50
TASK_CHARS = 60
_HELP = "{} to try, or its folder. Default: the present one."


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
    since: Since = "",
    every: Annotated[
        bool, typer.Option("--all", help=f"List every change, not only the first {MAX_SHOWN}.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show which recorded decisions would change under another configuration."""
    from orch.cli import render
    from orch.config.durations import parse_since

    orchestrator, since_at = _open_orchestrator(ctx, models, routing), parse_since(since)
    replay, assumed = asyncio.run(_replay(orchestrator, since_at))
    if assumed:
        render.print_warning(
            f"{' and '.join(assumed)} can't be reached: their listed models are assumed to be"
            " installed and not loaded"
        )
    for warning in (*orchestrator.runtime.config.warnings, *orchestrator.runtime.journal.warnings):
        render.print_warning(warning)
    if as_json:
        render.print_json(_to_json(replay, assumed))
    elif replay.decisions:
        _print(replay, MAX_SHOWN if not every else len(replay.changes))
    else:
        render.print_stdout(_nothing_to_replay(replay, since))


def _open_orchestrator(ctx: typer.Context, models: str, routing: str) -> Orchestrator:
    """An orchestrator with the files to try, else the present ones.

    Raises ConfigError, and OrchError where runs are not recorded.
    """
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
    # the present routing.yaml says what is recorded, not the one to try
    if (context.read_config(ctx) if routing else config).routing.journal.mode == "off":
        raise OrchError(
            "runs are not recorded: journal.mode is off in routing.yaml",
            "set journal: {mode: full} to keep them",
            code="not_kept",
        )
    return Orchestrator(config=config, face="cli")


async def _replay(orchestrator: Orchestrator, since_at: float) -> tuple[Replay, tuple[str, ...]]:
    """The replay, and the unreachable providers whose models were assumed to be installed."""
    from orch.quality import estimator
    from orch.routing.replaying.recorded_decisions import recorded_decisions
    from orch.routing.replaying.replay import (
        MAX_RUNS,
        DecisionReplayer,
        assume_reachable,
        replay_decisions,
    )

    async with orchestrator:
        runtime = orchestrator.runtime
        runtime.journal.open()
        survey, assumed = assume_reachable(
            await runtime.registry.snapshot(), runtime.journal.timings
        )
        fitted = runtime.journal.feedback.load_learned(estimator.NAME)
        recorded = recorded_decisions(runtime.journal.history.runs(since_at, MAX_RUNS))
        replay = replay_decisions(recorded, DecisionReplayer(runtime.router, survey).decide)
        if fitted and runtime.journal.feedback.load_learned(estimator.NAME) != fitted:
            # fitted to the ratings of the models.yaml to try: the present one would have to be
            # fitted again
            runtime.journal.feedback.save_learned(estimator.NAME, *fitted)
        return replay, assumed


# ---------------------------------------------------------------- printing


def _nothing_to_replay(replay: Replay, since: str) -> str:
    when = f"since {since}" if since else "yet"
    if not replay.without_text and not replay.left_out:
        return f"no runs {when}"
    parts = (
        [f"{replay.without_text:,} have no text (journal.mode was meta)"]
        if replay.without_text
        else []
    )
    parts += (
        [f"{replay.left_out:,} were not decided by orch (-m, cache, notes)"]
        if replay.left_out
        else []
    )
    return f"no runs {when} that could be decided again: {', '.join(parts)}"


def _print(replay: Replay, most: int) -> None:
    from orch.cli import render

    changes = replay.changes
    render.print_stdout(f"{len(changes):,} of {len(replay.decisions):,} decisions change\n")
    rows = [_row(kind, each) for kind, each in replay.by_type().items()]
    render.print_table(
        ("type", "runs", "changed", "expected quality", "expected seconds"),
        [*rows, _row("all", replay.decisions)],
    )
    if changes:
        render.print_stdout("")
        render.print_table(
            ("task", "type", "model", "gain", "why"),
            [_change_row(each) for each in changes[:most]],
            drop=("why", "type"),
        )
    if len(changes) > most:
        render.print_stdout(f"and {len(changes) - most:,} more; --all lists them")
    if replay.without_text:
        have = "run has" if replay.without_text == 1 else "runs have"
        render.print_stdout(
            f"\n{replay.without_text:,} more {have} no text (journal.mode was meta)"
        )


def _row(kind: str, decisions: Sequence[Comparison]) -> tuple[str, ...]:
    changed = sum(each.changed for each in decisions)
    return (
        kind,
        f"{len(decisions):,}",
        f"{changed:,}",
        _mean_change([each.quality for each in decisions], 2),
        _mean_change([each.seconds for each in decisions], 1),
    )


def _mean_change(pairs: list[tuple[float | None, float | None]], digits: int) -> str:
    from orch.routing.replaying.replay import known_means

    means = known_means(pairs)
    return f"{means[0]:.{digits}f} → {means[1]:.{digits}f}" if means else "-"


def _change_row(each: Comparison) -> tuple[str, ...]:
    task = one_line(each.task)
    return (
        task[:TASK_CHARS],
        each.task_type,
        f"{each.before} → {each.after or 'none'}",
        _gain(each),
        each.reason,
    )


def _gain(each: Comparison) -> str:
    """The expected gain of the new choice: `quality +0.10, 3.2 s sooner`."""
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


def _to_json(replay: Replay, assumed: tuple[str, ...]) -> dict[str, Any]:
    from dataclasses import asdict

    types = {kind: _summary(each) for kind, each in replay.by_type().items()}
    return {
        "v": 1,
        **_summary(replay.decisions),
        "without_text": replay.without_text,
        "left_out": replay.left_out,
        "taken_for_installed": list(assumed),
        "types": types,
        "changes": [asdict(each) for each in replay.changes],
    }


def _summary(decisions: Sequence[Comparison]) -> dict[str, Any]:
    """Counts and means; a mean is a pair, before and after, over the runs where both are known."""
    from orch.routing.replaying.replay import known_means

    changed = sum(each.changed for each in decisions)
    quality, seconds = (
        known_means(each.quality for each in decisions),
        known_means(each.seconds for each in decisions),
    )
    return {"runs": len(decisions), "changed": changed, "quality": quality, "seconds": seconds}
