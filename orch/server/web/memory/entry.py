"""One entry of memory whole, to read or to forget."""

from __future__ import annotations

from urllib.parse import urlencode

from nicegui import ui

from orch.server.web.components.page import Page, loading
from orch.server.web.components.stream_text import StreamedMarkdown
from orch.server.web.components.tables import fact_list, text_element
from orch.server.web.memory.actions import confirm_forget, perform_operation
from orch.server.web.memory.entry_row import Row, entry_date


class EntryView:
    """The entry, with the way back to the search."""

    def __init__(self, page: Page, row_id: str, back: str) -> None:
        self._page, self._row_id, self._back = page, row_id, back
        ui.link(f"← {page('All memories')}", back).classes("orch-run-back")
        text_element("h1", page("Memory"))
        self._place = ui.element("div").classes("orch-run")
        ui.timer(0, self.load, once=True)

    async def load(self) -> None:
        """Reads and draws it."""
        async with loading(self._page, self._place, self.load):
            self._draw(await perform_operation(self._page, "show", id=self._row_id))

    def _draw(self, row: Row) -> None:
        page = self._page
        with ui.element("section").classes("orch-card"):
            fact_list(
                {
                    page("When"): entry_date(row),
                    page("Type"): page("note") if row["note"] else row["task_type"] or "",
                    page("Model"): row["model"] or "",
                    page("Title"): row["title"] or "",
                    page("Conversation"): row["session"] or "",
                    page("Name"): row["id"],
                }
            )
            with ui.element("div").classes("orch-memory-buttons"):
                if not row["note"]:
                    ui.link(
                        page("See the run"), f"/activity?{urlencode({'run': row['id']})}"
                    ).classes("orch-run-back")
                ui.button(
                    page("Forget"),
                    icon="delete_outline",
                    on_click=lambda: confirm_forget(page, row, self._leave),
                ).props("flat dense no-caps")
        with ui.element("section").classes("orch-card"):
            if row["redacted"]:
                text_element("p", page("Secrets in it were blackened."), "orch-dim")
            text_element("h2", page("Text") if row["note"] else page("Question"))
            text_element("p", row["task"], "orch-run-text")
            if not row["note"]:
                text_element("h2", page("Answer"))
                StreamedMarkdown(page).show(row["answer"], whole=True)

    async def _leave(self) -> None:
        ui.navigate.to(self._back)
