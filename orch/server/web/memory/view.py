"""The view `Memory`: search what was said, add to it; with `?id=` one entry whole, to read or to
forget."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from starlette.requests import Request

from orch.server.service import Service
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
from orch.server.web.memory.es import SPANISH as SPANISH
from orch.types import TaskType

PAGE_SIZE, MAX_ENTRIES = 20, 500


async def memory_view(request: Request, service: Service) -> None:
    """Draws it."""
    page = open_page(request, service, "Memory", SPANISH)
    asked = request.query_params
    with content().classes("orch-memory"):
        if asked.get("id"):
            EntryView(page, asked["id"], memory_url(asked.get("q", ""), asked.get("type", "")))
        else:
            MemoryView(page, asked.get("q", ""), asked.get("type", ""))


def memory_url(query: str, kind: str, row_id: str = "") -> str:
    """The page's address with a search, and with one entry opened."""
    asked = urlencode(
        {name: value for name, value in (("id", row_id), ("q", query), ("type", kind)) if value}
    )
    return f"/memory?{asked}" if asked else "/memory"


class MemoryView:
    """Search and what it found, or the newest entries; a form to add one."""

    def __init__(self, page: Page, query: str, kind: str) -> None:
        self._page, self._query, self._kind = page, query, kind if kind in tuple(TaskType) else ""
        self._most, self._turn = PAGE_SIZE, 0
        text_element("h1", page("Memory"))
        if not page.service.config.routing.memory.remember:
            text_element(
                "p",
                page("New runs are not remembered: memory.remember is false in routing.yaml."),
                "orch-dim",
            )
        self._search()
        self._add()
        with ui.element("section").classes("orch-card"):
            with ui.element("div").classes("orch-memory-head"):
                self._title = text_element("h2", "")
                self._count = text_element("span", "", "orch-dim").props("role=status")
            self._place = ui.element("div")
        ui.timer(0, self.load, once=True)

    # ---------------------------------------------------------------- what is wished for

    def _search(self) -> None:
        page = self._page
        types = {"": page("any"), **{each.value: each.value for each in TaskType}}
        with ui.element("div").classes("orch-memory-search").props("role=search"):
            self._words = ui.input(
                page("What do you want to find?"), value=self._query, on_change=self._emptied
            ).props("dense outlined clearable")
            self._words.on("keydown.enter", self._sought)
            self._type = ui.select(
                types, label=page("Type"), value=self._kind, on_change=self._sought
            ).props("dense outlined")
            ui.button(page("Search"), icon="search", on_click=self._sought, color=None).props(
                "no-caps unelevated"
            ).classes("orch-memory-main")

    async def _emptied(self) -> None:
        if not self._words.value and self._query:
            await self._sought()

    async def _sought(self) -> None:
        self._query, self._kind, self._most = (
            (self._words.value or "").strip(),
            self._type.value,
            PAGE_SIZE,
        )
        ui.navigate.history.replace(memory_url(self._query, self._kind))
        await self.load()

    async def _further(self) -> None:
        self._most = min(self._most * 2, MAX_ENTRIES)
        await self.load()

    # ---------------------------------------------------------------- what is there

    async def load(self) -> None:
        """Searches, or lists the newest, and draws what is found unless something else was wished
        for meanwhile."""
        self._turn += 1
        turn, page = self._turn, self._page
        self._title.text, self._count.text = page("Found") if self._query else page("Newest"), ""
        async with loading(page, self._place, self.load):
            wish: dict[str, Any] = {"k": self._most, "kind": self._kind}
            found = await (
                perform_operation(page, "search", query=self._query, **wish)
                if self._query
                else perform_operation(page, "list", **wish)
            )
            if turn == self._turn:
                self._draw(found.get("hits", found.get("memories", [])), found["notes"])

    def _draw(self, rows: list[Row], notes: list[str]) -> None:
        page = self._page
        for note in notes:
            text_element("p", note, "orch-dim")
        if not rows:
            self._nothing()
            return
        self._count.text = (
            page("1 entry")
            if len(rows) == 1
            else page("{number} entries", number=page.translator.number(len(rows)))
        )
        with ui.element("ul").classes("orch-memory-list"):
            for row in rows:
                self._row(row)
        if self._most <= len(rows) < MAX_ENTRIES:
            ui.button(page("More"), on_click=self._further).props("flat no-caps")

    def _nothing(self) -> None:
        page = self._page
        if self._query:
            empty_state(
                "search_off", page("Nothing was found."), page("Try other words, or fewer of them.")
            )
        elif self._kind:
            empty_state("search_off", page("Nothing of this type is remembered."))
        else:
            empty_state(
                "psychology",
                page("Nothing is remembered yet."),
                page("What you ask is remembered once it is answered; notes can be added above."),
            )

    def _row(self, row: Row) -> None:
        page = self._page
        with ui.element("li").classes("orch-memory-one"):
            with ui.element("div").classes("orch-memory-words"):
                ui.link(entry_title(row), memory_url(self._query, self._kind, row["id"])).classes(
                    "orch-memory-link"
                )
                more = row["beginning"] if not row["note"] else row["task"] if row["title"] else ""
                if more:
                    text_element("div", more, "orch-memory-beginning")
                text_element("div", entry_summary(page, row), "orch-dim")
            forget = ui.button(
                icon="delete_outline", on_click=lambda: confirm_forget(page, row, self.load)
            ).props("flat round dense")
            forget.props["aria-label"] = page(
                "Forget: {beginning}", beginning=entry_title(row)[:60]
            )

    # ---------------------------------------------------------------- adding

    def _add(self) -> None:
        page = self._page
        with disclosure(page("Add a note")), ui.element("div").classes("orch-memory-add"):
            self._heading = ui.input(page("Title (may stay empty)")).props("dense outlined")
            self._note = ui.textarea(page("What is to be remembered")).props("outlined autogrow")
            ui.button(
                page("Add"), icon="add", on_click=with_notification(page, self._added), color=None
            ).props("no-caps unelevated").classes("orch-memory-main")

    async def _added(self) -> str | None:
        page, said = self._page, (self._note.value or "").strip()
        if not said:
            ui.notify(page("Write down first what is to be remembered."), type="warning")
            return None
        told = await page.service.memory.perform(
            "add", {"texts": [{"title": (self._heading.value or "").strip() or None, "text": said}]}
        )
        self._note.value = self._heading.value = ""
        await self.load()
        if not told["new"]:
            return page("It was remembered already.")
        return (
            page("Remembered.")
            if len(told["ids"]) == 1
            else page(
                "Remembered, in {number} pieces.", number=page.translator.number(len(told["ids"]))
            )
        )
