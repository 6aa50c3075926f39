"""`orch stats`: measured times, errors and fallbacks by model and by task type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from orch.cli import context
from orch.cli.options import Json, Since
from orch.errors import OrchError

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_COLUMNS = (
    "runs",
    "errors",
    "fallbacks",
    "takeovers",
    "tokens",
    "ttft_p50_s",
    "ttft_p95_s",
    "total_p50_s",
    "total_p95_s",
    "tokens_per_s",
)
_HEADS = (
    "runs",
    "errors",
    "fell back",
    "took over",
    "tokens",
    "TTFT p50",
    "TTFT p95",
    "total p50",
    "total p95",
    "tokens/s",
)
_DROPPABLE = ("TTFT p95", "total p95", "took over", "tokens", "TTFT p50", "fell back")
"""Left out on a narrow terminal, the first one first."""


@app.command()
def stats_command(
    ctx: typer.Context,
    since: Since = "",
    as_json: Json = False,
) -> None:
    """Show measured times, errors and fallbacks by model and by task type."""
    from orch.cli import render
    from orch.config.durations import parse_since
    from orch.storage.stats import by_type

    since_at = parse_since(since)
    orchestrator = context.open_orchestrator(ctx)
    journal = orchestrator.runtime.journal
    if journal.mode == "off":
        raise OrchError(
            "runs are not recorded: journal.mode is off in routing.yaml",
            "set journal: {mode: meta} to keep times without texts",
            code="not_kept",
        )
    journal.open()
    models, types = orchestrator.get_stats(since_at), by_type(journal.history.attempts(since_at))
    for warning in journal.warnings:
        render.print_warning(warning)
    corrected = journal.feedback.count_corrections(since_at)
    chores = journal.history.chores(since_at)
    if as_json:
        render.print_json(
            {"v": 1, "models": models, "types": types, "chores": chores, "corrected": corrected}
        )
    elif not models:
        render.print_stdout("no runs yet" if not since else f"no runs since {since}")
    else:
        _print_table("model", models)
        render.print_stdout("")
        _print_table("type", types)
        if chores:
            counts = ", ".join(f"{name} {n:,}" for name, n in chores.items())
            render.print_stdout(f"\nclients' chores, of no type: {counts}")
        if corrected:
            render.print_stdout(
                f"\nyou corrected the type of {corrected:,} {'task' if corrected == 1 else 'tasks'}"
            )


def _print_table(subject: str, rows: Mapping[str, dict[str, Any]]) -> None:
    from orch.cli import render

    cells = [_row(name, figures) for name, figures in rows.items()]
    render.print_table((subject, *_HEADS), cells, drop=_DROPPABLE)


def _row(name: str, figures: dict[str, Any]) -> tuple[str, ...]:
    return (name, *(_cell(column, figures[column]) for column in _COLUMNS))


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if column.endswith("_s") and column != "tokens_per_s":
        return f"{value:.2f} s"
    return f"{value:.1f}" if isinstance(value, float) else f"{value:,}"
