"""Statistics of a period: times and speeds by model, fallbacks, cold loads and cache hits."""

from __future__ import annotations

from collections.abc import Mapping

from nicegui import ui

from orch.server.web.activity.history import duration_text
from orch.server.web.activity.queries import (
    ActivityFigures,
    Row,
    activity_figures,
    median,
    read_history,
)
from orch.server.web.components.labels import CACHE_MODES, CODES, label
from orch.server.web.components.page import Page, empty_state, loading
from orch.server.web.components.tables import (
    bar_chart,
    disclosure,
    fact_list,
    html_table,
    text_element,
)

PERIODS_S = {"1": 86_400, "7": 7 * 86_400, "30": 30 * 86_400, "": 0}


class Charts:
    """The statistics of a period that can be selected; empty until `load` is called."""

    def __init__(self, page: Page) -> None:
        self._page, self._generation = page, 0
        periods = {
            "1": page("last 24 hours"),
            "7": page("last 7 days"),
            "30": page("last 30 days"),
            "": page("all"),
        }
        with ui.element("div").classes("orch-activity-head"):
            text_element("h2", page("Statistics"))
            self._period = ui.select(periods, label=page("Period"), value="7", on_change=self.load)
            self._period.props("dense outlined")
        self._body = ui.element("div").classes("orch-figures")

    async def load(self) -> None:
        """Reads the journal and draws, unless another period was selected in the meantime."""
        self._generation += 1
        generation, page = self._generation, self._page
        cache = page.service.orchestrator.runtime.answer_cache.store
        period_s = PERIODS_S[self._period.value]
        async with loading(page, self._body, self.load):
            figures = await read_history(
                page.service, lambda history: activity_figures(history, period_s, cache.stats)
            )
            if generation == self._generation:
                self._draw(figures)

    def _draw(self, figures: ActivityFigures) -> None:
        page = self._page
        if not figures.runs and not figures.models:
            hint = page("No model was used in this period.")
            empty_state("bar_chart", page("No statistics yet."), hint)
            return
        if figures.models:
            _draw_speeds(page, figures.models)
        _draw_fallbacks(page, figures)
        _draw_loads(page, figures)
        _draw_cache(page, figures)


def _draw_speeds(page: Page, models: Mapping[str, Row]) -> None:
    with ui.element("div").classes("orch-figures-charts"):
        for title, measure in (
            (page("Time to the first token"), "ttft"),
            (page("Time to the complete answer"), "total"),
        ):
            with ui.element("div"):
                bar_chart(title, _time_bars(page, models, measure))
        with ui.element("div"):
            bar_chart(page("Output speed"), _speed_bars(page, models))
    note = page("The solid bar is the median, the pale bar the 95th percentile.")
    text_element("p", note, "orch-dim")
    with disclosure(page("Show as a table")):
        rows = [_table_row(page, name, row) for name, row in models.items()]
        html_table(page("Statistics by model"), _table_heads(page), rows)


def _time_bars(
    page: Page, models: Mapping[str, Row], measure: str
) -> list[tuple[str, str, float, float]]:
    bars = []
    for model, row in models.items():
        p50, p95 = row[f"{measure}_p50_s"], row[f"{measure}_p95_s"]
        if p50 is not None:
            text = page(
                "median {median}, p95 {p95}",
                median=duration_text(page, p50),
                p95=duration_text(page, p95),
            )
            bars.append((model, text, p50, p95))
    return bars


def _speed_bars(page: Page, models: Mapping[str, Row]) -> list[tuple[str, str, float, float]]:
    speeds = {model: row["tokens_per_s"] for model, row in models.items()}
    return [
        (model, page("median {speed} tokens/s", speed=page.number(speed, 1)), speed, 0.0)
        for model, speed in speeds.items()
        if speed is not None
    ]


def _table_heads(page: Page) -> list[str]:
    return [
        page("Model"),
        page("Runs"),
        page("Errors"),
        page("Fallbacks"),
        page("Tokens"),
        page("First token, median"),
        page("First token, p95"),
        page("Complete, median"),
        page("Complete, p95"),
        page("Speed, median"),
    ]


def _table_row(page: Page, name: str, row: Row) -> list[str]:
    counts = [page.number(row[key]) for key in ("runs", "errors", "fallbacks", "tokens")]
    keys = ("ttft_p50_s", "ttft_p95_s", "total_p50_s", "total_p95_s")
    times = [duration_text(page, row[key]) for key in keys]
    speed = row["tokens_per_s"]
    text = "–" if speed is None else page("{n} tokens/s", n=page.number(speed, 1))
    return [name, *counts, *times, text]


def _draw_fallbacks(page: Page, figures: ActivityFigures) -> None:
    text_element("h3", page("Fallbacks"))
    rows = [
        (failed, label(page, CODES, code) or "–", fallback, page.number(count))
        for (failed, code, fallback), count in figures.fallbacks.most_common()
    ]
    if not rows:
        text_element("p", page("No fallbacks in this period."), "orch-dim")
        return
    heads = [page("Failed model"), page("Reason"), page("Fallback model"), page("Count")]
    html_table(page("Fallbacks"), heads, rows, text_columns=(0, 1, 2))


def _draw_loads(page: Page, figures: ActivityFigures) -> None:
    text_element("h3", page("Cold loads"))
    rows = []
    for name, loads_s in figures.loads.items():
        times = (sum(loads_s), median(loads_s), max(loads_s))
        count = page.number(len(loads_s))
        rows.append((name, count, *(duration_text(page, time) for time in times)))
    if not rows:
        text_element("p", page("No run had to load a model first."), "orch-dim")
        return
    heads = [page("Model"), page("Loads"), page("Total"), page("Median"), page("Longest")]
    html_table(page("Cold loads"), heads, rows)


def _draw_cache(page: Page, figures: ActivityFigures) -> None:
    number, cache = page.number, figures.cache
    share = number(100 * figures.cached / figures.runs) if figures.runs else "0"
    cached = page(
        "{cached} of {runs} ({share} %)",
        cached=number(figures.cached),
        runs=number(figures.runs),
        share=share,
    )
    oldest_s = cache.get("oldest_s")
    text_element("h3", page("Answers from the cache"))
    fact_list(
        {
            page("Runs answered from the cache"): cached,
            page("Stored answers"): number(cache.get("answers", 0)),
            page("Size"): _size_text(page, cache.get("bytes", 0)),
            page("Cache hits"): number(cache.get("hits", 0)),
            page("Oldest answer"): ""
            if oldest_s is None
            else page("{hours} h", hours=number(oldest_s / 3600, 1)),
            page("Mode"): label(page, CACHE_MODES, page.service.config.routing.cache.mode),
        }
    )


def _size_text(page: Page, size_bytes: int) -> str:
    if size_bytes >= 1e6:
        return page("{size} MB", size=page.number(size_bytes / 1e6, 1))
    return page("{size} kB", size=page.number(size_bytes / 1e3, 1))
