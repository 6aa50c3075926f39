"""Runs a speed bench: resumes an unfinished one or starts a new one, and shows its progress."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orch.bench.server_versions import server_versions, version_notes
from orch.bench.speed import OpenBench, SpeedMeter, close_bench, find_open_bench, save_open_bench
from orch.bench.speed_plan import choose_models, plan_cells, remaining_cells
from orch.bench.speed_summary import span_text
from orch.cli import render
from orch.cli.signals import cancel_on_signals
from orch.routing.lookup import resolve_model

if TYPE_CHECKING:
    from orch.bench.speed import BenchStep
    from orch.bench.speed_plan import SpeedCell
    from orch.cli.commands.bench.command import SpeedBenchOptions
    from orch.orchestrator import Orchestrator
    from orch.routing.model_state import ModelState
    from orch.routing.registry import Inventory
    from orch.storage.timings import BenchmarkSample
    from orch.types import ModelKey


@dataclass(slots=True)
class BenchResult:
    """The result of one call: the bench with all its samples (None if it ended before one started),
    its cells, and the code of what ended it early."""

    bench: OpenBench | None = None
    rows: list[BenchmarkSample] = field(default_factory=list)
    num_ctx: dict[ModelKey, int] = field(default_factory=dict)
    cells: Sequence[SpeedCell] = ()
    warnings: Sequence[str] = ()
    ended: str = ""

    @property
    def remaining(self) -> int:
        """The number of cells that are still to be measured."""

        return len(remaining_cells(self.cells, self.rows))


async def run_speed_bench(orchestrator: Orchestrator, options: SpeedBenchOptions) -> BenchResult:
    """Measures until the end, the budget, or a signal, and returns what was measured."""
    codes, result = cancel_on_signals(), BenchResult()
    try:
        await _measure(orchestrator, options, result)
    except asyncio.CancelledError:
        result.ended = codes[0] if codes else "interrupted"
    finally:
        await orchestrator.aclose()
        result.warnings = tuple(orchestrator.runtime.journal.warnings)
    return result


async def _measure(
    orchestrator: Orchestrator, options: SpeedBenchOptions, result: BenchResult
) -> None:
    """Resumes the open bench of these options, or starts one; fills `result` meanwhile."""

    runtime = orchestrator.runtime
    inventory = await runtime.registry.snapshot(with_unlisted=True if options.models else None)
    result.bench, states = _open_bench(orchestrator, options, inventory)
    servers = await server_versions(runtime.providers, (state.spec.provider for state in states))
    meter = SpeedMeter(
        result.bench.name, states, options.sizes, runtime.providers, runtime.journal, servers
    )
    figures = [(row.provider, row.server) for row in meter.rows]
    for note in version_notes(figures, servers, "measurements"):
        render.print_warning(note)
    result.rows, result.num_ctx = meter.rows, meter.num_ctx
    result.cells = plan_cells(
        [state.key for state in states],
        options.sizes,
        options.rounds,
        options.concurrency,
        meter.never_cold,
    )
    if not result.cells:
        return  # --new, and every model was measured
    save_open_bench(runtime.journal, result.bench)
    progress = BenchProgress(result.cells, options.rounds)
    try:
        async with aclosing(meter.measure(result.cells, options.budget_s)) as steps:
            async for step in steps:
                progress.show(step)
    finally:
        progress.close()
    if not result.remaining:
        close_bench(runtime.journal)


def _open_bench(
    orchestrator: Orchestrator, options: SpeedBenchOptions, inventory: Inventory
) -> tuple[OpenBench, list[ModelState]]:
    """The bench to resume, or a new one, and those of its models that are available."""
    from orch.bench.speed import OpenBench
    from orch.execution.run import new_run_id

    journal = orchestrator.runtime.journal
    unfinished = None if options.fresh else find_open_bench(journal, options.asked)
    if unfinished is not None and (states := _available_models(unfinished, inventory)):
        kept = len({row.cell for row in journal.timings.samples_of(unfinished.name)})
        render.print_stderr(
            f"resuming the bench of {time.strftime('%H:%M', time.localtime(unfinished.at))}: {kept}"
            " cells are measured; --fresh starts over"
        )
        return unfinished, states
    states, left_out = choose_models(
        inventory, [resolve_model(inventory, name) for name in options.models]
    )
    for name, why in left_out:
        render.print_warning(f"{name}: {why}; not measured unless named")
    if options.new:
        measured = journal.timings.benchmarked_models()
        states = [state for state in states if state.key not in measured]
    return (
        OpenBench(new_run_id(), time.time(), options.asked, tuple(state.key for state in states)),
        states,
    )


def _available_models(bench: OpenBench, inventory: Inventory) -> list[ModelState]:
    """The models of a bench that are available, in its order."""

    available = {state.key: state for state in inventory.states if not state.unavailable}
    for provider, model in bench.models:
        if (provider, model) not in available:
            render.print_warning(
                f"{model}: not available at {provider}; its remaining cells are not measured"
            )
    return [available[key] for key in bench.models if key in available]


class BenchProgress:
    """Progress on stderr: one line that is redrawn on a terminal, else a line per round."""

    def __init__(self, cells: Sequence[SpeedCell], rounds: int) -> None:
        self._total, self._rounds, self._round = len(cells), rounds, 0
        self._live = render.is_terminal(sys.stderr)

    def show(self, step: BenchStep) -> None:
        """Shows the cell that is measured next."""
        cell = step.todo[0]
        position = (
            f"round {cell.round} of {self._rounds} · {self._total - len(step.todo)} of"
            f" {self._total} cells"
        )
        text = position + (
            f" · about {span_text(step.left_s)} left" if step.left_s is not None else ""
        )
        if self._live:
            render.redraw_status_line(
                f"{text} · {cell.model[1]}: {cell.size}, {cell.kind}"[
                    : shutil.get_terminal_size().columns - 1
                ]
            )
        elif cell.round != self._round:
            render.print_stderr(text)
        self._round = cell.round

    def close(self) -> None:
        """Clears the line."""
        if self._live:
            render.redraw_status_line()
