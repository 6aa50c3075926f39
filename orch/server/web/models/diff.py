"""The diff of the view `Models`: a change to models.yaml, shown before it is written."""

from __future__ import annotations

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.config.edit_models import ModelsChange
from orch.server.web.components.page import Page


async def confirm_change(page: Page, change: ModelsChange) -> bool:
    """Whether the change is wished as it is shown."""
    with ui.dialog() as dialog, ui.card().classes("orch-models-dialog"):
        dialog.props["aria-label"] = page("The change to models.yaml")
        TextElement(tag="h2", text=page("The change to models.yaml"))
        ui.label(str(change.path)).classes("orch-dim orch-models-path")
        if change.is_new:
            ui.label(page("The file is made anew, from the one that orch brings along."))
        with ui.element("div").classes("orch-models-diff").props("tabindex=0 role=region") as place:
            place.props["aria-label"] = page("Lines that go and lines that come")
            for line in change.diff():
                ui.label(line or " ").classes(_KINDS.get(line[:1], ""))
        with ui.row().classes("orch-models-actions"):
            ui.button(page("Write it"), on_click=lambda: dialog.submit(True), color=None).props(
                "unelevated no-caps"
            ).classes("orch-models-main")
            ui.button(page("Leave it"), on_click=lambda: dialog.submit(False)).props("flat no-caps")
    try:
        return bool(await dialog)
    finally:
        if not dialog.is_deleted:
            dialog.delete()


_KINDS = {"+": "orch-models-comes", "-": "orch-models-goes", "@": "orch-models-where"}
