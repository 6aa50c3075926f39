"""Summarizes the samples of a speed bench as medians, text bars and an SVG chart (pure)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from orch.bench.speed_plan import COLD, SHORT, TOGETHER, WARM, is_failure
from orch.storage.timings import BenchmarkSample
from orch.text.terminal import sanitize_text
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
BLOCKS = " ▏▎▍▌▋▊▉█"
COLOURS = ("#0969da", "#bf5700", "#8250df", "#1a7f37", "#bf3989")
"""One per prompt size; each has a contrast of at least 3 on white and on #0d1117."""
STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328 } .name { font-weight: 600 } .about { font-size: 12px; fill: #59636e }
    .ground { fill: #ffffff }
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .about { fill: #9198a1 } .ground { fill: #0d1117 } }
"""
WIDTH, LEFT, BAR, ROW, HEAD = 860, 70, 600, 20, 34


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
    """The figures of a model in one kind of cell: seconds, tokens per second, bytes. `n`: successful
    rounds; `note`: what failed."""

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
    """Columns and rows of the total tokens/s by number of simultaneous requests; no rows where no cell
    had several."""
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
    """Says who measured the times: the provider or orch's clock."""
    by: dict[str, list[str]] = {}
    for name, whose in dict.fromkeys(
        (row.model, row.timed_by) for row in rows if row.error is None
    ):
        by.setdefault(whose, []).append(name)
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


# ---------------------------------------------------------------- bars of text


def text_bars(summaries: Sequence[SpeedSummary], width: int) -> list[str]:
    """Decode tokens/s of each model as a text bar, in lines of at most `width` characters, for the first
    prompt size with a figure."""
    firsts: dict[ModelKey, MedianFigure] = {}
    for line in summaries:
        if line.kind == WARM and line.decode_tps is not None:
            firsts.setdefault(line.key, line.decode_tps)
    if not firsts:
        return []
    labels, most = (
        {key: sanitize_text(name) for key, name in model_labels(summaries).items()},
        max(each.median for each in firsts.values()),
    )
    column, room = (
        max(len(labels[key]) for key in firsts),
        max(len(str(each)) for each in firsts.values()),
    )
    length = max(width - column - room - 2, 1)
    return [
        f"{labels[key]:{column}} {_bar(each.median / most * length):{length}} {each}"
        for key, each in firsts.items()
    ]


def _bar(length: float) -> str:
    """Block characters, to an eighth of a character."""
    eighths = max(round(length * 8), 1)
    return BLOCKS[8] * (eighths // 8) + (BLOCKS[eighths % 8] if eighths % 8 else "")


# ---------------------------------------------------------------- SVG


def draw_chart(summaries: Sequence[SpeedSummary], about: str) -> str:
    """An SVG chart of decode and prefill by model and prompt size, with a line on machine and date.

    Readable in light and dark.
    """
    labels, warm = model_labels(summaries), [line for line in summaries if line.kind == WARM]
    parts, y = [_text(10, 20, about, "about")], 30
    for title, rates in (
        ("decode, tokens/s", [line.decode_tps for line in warm]),
        ("prefill, tokens/s", [line.prefill_tps for line in warm]),
    ):
        parts.append(_text(10, y + HEAD - 10, title, "name"))
        panel, y = _panel(
            [(line, rate) for line, rate in zip(warm, rates, strict=True) if rate], labels, y + HEAD
        )
        parts += panel
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 10}" width="{WIDTH}"'
        f' height="{y + 10}" role="img">'
    )
    ground = f'<rect class="ground" width="{WIDTH}" height="{y + 10}"/>'
    return "\n".join(
        [
            head,
            "<title>Speed of local models</title>",
            f"<style>{STYLE}</style>",
            ground,
            *parts,
            "</svg>",
            "",
        ]
    )


def _panel(
    rated: Sequence[tuple[SpeedSummary, MedianFigure]], labels: dict[ModelKey, str], y: int
) -> tuple[list[str], int]:
    """The bars of one rate, grouped by model, starting at y; and the y below them."""
    parts: list[str] = []
    most, sizes = (
        max((rate.median for _, rate in rated), default=1.0),
        list(dict.fromkeys(line.size for line, _ in rated)),
    )
    last: ModelKey | None = None
    for line, rate in rated:
        if line.key != last:
            parts.append(_text(10, y + 15, labels[line.key]))
            y, last = y + ROW, line.key
        length, colour = (
            max(rate.median / most * BAR, 1),
            COLOURS[sizes.index(line.size) % len(COLOURS)],
        )
        parts.append(_text(10, y + 14, line.size, "about"))
        parts.append(
            f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="{ROW - 6}" rx="2"'
            f' fill="{colour}"/>'
        )
        parts.append(_text(round(LEFT + length) + 8, y + 14, str(rate), "about"))
        y += ROW
    return parts, y


def _text(x: int, y: int, text: str, kind: str = "plain") -> str:
    """Escapes the text: names come from a server. Characters that XML forbids are left out."""
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(sanitize_text(text))}</text>'
