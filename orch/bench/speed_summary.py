"""Summarizes the samples of a speed bench: medians with their spread, tables and JSON (pure)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from orch.bench.speed_plan import COLD, SHORT, TOGETHER, WARM, is_failure
from orch.storage.timings import BenchmarkSample
from orch.types import ModelKey

COLUMNS = (
    "model",
    "prompt",
    "load s",
    "prefill tokens/s",
    "decode tokens/s",
    "TTFT s",
    "total s",
    "memory",
    "n",
    "note",
)


@dataclass(frozen=True, slots=True)
class MedianFigure:
    """The median of n values, with half their interquartile range."""

    median: float
    spread: float
    n: int

    def __str__(self) -> str:
        """`12.3 ± 0.4`; a single value has no spread."""
        digits = (
            0 if self.median >= 100 else 1 if self.median >= 10 else 2 if self.median >= 1 else 3
        )
        return f"{self.median:,.{digits}f}" + (
            f" ± {self.spread:,.{digits}f}" if self.n > 1 else ""
        )


@dataclass(frozen=True, slots=True)
class SpeedSummary:
    """The figures of a model in one kind of cell: seconds, tokens per second, bytes.

    `n` counts the successful rounds; `note` says what failed.
    """

    provider: str
    model: str
    kind: str
    size: str
    concurrency: int
    n: int
    load_s: MedianFigure | None
    prefill_tps: MedianFigure | None
    decode_tps: MedianFigure | None
    ttft_s: MedianFigure | None
    total_s: MedianFigure | None
    tokens_per_s: MedianFigure | None
    resident_bytes: int | None
    note: str

    @property
    def key(self) -> ModelKey:
        """Provider and id."""
        return ModelKey(self.provider, self.model)


def median_figure(values: Iterable[float | None]) -> MedianFigure | None:
    """The median of the known values; None without any."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    low, _, high = (
        statistics.quantiles(known, n=4, method="inclusive") if len(known) > 1 else (0.0, 0.0, 0.0)
    )
    return MedianFigure(statistics.median(known), (high - low) / 2, len(known))


def summarize(rows: Sequence[BenchmarkSample]) -> list[SpeedSummary]:
    """One summary per model and kind of cell, grouped by model, in the order measured."""
    groups: dict[tuple[ModelKey, str, str, int], list[BenchmarkSample]] = {}
    for row in rows:
        groups.setdefault(
            (ModelKey(row.provider, row.model), row.kind, row.size, row.concurrency), []
        ).append(row)
    models = list(dict.fromkeys(key[0] for key in groups))
    return [_line(groups[key]) for key in sorted(groups, key=lambda key: models.index(key[0]))]


def _line(rows: Sequence[BenchmarkSample]) -> SpeedSummary:
    first, good = rows[0], [row for row in rows if row.error is None]
    return SpeedSummary(
        provider=first.provider,
        model=first.model,
        kind=first.kind,
        size=first.size,
        concurrency=first.concurrency,
        n=len({row.cell for row in good}),
        load_s=median_figure(row.load_s for row in good) if first.kind == COLD else None,
        prefill_tps=median_figure(_rate(row.prompt_tokens, row.prefill_s) for row in good),
        decode_tps=median_figure(_rate(row.completion_tokens, row.decode_s) for row in good),
        ttft_s=median_figure(row.ttft_s for row in good),
        total_s=median_figure(row.total_s for row in good),
        tokens_per_s=median_figure(_throughput(good)),
        resident_bytes=next(
            (row.resident_bytes for row in reversed(good) if row.resident_bytes), None
        ),
        note=_note(rows),
    )


def _rate(tokens: int | None, seconds: float | None) -> float | None:
    return tokens / seconds if tokens and seconds else None


def _throughput(rows: Sequence[BenchmarkSample]) -> list[float | None]:
    """Tokens a second of all the answers of a cell together: they were asked for at once, so the
    longest one's time is the cell's."""
    cells: dict[str, list[BenchmarkSample]] = {}
    for row in rows:
        cells.setdefault(row.cell, []).append(row)
    return [
        _rate(
            sum(row.completion_tokens or 0 for row in cell),
            max((row.total_s or 0.0) for row in cell),
        )
        for cell in cells.values()
    ]


def _note(rows: Sequence[BenchmarkSample]) -> str:
    bad = next((row for row in rows if row.error), None)
    if bad is None:
        return ""
    return f"failed in round {bad.round}: {bad.error}" if is_failure(bad) else str(bad.error)


