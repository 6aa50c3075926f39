"""Prints the result of a speed bench."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from orch.bench.chart import draw_chart, text_bars
from orch.bench.speed import machine_facts
from orch.bench.speed_plan import TOGETHER
from orch.bench.speed_summary import (
    COLUMNS,
    model_labels,
    provenance_line,
    summaries_json,
    summarize,
    summary_cells,
    throughput_table,
    timing_note,
)
from orch.cli import render
from orch.errors import EXIT_CODES, OrchError

if TYPE_CHECKING:
    from orch.bench.speed_summary import SpeedSummary
    from orch.cli.commands.bench.measure import BenchResult

OPTIONAL_COLUMNS = ("total s", "n", "memory", "load s", "TTFT s", "prefill tokens/s", "prompt")
"""Columns that a narrow terminal leaves out, the first one first."""


def print_result(result: BenchResult, *, as_json: bool, as_md: bool) -> None:
    """Prints the measured figures: tables, Markdown tables, or one JSON object."""
    summaries = summarize(result.rows)
    if as_json:
        render.print_json(_result_json(result, summaries))
        return
    if not summaries:
        return
    _print_tables(summaries, as_md=as_md)
    render.print_stdout("")
    for line in (timing_note(result.rows), _provenance(result)):
        render.print_stdout(f"{line}  " if as_md else line)
    if not as_md and render.is_terminal(sys.stdout):
        render.print_stdout(
            "\n".join(
                ["", "decode tokens/s", *text_bars(summaries, shutil.get_terminal_size().columns)]
            )
        )


def _print_tables(summaries: Sequence[SpeedSummary], *, as_md: bool) -> None:
    labels = model_labels(summaries)
    _print_table(
        COLUMNS,
        [(labels[line.key], *summary_cells(line)) for line in summaries if line.kind != TOGETHER],
        as_md=as_md,
    )
    columns, rows = throughput_table(summaries)
    if rows:
        render.print_stdout("")
        _print_table(columns, rows, as_md=as_md)


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, as_md: bool) -> None:
    """Prints a table, without its last column (the notes) if that is empty."""
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    if as_md:
        render.print_markdown_table(columns, rows)
    else:
        render.print_table(
            columns, rows, drop=[name for name in OPTIONAL_COLUMNS if name in columns]
        )


def _provenance(result: BenchResult) -> str:
    assert result.bench is not None
    return provenance_line(machine_facts(), result.bench.at, result.bench.asked["rounds"])


def _result_json(result: BenchResult, summaries: Sequence[SpeedSummary]) -> dict[str, Any]:
    """The result as JSON values: seconds, tokens per second, bytes."""
    return {
        "v": 1,
        "bench": result.bench and result.bench.name,
        "at": result.bench and result.bench.at,
        "machine": machine_facts(),
        "models": summaries_json(summaries, result.rows, result.num_ctx),
        "cells": [row._asdict() for row in result.rows],
        "left": result.remaining,
    }


def write_chart(result: BenchResult, file: Path) -> None:
    """Writes the SVG chart. Raises OSError."""
    file.write_text(draw_chart(summarize(result.rows), _provenance(result)), encoding="utf-8")
    render.print_stderr(f"wrote {file}")


def print_end(result: BenchResult) -> None:
    """Prints what remains and what failed. Raises the error or the exit that ends the command."""
    for warning in result.warnings:
        render.print_warning(warning)
    kept = (
        f"{len(result.cells) - result.remaining} of {len(result.cells)} cells are measured and"
        " kept; the same command resumes"
    )
    if result.ended:
        render.print_stderr(f"{result.ended.replace('_', ' ')}: {kept}")
        raise typer.Exit(EXIT_CODES[result.ended])
    if result.remaining:
        render.print_stderr(
            f"the budget is used up: {result.remaining} cells remain; the same command resumes"
        )
    elif not result.cells:
        render.print_stderr(
            "nothing to measure: every model was measured before (orch bench measures them again)"
        )
    if result.rows and all(row.error for row in result.rows):
        raise OrchError(
            f"no model could be measured: {result.rows[-1].error}",
            "orch health shows what is wrong",
            code="all_failed",
        )
