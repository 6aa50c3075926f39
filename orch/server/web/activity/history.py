"""Past runs, a page at a time, with filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.events import GenericEventArguments, ValueChangeEventArguments

from orch.server.web.activity.queries import PAGE_ROWS, Row, RunFilter, list_runs, read_history
from orch.server.web.components.labels import (
    CHORES,
    CODES,
    label,
    task_type_label,
    task_type_options,
)
from orch.server.web.components.page import Page, empty_state, loading
from orch.server.web.components.tables import text_element
from orch.storage.history import RunPage

_WHEN_CELL = (
    '<q-td :props="props"><a class="orch-runs-link"'
    " :href=\"'/activity?run=' + encodeURIComponent(props.row.id)\" @click.stop>"
    "{{ props.value }}</a></q-td>"
)
_OUTCOME_CELL = (
    '<q-td :props="props"><span :class="\'orch-runs-\' + props.row.tone">{{ props.value }}'
    "</span></q-td>"
)


class RunHistory:
    """Draws the filters, one page of runs, and the buttons to the next and the previous page."""

    def __init__(self, page: Page, run_filter: RunFilter) -> None:
        self._page, self._filter = page, run_filter
        self._generation, self._new_runs = 0, 0
        self._draw_head()
        self._draw_filters()
        self._body = ui.element("div").classes("orch-history")
        self._draw_pager()
        ui.timer(0, self.load, once=True)

    # ---------------------------------------------------------------- controls

    def _draw_head(self) -> None:
        page = self._page
        with ui.element("div").classes("orch-activity-head"):
            text_element("h2", page("History"))
            self._refresh = ui.button(
                page("Refresh"), icon="refresh", on_click=lambda: self._change(page=1)
            )
            self._refresh.props("flat dense no-caps")

    def _draw_filters(self) -> None:
        page, current = self._page, self._filter
        types = {"": page("any"), **task_type_options(page)}
        models = {"": page("any")} | ({current.model: current.model} if current.model else {})
        task_type = current.task_type if current.task_type in types else ""
        with ui.element("div").classes("orch-activity-filters").props("role=search"):
            self._text = ui.input(
                page("Text in question or answer"),
                value=current.text,
                on_change=self._changed("text"),
            )
            self._text.props("dense outlined clearable debounce=300").classes("wide")
            self._outcome = self._select(
                page("Outcome"), "outcome", _outcome_options(page), current.outcome
            )
            self._type = self._select(page("Type"), "task_type", types, task_type)
            self._model = self._select(page("Model"), "model", models, current.model)

    def _select(self, name: str, field: str, options: dict[str, str], value: str) -> ui.select:
        select = ui.select(options, label=name, value=value, on_change=self._changed(field))
        return select.props("dense outlined")

    def _draw_pager(self) -> None:
        page = self._page
        with ui.element("nav").classes("orch-history-pager") as pager:
            pager.props["aria-label"] = page("History")
            self._newer = ui.button(
                page("Newer runs"), icon="chevron_left", on_click=lambda: self._turn_page(-1)
            )
            self._range = text_element("span", "", "orch-dim").props("role=status")
            self._older = ui.button(page("Older runs"), on_click=lambda: self._turn_page(1))
            self._older.props("icon-right=chevron_right")
        for button in (self._newer, self._older):
            button.props("flat dense no-caps").props["aria-label"] = button.text
            button.disable()

    # ---------------------------------------------------------------- changes

    def _changed(self, field: str) -> Any:
        async def change(event: ValueChangeEventArguments[Any]) -> None:
            value = event.value or ""
            if value != getattr(self._filter, field):
                await self._change(page=1, **{field: value})

        return change

    async def _turn_page(self, step: int) -> None:
        await self._change(page=self._filter.page + step)

    async def _change(self, **changes: Any) -> None:
        self._filter = replace(self._filter, **changes)
        ui.navigate.history.replace(self._filter.url)
        await self.load()

    async def _clear(self) -> None:
        self._filter = RunFilter()
        for field in (self._text, self._outcome, self._type, self._model):
            field.value = ""
        await self._change(page=1)

    def count_ended(self, ended: int) -> None:
        """Offers to show runs that have ended, so that rows do not move while they are read."""
        self._new_runs += ended
        self._refresh.text = self._page.ngettext("Show {n} new", "Show {n} new", self._new_runs)

    # ---------------------------------------------------------------- drawing

    async def load(self) -> None:
        """Reads the page of runs and draws it, unless the filter was changed in the meantime."""
        self._generation += 1
        generation = self._generation
        async with loading(self._page, self._body, self.load):
            runs = await read_history(
                self._page.service, lambda history: list_runs(history, self._filter)
            )
            if generation == self._generation:
                self._draw(runs)

    def _draw(self, runs: RunPage) -> None:
        page, current = self._page, self._filter
        first = (current.page - 1) * PAGE_ROWS
        self._new_runs, self._refresh.text = 0, page("Refresh")
        self._update_models(runs.models)
        self._newer.set_enabled(current.page > 1)
        self._older.set_enabled(first + len(runs.rows) < runs.total)
        self._range.text = _range_text(page, first, len(runs.rows), runs.total)
        if runs.rows:
            _draw_table(page, runs.rows)
        else:
            self._draw_empty()

    def _update_models(self, models: list[str]) -> None:
        current = self._filter.model
        names = sorted({*models, *([current] if current else [])})
        options = {"": self._page("any"), **{name: name for name in names}}
        self._model.set_options(options, value=current)

    def _draw_empty(self) -> None:
        page, current = self._page, self._filter
        if current.page > 1:
            empty_state("last_page", page("This page does not exist."))
        elif current.is_active:
            hint = page("Clear the filters to see all runs.")
            empty_state("filter_alt_off", page("No run matches the filters."), hint)
            clear = ui.button(page("Clear filters"), on_click=self._clear).props("flat no-caps")
            clear.classes("orch-history-clear")
        else:
            hint = page('Ask something in Chat, or type: orch run "What is a mutex?"')
            empty_state("history", page("No runs yet."), hint)


def _outcome_options(page: Page) -> dict[str, str]:
    return {
        "": page("any"),
        "ok": page("answered"),
        "failed": page("failed"),
        "interrupted": page("interrupted"),
        "cache": page("from the cache"),
        "chore": page("chores of clients"),
        "person": page("without chores"),
        "fallback": page("with a fallback"),
    }


def _range_text(page: Page, first: int, shown: int, total: int) -> str:
    if not shown:
        return ""
    if total == 1:
        return page.ngettext("{n} run", "{n} runs", total)
    numbers = (page.number(number) for number in (first + 1, first + shown, total))
    values = dict(zip(("first", "last", "total"), numbers, strict=True))
    return page("{first} to {last} of {total} runs", **values)


def _draw_table(page: Page, rows: list[Row]) -> None:
    columns = [
        _column("when", page("When"), "left", "orch-runs-when"),
        _column("task", page("Question"), "left", "orch-runs-task"),
        _column("type", page("Type"), "left", "orch-wide-only"),
        _column("model", page("Model"), "left", "orch-runs-model"),
        _column("outcome", page("Outcome"), "left", "orch-runs-outcome"),
        _column("ttft", page("First token"), "right", "orch-wide-only orch-runs-figure"),
        _column("total", page("Total"), "right", "orch-runs-figure"),
        _column("tokens", page("Answer"), "right", "orch-wide-only orch-runs-figure"),
    ]
    table = ui.table(rows=[_row(page, row) for row in rows], columns=columns, row_key="id")
    table.classes("orch-runs").props("flat dense wrap-cells")
    table.add_slot("body-cell-when", _WHEN_CELL)
    table.add_slot("body-cell-outcome", _OUTCOME_CELL)
    table.on("rowClick", _open_run, args=[[], ["id"], None])


def _open_run(event: GenericEventArguments) -> None:
    ui.navigate.to(f"/activity?{urlencode({'run': event.args[1]['id']})}")


def _column(name: str, text: str, align: str, classes: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "label": text,
        "field": name,
        "align": align,
        "classes": classes,
        "headerClasses": classes,
    }


def _row(page: Page, row: Row) -> dict[str, str]:
    tokens = row["completion_tokens"]
    return {
        "id": row["run_id"],
        "when": local_datetime(row["at"]),
        "task": " ".join((row["task"] or page("(text not stored)")).split()),
        "type": chore_text(page, row["chore"]) or task_type_label(page, row["task_type"] or "–"),
        "model": row["model"] or "–",
        "outcome": outcome_text(page, row),
        "tone": row["status"] if row["status"] in ("ok", "failed", "interrupted") else "ok",
        "ttft": duration_text(page, row["ttft_s"]),
        "total": duration_text(page, row["total_s"]),
        "tokens": "–" if tokens is None else page.ngettext("{n} token", "{n} tokens", tokens),
    }


def chore_text(page: Page, chore: str | None) -> str:
    """What a client asked for by itself; empty for what a person asked."""
    return page("{chore} (client)", chore=label(page, CHORES, chore)) if chore else ""


def outcome_text(page: Page, row: Mapping[str, Any]) -> str:
    """How a run ended. `attempts` in the row is the number of models that were tried."""
    code, attempts = row["error_code"] or "", row["attempts"]
    if row["status"] == "failed":
        return page("failed: {code}", code=label(page, CODES, code)) if code else page("failed")
    if row["status"] == "interrupted":
        if not code or code == "interrupted":
            return page("interrupted")
        return page("interrupted: {code}", code=label(page, CODES, code))
    if row["source"] == "cache":
        return page("from the cache")
    text = page("answered")
    if attempts > 1:
        text = page.ngettext(
            "answered, after {n} attempt", "answered, after {n} attempts", attempts
        )
    return " · ".join((text, page("last resort"))) if row["degraded"] else text


def local_datetime(at: float) -> str:
    """Seconds since the epoch as a local date and time."""
    return datetime.fromtimestamp(at).isoformat(" ", timespec="seconds")


def duration_text(page: Page, value_s: float | None) -> str:
    """A duration with its unit, milliseconds below one second; a dash for None."""
    if value_s is None:
        return "–"
    if value_s >= 1:
        return page("{seconds} s", seconds=page.number(value_s, 1))
    return page("{ms} ms", ms=page.number(1000 * value_s))
