"""A single memory entry, to read or to forget."""

from __future__ import annotations

from urllib.parse import urlencode

from nicegui import ui

from orch.server.web.components.page import Page, loading
from orch.server.web.components.stream_text import StreamedMarkdown
from orch.server.web.components.tables import fact_list, text_element
from orch.server.web.memory.actions import confirm_forget, perform_operation
from orch.server.web.memory.entry_row import Row, entry_date, entry_type


class EntryView:
    """Draws an entry, with a link back to the search."""

    def __init__(self, page: Page, row_id: str, back_url: str) -> None:
        self._page, self._row_id, self._back_url = page, row_id, back_url
        ui.link(page("← All entries"), back_url).classes("orch-run-back")
        text_element("h1", page("Memory"))
        self._body = ui.element("div").classes("orch-run")
        ui.timer(0, self.load, once=True)

    async def load(self) -> None:
        """Reads and draws the entry."""
        async with loading(self._page, self._body, self.load):
            self._draw(await perform_operation(self._page, "show", id=self._row_id))

    def _draw(self, row: Row) -> None:
        with ui.element("section").classes("orch-card"):
            self._draw_facts(row)
            with ui.element("div").classes("orch-memory-buttons"):
                self._draw_actions(row)
        with ui.element("section").classes("orch-card"):
            self._draw_texts(row)

    def _draw_facts(self, row: Row) -> None:
        page = self._page
        fact_list(
            {
                page("When"): entry_date(row),
                page("Type"): entry_type(page, row),
                page("Model"): row["model"] or "",
                page("Title"): row["title"] or "",
                page("Conversation"): row["session"] or "",
                page("Id"): row["id"],
            }
        )

    def _draw_actions(self, row: Row) -> None:
        page = self._page
        if not row["note"]:
            url = f"/activity?{urlencode({'run': row['id']})}"
            ui.link(page("Open the run"), url).classes("orch-run-back")
        forget = ui.button(
            page("Forget"),
            icon="delete_outline",
            on_click=lambda: confirm_forget(page, row, self._go_back),
        )
        forget.props("flat dense no-caps")

    def _draw_texts(self, row: Row) -> None:
        page = self._page
        if row["redacted"]:
            text_element("p", page("Secrets in these texts were redacted."), "orch-dim")
        text_element("h2", page("Text") if row["note"] else page("Question"))
        text_element("p", row["task"], "orch-run-text")
        if not row["note"]:
            text_element("h2", page("Answer"))
            StreamedMarkdown(page).show(row["answer"], whole=True)

    async def _go_back(self) -> None:
        ui.navigate.to(self._back_url)
