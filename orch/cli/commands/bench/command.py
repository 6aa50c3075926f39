"""`orch bench`: which models to measure, how far it is, and what came of it; --quality hands over
to `bench_quality`."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orch.cli import context
from orch.errors import EXIT_CODES, OrchError, UsageError

if TYPE_CHECKING:
    from orch.bench.chart import SpeedSummary
    from orch.bench.speed import BenchStep, OpenBench
    from orch.bench.speed_plan import SpeedCell
    from orch.orchestrator import Orchestrator
    from orch.routing.model_state import ModelState
    from orch.routing.registry import Inventory
    from orch.storage.timings import BenchmarkSample
    from orch.types import ModelKey

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

OPTIONAL_COLUMNS = ("total s", "n", "memory", "load s", "TTFT s", "prefill tokens/s", "prompt")


@app.command(no_args_is_help=False)
def bench_command(
    ctx: typer.Context,
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL]...", help="Default: all that are there.", show_default=False
        ),
    ] = [],  # noqa: B006
    rounds: Annotated[
        int, typer.Option("-n", min=1, max=100, help="Rounds; each goes through all models.")
    ] = 3,
    sizes: Annotated[
        str, typer.Option(help="Prompts: short, or tokens such as 500 or 4k.")
    ] = "short,1k,4k",
    concurrency: Annotated[str, typer.Option(help="Requests at once.")] = "1,2,4",
    budget: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Stop before 10m, 1h, … are over; called again it goes on.",
            show_default=False,
        ),
    ] = "",
    new: Annotated[
        bool, typer.Option("--new", help="Only models that were never measured.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew, whatever was measured before.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    as_md: Annotated[bool, typer.Option("--md", help="Markdown tables.")] = False,
    svg: Annotated[
        str, typer.Option(metavar="FILE", help="Draw a chart into this file.", show_default=False)
    ] = "",
    quality: Annotated[
        bool,
        typer.Option(
            "--quality", help="Measure how good each model is at what, instead of its speed."
        ),
    ] = False,
    suite: Annotated[
        str,
        typer.Option(metavar="FILE", help="Quality: graded tasks of your own.", show_default=False),
    ] = "",
    allow_exec: Annotated[
        bool,
        typer.Option("--allow-exec", help="Quality: run the code that models write, in a sandbox."),
    ] = False,
    regrade: Annotated[
        bool, typer.Option("--regrade", help="Quality: grade the kept answers again, ask nobody.")
    ] = False,
    report: Annotated[
        bool,
        typer.Option(
            "--report", help="Quality: show what is known and what each dial gives, ask nobody."
        ),
    ] = False,
) -> None:
    """Measure the models on this machine: speed, and with --quality how good each is at what."""
    if as_json and as_md:
        raise UsageError("--json and --md say two things", "give one of them")
    if svg and not Path(svg).absolute().parent.is_dir():
        raise UsageError(f"--svg {svg}: there is no folder {Path(svg).absolute().parent}")
    wishes = SpeedBenchOptions.from_params(ctx.params)
    if quality or suite or regrade or report:
        _hand_over(ctx, wishes)
        return
    if allow_exec:
        raise UsageError("--allow-exec goes with --quality", "orch bench --quality --allow-exec")
    outcome = asyncio.run(_bench(context.open_orchestrator(ctx), wishes))
    _show(outcome, as_json=as_json, as_md=as_md)
    if svg and outcome.rows:
        _draw(outcome, Path(svg))
    _say_the_end(outcome)


# ---------------------------------------------------------------- wishes


@dataclass(frozen=True, slots=True)
class SpeedBenchOptions:
    """What the command line asks for. `budget_s` in seconds."""

    models: tuple[str, ...]
    sizes: tuple[str, ...]
    rounds: int
    concurrency: tuple[int, ...]
    budget_s: float | None
    new: bool
    fresh: bool

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> SpeedBenchOptions:
        """From the options. Raises UsageError."""
        sizes = _listed(
            "--sizes",
            params["sizes"],
            r"short|[1-9]\d{0,2}k|[1-9]\d{1,5}",
            "such as --sizes short,1k,4k",
        )
        levels = _listed(
            "--concurrency",
            params["concurrency"],
            r"[1-9]|[1-5]\d|6[0-4]",
            "such as --concurrency 1,2,4; at most 64",
        )
        return cls(
            tuple(params["models"]),
            sizes,
            params["rounds"],
            tuple(map(int, levels)),
            _budget(params["budget"]),
            params["new"],
            params["fresh"],
        )

    @property
    def asked(self) -> dict[str, Any]:
        """What tells this bench from another, as it stands in the journal."""
        return {
            "models": list(self.models),
            "sizes": list(self.sizes),
            "rounds": self.rounds,
            "concurrency": list(self.concurrency),
            "new": self.new,
        }


def _listed(option: str, text: str, pattern: str, hint: str) -> tuple[str, ...]:
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    wrong = next((part for part in parts if not re.fullmatch(pattern, part)), None)
    if wrong is not None:
        raise UsageError(f"{option}: {wrong!r} makes no sense", hint)
    return parts


def _budget(text: str) -> float | None:
    from orch.config.spec import duration_seconds

    if not text:
        return None
    if not re.fullmatch(r"[1-9]\d{0,5}[smhdw]", text):
        raise UsageError(f"--budget {text!r} is no time", "write 90s, 10m or 1h")
    return float(duration_seconds(text))


def _hand_over(ctx: typer.Context, wishes: SpeedBenchOptions) -> None:
    from orch.cli.commands.bench.quality import QualityBenchOptions as QualityWishes
    from orch.cli.commands.bench.quality import run_quality_bench

    given = {
        name: ctx.params[name]
        for name in ("suite", "allow_exec", "regrade", "report", "as_json", "as_md", "svg")
    }
    run_quality_bench(
        ctx,
        QualityWishes(
            models=wishes.models,
            budget_s=wishes.budget_s,
            fresh=wishes.fresh,
            new=wishes.new,
            **given,
        ),
    )


# ---------------------------------------------------------------- measuring


@dataclass(slots=True)
class BenchResult:
    """What came of a call: everything measured in its bench (None if it was ended before one
    began), its cells, and what ended it early."""

    bench: OpenBench | None = None
    rows: list[BenchmarkSample] = field(default_factory=list)
    num_ctx: dict[ModelKey, int] = field(default_factory=dict)
    cells: Sequence[SpeedCell] = ()
    warnings: Sequence[str] = ()
    ended: str = ""

    @property
    def remaining(self) -> int:
        """Cells that are still to be measured."""
        from orch.bench.speed_plan import remaining_cells

        return len(remaining_cells(self.cells, self.rows))


async def _bench(orchestrator: Orchestrator, wishes: SpeedBenchOptions) -> BenchResult:
    from orch.cli.signals import cancel_on_signals

    reasons, outcome = cancel_on_signals(), BenchResult()
    try:
        await _measure(orchestrator, wishes, outcome)
    except asyncio.CancelledError:
        outcome.ended = reasons[0] if reasons else "interrupted"
    finally:
        await orchestrator.aclose()
        outcome.warnings = tuple(orchestrator.runtime.journal.warnings)
    return outcome


async def _measure(
    orchestrator: Orchestrator, wishes: SpeedBenchOptions, outcome: BenchResult
) -> None:
    """Goes on with the open bench of these wishes, or begins one; fills `outcome` on the way."""
    from contextlib import aclosing

    from orch.bench.speed import SpeedMeter, close_bench, save_open_bench
    from orch.bench.speed_plan import plan_cells

    runtime = orchestrator.runtime
    survey = await runtime.registry.snapshot(with_unlisted=True if wishes.models else None)
    outcome.bench, states = _opened(orchestrator, wishes, survey)
    meter = SpeedMeter(outcome.bench.name, states, wishes.sizes, runtime.providers, runtime.journal)
    outcome.rows, outcome.num_ctx = meter.rows, meter.num_ctx
    outcome.cells = plan_cells(
        [state.key for state in states],
        wishes.sizes,
        wishes.rounds,
        wishes.concurrency,
        meter.never_cold,
    )
    if not outcome.cells:
        return  # --new, and nothing is new
    save_open_bench(runtime.journal, outcome.bench)
    progress = BenchProgress(outcome.cells, wishes.rounds)
    try:
        async with aclosing(meter.measure(outcome.cells, wishes.budget_s)) as steps:
            async for step in steps:
                progress.show(step)
    finally:
        progress.close()
    if not outcome.remaining:
        close_bench(runtime.journal)


def _opened(
    orchestrator: Orchestrator, wishes: SpeedBenchOptions, survey: Inventory
) -> tuple[OpenBench, list[ModelState]]:
    """The bench to go on with, or a new one; and the models of it that can be asked now."""
    from orch.bench.speed import OpenBench, find_open_bench
    from orch.bench.speed_plan import choose_models
    from orch.cli import render
    from orch.execution.run import new_run_id
    from orch.routing.lookup import resolve_model

    journal = orchestrator.runtime.journal
    found = None if wishes.fresh else find_open_bench(journal, wishes.asked)
    if found is not None and (states := _again(found, survey)):
        kept = len({row.cell for row in journal.timings.samples_of(found.name)})
        render.print_stderr(
            f"going on with the bench of {time.strftime('%H:%M', time.localtime(found.at))}, {kept}"
            " cells are measured; --fresh begins anew"
        )
        return found, states
    states, left_out = choose_models(
        survey, [resolve_model(survey, name) for name in wishes.models]
    )
    for name, why in left_out:
        render.print_warning(f"{name}: {why}; it is left out unless it is named")
    if wishes.new:
        ever = journal.timings.benchmarked_models()
        states = [state for state in states if state.key not in ever]
    return (
        OpenBench(new_run_id(), time.time(), wishes.asked, tuple(state.key for state in states)),
        states,
    )


def _again(found: OpenBench, survey: Inventory) -> list[ModelState]:
    """The models of a bench that can be asked now, in its order."""
    from orch.cli import render

    there = {state.key: state for state in survey.states if not state.unavailable}
    for provider, model in found.models:
        if (provider, model) not in there:
            render.print_warning(
                f"{model}: {provider} does not offer it now; what is left of it is not measured"
            )
    return [there[key] for key in found.models if key in there]


class BenchProgress:
    """How far the bench is, on stderr: one line that is written anew on a terminal, elsewhere a
    line for each round."""

    def __init__(self, cells: Sequence[SpeedCell], rounds: int) -> None:
        from orch.cli import render

        self._total, self._rounds, self._round = len(cells), rounds, 0
        self._live = render.is_terminal(sys.stderr)

    def show(self, step: BenchStep) -> None:
        """What is measured next."""
        from orch.bench.chart import span_text
        from orch.cli import render

        cell = step.todo[0]
        far = (
            f"round {cell.round} of {self._rounds} · {self._total - len(step.todo)} of"
            f" {self._total} cells"
        )
        said = far + (f" · about {span_text(step.left_s)} left" if step.left_s is not None else "")
        if self._live:
            render.redraw_status_line(
                f"{said} · {cell.model[1]}: {cell.size}, {cell.kind}"[
                    : shutil.get_terminal_size().columns - 1
                ]
            )
        elif cell.round != self._round:
            render.print_stderr(said)
        self._round = cell.round

    def close(self) -> None:
        """Wipes the line."""
        if self._live:
            from orch.cli import render

            render.redraw_status_line()


# ---------------------------------------------------------------- showing


def _show(outcome: BenchResult, *, as_json: bool, as_md: bool) -> None:
    from orch.bench.chart import summarize, text_bars, timing_note
    from orch.cli import render

    found = summarize(outcome.rows)
    if as_json:
        render.print_json(_plain(outcome, found))
        return
    if not found:
        return
    _tables(found, as_md=as_md)
    render.print_stdout("")
    for said in (timing_note(outcome.rows), _about(outcome)):
        render.print_stdout(f"{said}  " if as_md else said)
    if not as_md and render.is_terminal(sys.stdout):
        render.print_stdout(
            "\n".join(
                ["", "decode tokens/s", *text_bars(found, shutil.get_terminal_size().columns)]
            )
        )


def _tables(found: Sequence[SpeedSummary], *, as_md: bool) -> None:
    from orch.bench.chart import COLUMNS, model_labels, summary_cells, throughput_table
    from orch.bench.speed_plan import TOGETHER
    from orch.cli import render

    called = model_labels(found)
    _table(
        COLUMNS,
        [(called[line.key], *summary_cells(line)) for line in found if line.kind != TOGETHER],
        as_md=as_md,
    )
    columns, rows = throughput_table(found)
    if rows:
        render.print_stdout("")
        _table(columns, rows, as_md=as_md)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, as_md: bool) -> None:
    """The table; without its last column where that is empty."""
    from orch.cli import render

    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    if as_md:
        render.print_markdown_table(columns, rows)
    else:
        render.print_table(
            columns, rows, drop=[name for name in OPTIONAL_COLUMNS if name in columns]
        )


def _about(outcome: BenchResult) -> str:
    from orch.bench.chart import provenance_line
    from orch.bench.speed import machine_facts

    assert outcome.bench is not None
    return provenance_line(machine_facts(), outcome.bench.at, outcome.bench.asked["rounds"])


def _plain(outcome: BenchResult, found: Sequence[SpeedSummary]) -> dict[str, Any]:
    """The outcome as plain values: seconds, tokens a second, bytes."""
    from orch.bench.chart import summaries_json
    from orch.bench.speed import machine_facts

    return {
        "v": 1,
        "bench": outcome.bench and outcome.bench.name,
        "at": outcome.bench and outcome.bench.at,
        "machine": machine_facts(),
        "models": summaries_json(found, outcome.rows, outcome.num_ctx),
        "cells": [row._asdict() for row in outcome.rows],
        "left": outcome.remaining,
    }


def _draw(outcome: BenchResult, file: Path) -> None:
    from orch.bench.chart import draw_chart, summarize
    from orch.cli import render

    file.write_text(draw_chart(summarize(outcome.rows), _about(outcome)), encoding="utf-8")
    render.print_stderr(f"the chart is in {file}")


def _say_the_end(outcome: BenchResult) -> None:
    """What is left and what failed. Raises the error or the exit that the command ends with."""
    from orch.cli import render

    for warning in outcome.warnings:
        render.print_warning(warning)
    kept = (
        f"{len(outcome.cells) - outcome.remaining} of {len(outcome.cells)} cells are measured and"
        " kept; the same command goes on"
    )
    if outcome.ended:
        render.print_stderr(f"{outcome.ended.replace('_', ' ')}: {kept}")
        raise typer.Exit(EXIT_CODES[outcome.ended])
    if outcome.remaining:
        render.print_stderr(
            f"the time is used up: {outcome.remaining} cells are left; the same command goes on"
        )
    elif not outcome.cells:
        render.print_stderr(
            "there is nothing to measure: every model here was measured before (orch bench measures"
            " them again)"
        )
    if outcome.rows and all(row.error for row in outcome.rows):
        raise OrchError(
            f"no model could be measured: {outcome.rows[-1].error}",
            "orch health shows what is wrong",
            code="all_failed",
        )
