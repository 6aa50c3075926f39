"""`orch bench`: the options, for a speed bench and for a quality bench."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from orch.cli import context
from orch.cli.options import Json
from orch.errors import UsageError

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


ModelsOption = Annotated[
    list[str],
    typer.Argument(
        metavar="[MODEL]...",
        help="Models to measure. Default: all installed ones.",
        show_default=False,
    ),
]
RoundsOption = Annotated[
    int, typer.Option("-n", min=1, max=100, help="Number of rounds; each measures all models.")
]
SizesOption = Annotated[str, typer.Option(help="Prompt sizes: short, or tokens such as 500 or 4k.")]
ConcurrencyOption = Annotated[str, typer.Option(help="Numbers of simultaneous requests.")]
BudgetOption = Annotated[
    str,
    typer.Option(
        metavar="TIME",
        help="Stop within 10m, 1h, …; the same command resumes.",
        show_default=False,
    ),
]
NewOption = Annotated[bool, typer.Option("--new", help="Only models that were never measured.")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Start over instead of resuming.")]
AsMdOption = Annotated[bool, typer.Option("--md", help="Print Markdown tables.")]
SvgOption = Annotated[
    str, typer.Option(metavar="FILE", help="Write a chart to this file.", show_default=False)
]
QualityOption = Annotated[
    bool,
    typer.Option("--quality", help="Grade answers instead of measuring speed."),
]
SuiteOption = Annotated[
    str,
    typer.Option(
        metavar="FILE", help="Quality: file with your own graded tasks.", show_default=False
    ),
]
AllowExecOption = Annotated[
    bool,
    typer.Option("--allow-exec", help="Quality: run generated code in a sandbox."),
]
RegradeOption = Annotated[
    bool,
    typer.Option("--regrade", help="Quality: grade stored answers again, without running models."),
]
ReportOption = Annotated[
    bool,
    typer.Option(
        "--report",
        help="Quality: show the results and the effect of each dial, without running models.",
    ),
]


@app.command(no_args_is_help=False)
def bench_command(
    ctx: typer.Context,
    models: ModelsOption = [],  # noqa: B006
    rounds: RoundsOption = 3,
    sizes: SizesOption = "short,1k,4k",
    concurrency: ConcurrencyOption = "1,2,4",
    budget: BudgetOption = "",
    new: NewOption = False,
    fresh: FreshOption = False,
    as_json: Json = False,
    as_md: AsMdOption = False,
    svg: SvgOption = "",
    quality: QualityOption = False,
    suite: SuiteOption = "",
    allow_exec: AllowExecOption = False,
    regrade: RegradeOption = False,
    report: ReportOption = False,
) -> None:
    """Measure the speed of your models or, with --quality, how good their answers are."""
    if as_json and as_md:
        raise UsageError("--json and --md exclude each other", "use one of them")
    if svg and not Path(svg).absolute().parent.is_dir():
        raise UsageError(f"--svg {svg}: the folder {Path(svg).absolute().parent} does not exist")
    options = SpeedBenchOptions.from_params(ctx.params)
    if quality or suite or regrade or report:
        _measure_quality(ctx, options)
        return
    if allow_exec:
        raise UsageError("--allow-exec needs --quality", "orch bench --quality --allow-exec")
    _measure_speed(ctx, options)


# ---------------------------------------------------------------- options


@dataclass(frozen=True, slots=True)
class SpeedBenchOptions:
    """The options of a speed bench. `budget_s` in seconds."""

    models: tuple[str, ...]
    sizes: tuple[str, ...]
    rounds: int
    concurrency: tuple[int, ...]
    budget_s: float | None
    new: bool
    fresh: bool

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> SpeedBenchOptions:
        """Parses the options. Raises UsageError."""
        sizes = _parse_list(
            "--sizes",
            params["sizes"],
            r"short|[1-9]\d{0,2}k|[1-9]\d{1,5}",
            "for example --sizes short,1k,4k",
        )
        levels = _parse_list(
            "--concurrency",
            params["concurrency"],
            r"[1-9]|[1-5]\d|6[0-4]",
            "for example --concurrency 1,2,4; at most 64",
        )
        return cls(
            tuple(params["models"]),
            sizes,
            params["rounds"],
            tuple(map(int, levels)),
            _parse_budget(params["budget"]),
            params["new"],
            params["fresh"],
        )

    @property
    def asked(self) -> dict[str, Any]:
        """What identifies a bench in the journal: the same options resume it."""
        return {
            "models": list(self.models),
            "sizes": list(self.sizes),
            "rounds": self.rounds,
            "concurrency": list(self.concurrency),
            "new": self.new,
        }


def _parse_list(option: str, text: str, pattern: str, hint: str) -> tuple[str, ...]:
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    wrong = next((part for part in parts if not re.fullmatch(pattern, part)), None)
    if wrong is not None:
        raise UsageError(f"{option}: {wrong!r} is not valid", hint)
    return parts


def _parse_budget(text: str) -> float | None:
    from orch.config.durations import duration_seconds

    if not text:
        return None
    if not re.fullmatch(r"[1-9]\d{0,5}[smhdw]", text):
        raise UsageError(f"--budget {text!r} is not a duration", "for example 90s, 10m or 1h")
    return float(duration_seconds(text))


def _measure_speed(ctx: typer.Context, options: SpeedBenchOptions) -> None:
    from orch.cli.commands.bench.measure import run_speed_bench
    from orch.cli.commands.bench.print_speed import print_end, print_result, write_chart

    params = ctx.params
    result = asyncio.run(run_speed_bench(context.open_orchestrator(ctx), options))
    print_result(result, as_json=params["as_json"], as_md=params["as_md"])
    if params["svg"] and result.rows:
        write_chart(result, Path(params["svg"]))
    print_end(result)


def _measure_quality(ctx: typer.Context, options: SpeedBenchOptions) -> None:
    from orch.cli.commands.bench.quality import QualityBenchOptions, run_quality_bench

    own = {
        name: ctx.params[name]
        for name in ("suite", "allow_exec", "regrade", "report", "as_json", "as_md", "svg")
    }
    run_quality_bench(
        ctx,
        QualityBenchOptions(
            models=options.models,
            budget_s=options.budget_s,
            fresh=options.fresh,
            new=options.new,
            **own,
        ),
    )
