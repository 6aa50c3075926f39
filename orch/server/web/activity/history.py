"""The runs that are over, a page at a time, with what a person may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.events import GenericEventArguments, ValueChangeEventArguments

from orch.server.web.activity.queries import (
    PAGE_ROWS,
    Row,
    RunFilter,
    RunPage,
    list_runs,
    read_journal,
)
from orch.server.web.components.page import Page, empty_state, loading
from orch.server.web.components.tables import text_element
from orch.types import TaskType

SPANISH = {
    "History": "Historial",
    "Outcome": "Resultado",
    "Type": "Tipo",
    "Model": "Modelo",
    "Words of the question or the answer": "Palabras de la pregunta o la respuesta",
    "any": "cualquiera",
    "answered": "respondida",
    "failed": "fallida",
    "interrupted": "interrumpida",
    "from the cache": "de la caché",
    "with a fallback": "con reemplazo",
    "failed: {code}": "fallida: {code}",
    "interrupted: {code}": "interrumpida: {code}",
    "answered, after {number} attempts": "respondida, tras {number} intentos",
    "last resort": "último recurso",
    "When": "Cuándo",
    "Question": "Pregunta",
    "First token": "Primer token",
    "Total": "Total",
    "Answer": "Respuesta",
    "{seconds} s": "{seconds} s",
    "{ms} ms": "{ms} ms",
    "{number} tokens": "{number} tokens",
    "(text not kept)": "(texto no guardado)",
    "{first} to {last} of {total} runs": "{first} a {last} de {total} ejecuciones",
    "1 run": "1 ejecución",
    "Newer runs": "Ejecuciones más recientes",
    "Older runs": "Ejecuciones anteriores",
    "Refresh": "Actualizar",
    "Show {number} new": "Mostrar {number} nuevas",
    "Show 1 new": "Mostrar 1 nueva",
    "Clear filters": "Quitar filtros",
    "No runs yet.": "Aún no hay ejecuciones.",
    'Ask something in Chat, or type: orch run "What is a mutex?"': (
        'Pregunta algo en Chat, o escribe: orch run "¿Qué es un mutex?"'
    ),
    "No run is like that.": "Ninguna ejecución es así.",
    "Clear the filters to see all of them.": "Quite los filtros para verlas todas.",
    "This page is past the end.": "Esta página está después del final.",
}
_WHEN = """<q-td :props="props"><a class="orch-runs-link" :href="'/activity?run=' + encodeURIComponent(props.row.id)" @click.stop>{{ props.value }}</a></q-td>"""
_OUTCOME = """<q-td :props="props"><span :class="'orch-runs-' + props.row.tone">{{ props.value }}</span></q-td>"""


class RunHistory:
    """Filters, a page of runs, and the way to the next."""

    def __init__(self, page: Page, wish: RunFilter) -> None:
        self._page, self._wish = page, wish
        self._turn, self._new = 0, 0
        self._head()
        self._filters()
        self._place = ui.element("div").classes("orch-history")
        self._pager()
        ui.timer(0, self.load, once=True)

    # ---------------------------------------------------------------- what stands there always

    def _head(self) -> None:
        page = self._page
        with ui.element("div").classes("orch-activity-head"):
            text_element("h2", page("History"))
            self._refresh = ui.button(
                page("Refresh"), icon="refresh", on_click=lambda: self._ask(page=1)
            ).props("flat dense no-caps")

    def _filters(self) -> None:
        page, wish = self._page, self._wish
        outcomes = {
            "": page("any"),
            "ok": page("answered"),
            "failed": page("failed"),
            "interrupted": page("interrupted"),
            "cache": page("from the cache"),
            "fallback": page("with a fallback"),
        }
        types = {"": page("any"), **{each.value: each.value for each in TaskType}}
        with ui.element("div").classes("orch-activity-filters").props("role=search"):
            self._text = ui.input(
                page("Words of the question or the answer"),
                value=wish.text,
                on_change=self._changed("text"),
            )
            self._text.props("dense outlined clearable debounce=300").classes("wide")
            self._outcome = ui.select(
                outcomes,
                label=page("Outcome"),
                value=wish.outcome,
                on_change=self._changed("outcome"),
            ).props("dense outlined")
            self._type = ui.select(
                types,
                label=page("Type"),
                value=wish.task_type if wish.task_type in types else "",
                on_change=self._changed("task_type"),
            )
            self._type.props("dense outlined")
            models = {"": page("any")} | ({wish.model: wish.model} if wish.model else {})
            self._model = ui.select(
                models, label=page("Model"), value=wish.model, on_change=self._changed("model")
            ).props("dense outlined")

    def _pager(self) -> None:
        page = self._page
        with ui.element("nav").classes("orch-history-pager") as pager:
            pager.props["aria-label"] = page("History")
            self._newer = ui.button(
                page("Newer runs"),
                icon="chevron_left",
                on_click=lambda: self._ask(page=self._wish.page - 1),
            )
            self._where = text_element("span", "", "orch-dim").props("role=status")
            self._older = ui.button(
                page("Older runs"), on_click=lambda: self._ask(page=self._wish.page + 1)
            ).props("icon-right=chevron_right")
        for button in (self._newer, self._older):
            button.props("flat dense no-caps").props["aria-label"] = button.text
            button.disable()

    # ---------------------------------------------------------------- asking

    def _changed(self, name: str) -> Any:
        async def change(event: ValueChangeEventArguments[Any]) -> None:
            value = event.value or ""
            if value != getattr(self._wish, name):
                await self._ask(page=1, **{name: value})

        return change

    async def _ask(self, **changes: Any) -> None:
        self._wish = replace(self._wish, **changes)
        ui.navigate.history.replace(self._wish.url)
        await self.load()

    async def _clear(self) -> None:
        self._wish = RunFilter()
        for field in (self._text, self._outcome, self._type, self._model):
            field.value = ""
        await self._ask(page=1)

    def count_ended(self, ended: int) -> None:
        """Runs have ended: they are shown when it is wished, so that nothing moves under a hand."""
        self._new += ended
        self._refresh.text = (
            self._page("Show 1 new")
            if self._new == 1
            else self._page("Show {number} new", number=self._new)
        )

    # ---------------------------------------------------------------- drawing

    async def load(self) -> None:
        """Reads the page that is wished for and draws it, unless another one was wished for
        meanwhile."""
        self._turn += 1
        turn = self._turn
        async with loading(self._page, self._place, self.load):
            found = await read_journal(
                self._page.service, lambda journal: list_runs(journal, self._wish)
            )
            if turn == self._turn:
                self._draw(found)

    def _draw(self, found: RunPage) -> None:
        page, wish = self._page, self._wish
        self._new, self._refresh.text = 0, page("Refresh")
        self._model.set_options(
            {
                "": page("any"),
                **{
                    name: name
                    for name in sorted({*found.models, *([wish.model] if wish.model else [])})
                },
            },
            value=wish.model,
        )
        first = (wish.page - 1) * PAGE_ROWS
        self._newer.set_enabled(wish.page > 1)
        self._older.set_enabled(first + len(found.rows) < found.total)
        self._where.text = _range(page, first, len(found.rows), found.total)
        if found.rows:
            _table(page, found.rows)
        elif wish.page > 1:
            empty_state("last_page", page("This page is past the end."))
        elif wish.is_active:
            empty_state(
                "filter_alt_off",
                page("No run is like that."),
                page("Clear the filters to see all of them."),
            )
            ui.button(page("Clear filters"), on_click=self._clear).props("flat no-caps").classes(
                "orch-history-clear"
            )
        else:
            empty_state(
                "history",
                page("No runs yet."),
                page('Ask something in Chat, or type: orch run "What is a mutex?"'),
            )


def _range(page: Page, first: int, shown: int, total: int) -> str:
    if not shown:
        return ""
    number = page.translator.number
    return (
        page("1 run")
        if total == 1
        else page(
            "{first} to {last} of {total} runs",
            first=number(first + 1),
            last=number(first + shown),
            total=number(total),
        )
    )


def _table(page: Page, rows: list[Row]) -> None:
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
    shown = (
        ui.table(rows=[_row(page, row) for row in rows], columns=columns, row_key="id")
        .classes("orch-runs")
        .props("flat dense wrap-cells")
    )
    shown.add_slot("body-cell-when", _WHEN)
    shown.add_slot("body-cell-outcome", _OUTCOME)
    shown.on("rowClick", _open, args=[[], ["id"], None])


def _open(event: GenericEventArguments) -> None:
    ui.navigate.to(f"/activity?{urlencode({'run': event.args[1]['id']})}")


def _column(name: str, label: str, align: str, classes: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "field": name,
        "align": align,
        "classes": classes,
        "headerClasses": classes,
    }


def _row(page: Page, row: Row) -> dict[str, str]:
    return {
        "id": row["run_id"],
        "when": local_datetime(row["at"]),
        "task": " ".join((row["task"] or page("(text not kept)")).split()),
        "type": row["task_type"] or "–",
        "model": row["model"] or "–",
        "outcome": outcome_text(page, row),
        "tone": row["status"] if row["status"] in ("ok", "failed", "interrupted") else "ok",
        "ttft": duration_text(page, row["ttft_s"]),
        "total": duration_text(page, row["total_s"]),
        "tokens": (
            "–"
            if row["completion_tokens"] is None
            else page("{number} tokens", number=page.translator.number(row["completion_tokens"]))
        ),
    }


def outcome_text(page: Page, row: Mapping[str, Any]) -> str:
    """How a run ended, in words. `attempts` is how many models were asked."""
    code = row["error_code"] or ""
    if row["status"] == "failed":
        return page("failed: {code}", code=code) if code else page("failed")
    if row["status"] == "interrupted":
        return (
            page("interrupted: {code}", code=code)
            if code and code != "interrupted"
            else page("interrupted")
        )
    if row["source"] == "cache":
        return page("from the cache")
    said = (
        page("answered, after {number} attempts", number=row["attempts"])
        if row["attempts"] > 1
        else page("answered")
    )
    return f"{said} · {page('last resort')}" if row["degraded"] else said


def local_datetime(at: float) -> str:
    """Seconds since the epoch as the day and time of this machine."""
    return datetime.fromtimestamp(at).isoformat(" ", timespec="seconds")


def duration_text(page: Page, value: float | None) -> str:
    """A time with its unit, below a second in milliseconds; a dash where it was not measured."""
    if value is None:
        return "–"
    return (
        page("{seconds} s", seconds=page.translator.number(value, 1))
        if value >= 1
        else page("{ms} ms", ms=page.translator.number(1000 * value))
    )
