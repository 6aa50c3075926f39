"""The Memory view: search entries and add notes; with `?id=` a single entry."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from starlette.requests import Request

from orch.server.service import Service
from orch.server.web.components.errors import draw_notes
from orch.server.web.components.i18n import N_
from orch.server.web.components.labels import task_type_options
from orch.server.web.components.page import (
    Page,
    content,
    empty_state,
    loading,
    open_page,
    with_notification,
)
from orch.server.web.components.tables import disclosure, text_element
from orch.server.web.memory.actions import confirm_forget, perform_operation
from orch.server.web.memory.entry import EntryView
from orch.server.web.memory.entry_row import Row, entry_summary, entry_title
from orch.types import TaskType

PAGE_SIZE, MAX_ENTRIES = 20, 500


async def memory_view(request: Request, service: Service) -> None:
    """Draws the view."""
    page = open_page(request, service, N_("Memory"))
    query = request.query_params
    words, task_type = query.get("q", ""), query.get("type", "")
    with content().classes("orch-memory"):
        if query.get("id"):
            EntryView(page, query["id"], memory_url(words, task_type))
        else:
            MemoryView(page, words, task_type)


def memory_url(query: str, task_type: str, row_id: str = "") -> str:
    """The URL of a search, or of an entry that was opened from it."""
    values = (("id", row_id), ("q", query), ("type", task_type))
    encoded = urlencode({name: value for name, value in values if value})
    return f"/memory?{encoded}" if encoded else "/memory"


class MemoryView:
    """The search with its results, or the newest entries; and a form to add a note."""

    def __init__(self, page: Page, query: str, task_type: str) -> None:
        self._page, self._query = page, query
        self._task_type = task_type if task_type in tuple(TaskType) else ""
        self._limit, self._generation = PAGE_SIZE, 0
        text_element("h1", page("Memory"))
        if not page.service.config.routing.memory.remember:
            text = page("New runs are not remembered: memory.remember is false in routing.yaml.")
            text_element("p", text, "orch-dim")
        self._draw_search()
        self._draw_note_form()
        with ui.element("section").classes("orch-card"):
            with ui.element("div").classes("orch-memory-head"):
                self._title = text_element("h2", "")
                self._count = text_element("span", "", "orch-dim").props("role=status")
            self._body = ui.element("div")
        ui.timer(0, self.load, once=True)

    # ---------------------------------------------------------------- search

    def _draw_search(self) -> None:
        page = self._page
        types = {"": page("any"), **task_type_options(page)}
        with ui.element("div").classes("orch-memory-search").props("role=search"):
            self._words = ui.input(
                page("Search memory"), value=self._query, on_change=self._search_if_cleared
            )
            self._words.props("dense outlined clearable").on("keydown.enter", self._search)
            self._type = ui.select(
                types, label=page("Type"), value=self._task_type, on_change=self._search
            )
            self._type.props("dense outlined")
            search = ui.button(page("Search"), icon="search", on_click=self._search, color=None)
            search.props("no-caps unelevated").classes("orch-memory-main")

    async def _search_if_cleared(self) -> None:
        if not self._words.value and self._query:
            await self._search()

    async def _search(self) -> None:
        self._query, self._task_type = (self._words.value or "").strip(), self._type.value
        self._limit = PAGE_SIZE
        ui.navigate.history.replace(memory_url(self._query, self._task_type))
        await self.load()

    async def _show_more(self) -> None:
        self._limit = min(self._limit * 2, MAX_ENTRIES)
        await self.load()

    # ---------------------------------------------------------------- entries

    async def load(self) -> None:
        """Searches, or lists the newest entries, and draws them unless another search was started
        in the meantime."""
        self._generation += 1
        generation, page = self._generation, self._page
        self._title.text = page("Results") if self._query else page("Newest")
        self._count.text = ""
        async with loading(page, self._body, self.load):
            result = await self._perform()
            if generation == self._generation:
                self._draw(result.get("hits", result.get("memories", [])), result["notes"])

    async def _perform(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {"k": self._limit, "kind": self._task_type}
        if self._query:
            return await perform_operation(self._page, "search", query=self._query, **arguments)
        return await perform_operation(self._page, "list", **arguments)

    def _draw(self, rows: list[Row], notes: list[str]) -> None:
        page = self._page
        draw_notes(page.translator, notes)
        if not rows:
            self._draw_empty()
            return
        self._count.text = page.ngettext("{n} entry", "{n} entries", len(rows))
        with ui.element("ul").classes("orch-memory-list"):
            for row in rows:
                with ui.element("li").classes("orch-memory-one"):
                    self._draw_row(row)
        if self._limit <= len(rows) < MAX_ENTRIES:
            ui.button(page("More"), on_click=self._show_more).props("flat no-caps")

    def _draw_empty(self) -> None:
        page = self._page
        if self._query:
            empty_state("search_off", page("No results."), page("Try other words, or fewer."))
        elif self._task_type:
            empty_state("search_off", page("No entries of this type."))
        else:
            hint = page("Questions are remembered once they are answered. You can add notes above.")
            empty_state("psychology", page("Nothing is remembered yet."), hint)

    def _draw_row(self, row: Row) -> None:
        page, title = self._page, entry_title(row)
        with ui.element("div").classes("orch-memory-words"):
            url = memory_url(self._query, self._task_type, row["id"])
            ui.link(title, url).classes("orch-memory-link")
            if more := _more_text(row):
                text_element("div", more, "orch-memory-beginning")
            text_element("div", entry_summary(page, row), "orch-dim")
        forget = ui.button(
            icon="delete_outline", on_click=lambda: confirm_forget(page, row, self.load)
        )
        forget.props("flat round dense")
        forget.props["aria-label"] = page("Forget: {title}", title=title[:60])

    # ---------------------------------------------------------------- adding

    def _draw_note_form(self) -> None:
        page = self._page
        with disclosure(page("Add a note")), ui.element("div").classes("orch-memory-add"):
            self._note_title = ui.input(page("Title (optional)")).props("dense outlined")
            self._note = ui.textarea(page("Text to remember")).props("outlined autogrow")
            handler = with_notification(page, self._add_note)
            add = ui.button(page("Add"), icon="add", on_click=handler, color=None)
            add.props("no-caps unelevated").classes("orch-memory-main")

    async def _add_note(self) -> str | None:
        page, text = self._page, (self._note.value or "").strip()
        if not text:
            ui.notify(page("Enter the text to remember first."), type="warning")
            return None
        title = (self._note_title.value or "").strip() or None
        note = {"title": title, "text": text}
        result = await page.service.memory.perform("add", {"texts": [note]})
        self._note.value = self._note_title.value = ""
        await self.load()
        parts = len(result["ids"])
        if not result["new"]:
            return page("Already remembered.")
        if parts == 1:
            return page("Remembered.")
        return page.ngettext("Remembered in {n} part.", "Remembered in {n} parts.", parts)


def _more_text(row: Row) -> str:
    """What follows the title: the beginning of the answer, or of a note that has a title."""
    if not row["note"]:
        return str(row["beginning"] or "")
    return str(row["task"]) if row["title"] else ""