def model_labels(summaries: Sequence[SpeedSummary]) -> dict[ModelKey, str]:
    """The label of each model: its id, with the provider where two have the same."""
    keys = list(dict.fromkeys(line.key for line in summaries))
    ids = [model for _, model in keys]
    return {key: key[1] if ids.count(key[1]) == 1 else "/".join(key) for key in keys}


# ---------------------------------------------------------------- tables


def summary_cells(line: SpeedSummary) -> tuple[str, ...]:
    """The table cells of a summary under COLUMNS, without the model."""
    prompt = f"{line.size}, cold" if line.kind == COLD else line.size
    figures = (line.load_s, line.prefill_tps, line.decode_tps, line.ttft_s, line.total_s)
    memory = f"{line.resident_bytes / 1e9:.1f} GB" if line.resident_bytes else "-"
    return (prompt, *(str(each or "-") for each in figures), memory, str(line.n), line.note)


def throughput_table(
    summaries: Sequence[SpeedSummary],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows of the total tokens/s by number of simultaneous requests.

    There are no rows where no cell had several requests.
    """
    labels = model_labels(summaries)
    levels: dict[ModelKey, dict[int, SpeedSummary]] = {}
    for line in summaries:
        if line.kind == TOGETHER or (line.kind == WARM and line.size == SHORT):
            levels.setdefault(line.key, {})[line.concurrency] = line
    several = sorted(
        {line.concurrency for line in summaries}
        if any(line.kind == TOGETHER for line in summaries)
        else ()
    )
    rows = (
        [(labels[key], *_rates(each, several)) for key, each in levels.items()] if several else []
    )
    return (
        "all answers together, tokens/s",
        *(f"{level} at once" for level in several),
        "note",
    ), rows


def _rates(by_level: Mapping[int, SpeedSummary], levels: Sequence[int]) -> list[str]:
    """Tokens/s at each level, and the notes of failed cells."""
    rates = [by_level[level].tokens_per_s if level in by_level else None for level in levels]
    notes = dict.fromkeys(line.note for level, line in by_level.items() if level > 1 and line.note)
    return [*(str(rate or "-") for rate in rates), "; ".join(notes)]


def timing_note(rows: Sequence[BenchmarkSample]) -> str:
    """What measured the times: the provider or orch's clock."""
    by: dict[str, list[str]] = {}
    timed = [(row.model, row.timed_by) for row in rows if row.error is None]
    for model, timer in dict.fromkeys(timed):
        by.setdefault(timer, []).append(model)
    parts = []
    if "provider" in by:
        parts.append(
            "load, prefill and decode as the provider timed them, TTFT and total by the clock"
            f" ({', '.join(by['provider'])})"
        )
    if "clock" in by:
        parts.append(
            f"all by the clock, where prefill ends with the first token ({', '.join(by['clock'])})"
        )
    return "; ".join(parts) or "nothing was timed"


def span_text(seconds: float) -> str:
    """A duration for people: `40 s`, `3 min`, `1.5 h`."""
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


def provenance_line(machine: Mapping[str, Any], at: float, rounds: int) -> str:
    """Machine, date and number of rounds of the figures."""
    memory = f", {machine['memory_bytes'] / 1e9:.0f} GB" if machine["memory_bytes"] else ""
    day = time.strftime("%Y-%m-%d", time.localtime(at))
    place = f"{machine['processor']}, {machine['cores']} cores{memory}, {machine['system']}"
    return f"{place}; {day}; n = {rounds}" + (
        ", median ± half the interquartile range" if rounds > 1 else ""
    )


def summaries_json(
    summaries: Sequence[SpeedSummary],
    rows: Sequence[BenchmarkSample],
    num_ctx: Mapping[ModelKey, int],
) -> list[dict[str, Any]]:
    """Each model's summaries as JSON values, with its context size and its first error."""
    models = []
    for key in dict.fromkeys(line.key for line in summaries):
        own = [row for row in rows if ModelKey(row.provider, row.model) == key]
        error = next((row.error for row in own if is_failure(row)), None)
        timed_by = sorted({row.timed_by for row in own if row.error is None})
        facts = {
            "provider": key[0],
            "model": key[1],
            "digest": own[-1].digest,
            "num_ctx": num_ctx.get(key),
            "timed_by": timed_by,
            "error": error,
        }
        models.append({**facts, "lines": [asdict(line) for line in summaries if line.key == key]})
    return models
