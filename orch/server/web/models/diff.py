"""A dialog that shows a change to models.yaml before it is saved."""

from __future__ import annotations

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.config.edit.file_change import FileChange
from orch.server.web.components.page import Page

_LINE_CLASSES = {"+": "orch-models-comes", "-": "orch-models-goes", "@": "orch-models-where"}


async def confirm_change(page: Page, change: FileChange) -> bool:
    """Whether the reader confirms the change."""
    with ui.dialog() as dialog, ui.card().classes("orch-models-dialog"):
        dialog.props["aria-label"] = page("Changes to models.yaml")
        TextElement(tag="h2", text=page("Changes to models.yaml"))
        ui.label(str(change.path)).classes("orch-dim orch-models-path")
        if change.is_new:
            ui.label(page("A new file is created from the one shipped with orch."))
        with ui.element("div").classes("orch-models-diff").props("tabindex=0 role=region") as diff:
            diff.props["aria-label"] = page("Removed and added lines")
            for line in change.diff():
                ui.label(line or " ").classes(_LINE_CLASSES.get(line[:1], ""))
        with ui.row().classes("orch-models-actions"):
            save = ui.button(page("Save"), on_click=lambda: dialog.submit(True), color=None)
            save.props("unelevated no-caps").classes("orch-models-main")
            cancel = ui.button(page("Cancel"), on_click=lambda: dialog.submit(False))
            cancel.props("flat no-caps")
    try:
        return bool(await dialog)
    finally:
        if not dialog.is_deleted:
            dialog.delete()
