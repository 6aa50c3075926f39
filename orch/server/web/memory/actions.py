"""Memory operations of the page: progress while the index is updated, and a confirmation before
an entry is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from orch.server.web.components.page import Page, with_notification
from orch.server.web.components.tables import text_element
from orch.server.web.memory.entry_row import Row, entry_summary, entry_title

PROGRESS_INTERVAL_S = 0.5


async def perform_operation(page: Page, name: str, **arguments: Any) -> dict[str, Any]:
    """The result of a memory operation. Shows the progress of indexing here in the meantime.

    Raises OrchError.
    """
    progress: list[tuple[int, int]] = []
    text = text_element("p", "", "orch-dim")

    def show_progress() -> None:
        if progress:
            done, total = progress[-1]
            text.text = page.ngettext(
                "Indexing {done} of {n} entry…",
                "Indexing {done} of {n} entries…",
                total,
                done=page.number(done),
            )

    timer = ui.timer(PROGRESS_INTERVAL_S, show_progress)
    try:
        await asyncio.to_thread(page.service.write_pending_runs)
        return await page.service.memory.perform(
            name, arguments, lambda done, total: progress.append((done, total))
        )
    finally:
        for element in (timer, text):
            if not element.is_deleted:
                element.delete()


def confirm_forget(page: Page, row: Row, then: Callable[[], Awaitable[None]]) -> None:
    """Opens a dialog that forgets the entry and calls `then`."""
    with ui.dialog() as dialog, ui.card().classes("orch-memory-forget"):
        text_element("h2", page("Forget this permanently?"))
        text_element("p", entry_title(row), "orch-memory-quote")
        text_element("p", entry_summary(page, row), "orch-dim")
        text_element("p", _consequences(page, row))
        with ui.element("div").classes("orch-memory-buttons"):
            ui.button(page("Keep"), on_click=dialog.close).props("flat no-caps autofocus")
            handler = with_notification(page, lambda: _forget(page, row, dialog, then))
            forget = ui.button(page("Forget"), on_click=handler, color=None)
            forget.props("no-caps unelevated").classes("orch-memory-bad")
    dialog.props("transition-duration=0").props["aria-label"] = page("Forget this permanently?")
    dialog.on("hide", dialog.delete)
    dialog.open()


def _consequences(page: Page, row: Row) -> str:
    if not row["note"]:
        return page(
            "The question and the answer are deleted from the journal, the index and the cache."
            " This cannot be undone. The run's measurements are kept, without its texts."
        )
    text = page("The note is deleted from the journal and the index. This cannot be undone.")
    if (row["session"] or "").startswith("note-"):
        part = page("It is one part of a longer text; the other parts are kept.")
        return f"{text} {part}"
    return text


async def _forget(
    page: Page, row: Row, dialog: ui.dialog, then: Callable[[], Awaitable[None]]
) -> str:
    await page.service.memory.perform("forget", {"ids": [row["id"]]})
    dialog.close()
    await then()
    return page("Forgotten.")
