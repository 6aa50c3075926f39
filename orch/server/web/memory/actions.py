"""Asks memory for the page: what is awaited shows how far it is, and what is forgotten is confirmed
first."""

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
    """What an operation of memory gives. While a long index is being brought up to date, it is said
    here how far. Raises OrchError."""
    seen: list[tuple[int, int]] = []
    said = text_element("p", "", "orch-dim")

    def look() -> None:
        if seen:
            done, total = seen[-1]
            said.text = page(
                "Indexing {done} of {total} entries…",
                done=page.translator.number(done),
                total=page.translator.number(total),
            )

    timer = ui.timer(PROGRESS_INTERVAL_S, look)
    try:
        await asyncio.to_thread(page.service.write_pending_runs)
        return await page.service.memory.perform(
            name, arguments, lambda done, total: seen.append((done, total))
        )
    finally:
        for each in (timer, said):
            if not each.is_deleted:
                each.delete()


def confirm_forget(page: Page, row: Row, then: Callable[[], Awaitable[None]]) -> None:
    """Asks whether this entry is to be forgotten, forgets it, and goes on."""
    with ui.dialog() as dialog, ui.card().classes("orch-memory-forget"):
        text_element("h2", page("Forget this for good?"))
        text_element("p", entry_title(row), "orch-memory-quote")
        text_element("p", entry_summary(page, row), "orch-dim")
        text_element("p", _lost(page, row))
        with ui.element("div").classes("orch-memory-buttons"):
            ui.button(page("Keep"), on_click=dialog.close).props("flat no-caps autofocus")
            ui.button(
                page("Forget"),
                on_click=with_notification(page, lambda: _forget(page, row, dialog, then)),
                color=None,
            ).props("no-caps unelevated").classes("orch-memory-bad")
    dialog.props("transition-duration=0").props["aria-label"] = page("Forget this for good?")
    dialog.on("hide", dialog.delete)
    dialog.open()


def _lost(page: Page, row: Row) -> str:
    if not row["note"]:
        return page(
            "Question and answer go from the journal, the index and the cache, and can't be brought"
            " back. The figures of the run stay, without words."
        )
    piece = (
        f" {page('It is one piece of a text; its other pieces stay.')}"
        if (row["session"] or "").startswith("note-")
        else ""
    )
    return page("The note goes from the journal and the index, and can't be brought back.") + piece


async def _forget(
    page: Page, row: Row, dialog: ui.dialog, then: Callable[[], Awaitable[None]]
) -> str:
    await page.service.memory.perform("forget", {"ids": [row["id"]]})
    dialog.close()
    await then()
    return page("Forgotten.")
