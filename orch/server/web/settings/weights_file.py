"""What saving would change in routing.yaml, as a diff; and saving it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from nicegui import ui

from orch.config.edit_weights import WeightsFile
from orch.errors import ConfigError, OrchError
from orch.server.web.components.page import Page, error_box, with_notification
from orch.server.web.components.tables import text_element

SPANISH = {
    "What is saved": "Qué se guarda",
    "Nothing is changed yet.": "Aún no hay ningún cambio.",
    "Nothing can be saved before the sum is 1.": (
        "No se puede guardar nada hasta que la suma sea 1."
    ),
    "There is no routing.yaml of your own yet: saving begins one. What it leaves out is taken from the shipped one.": (
        "Aún no tienes un routing.yaml propio: al guardar se crea uno. Lo que omite se toma del que"
        " trae orch."
    ),
    "Difference in routing.yaml": "Diferencia en routing.yaml",
    "Save": "Guardar",
    "Saved and in force": "Guardado y en vigor",
    "Saved, but not in force": "Guardado, pero no está en vigor",
    "see the fault above": "consulta el error de arriba",
}


class SavePanel:
    """The file, the difference, and the button. `read` before anything else."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._file: WeightsFile | None = None
        self._fault: OrchError | None = None
        self._weights: Mapping[str, float] = {}
        text_element("h2", page("What is saved"))
        self._path = text_element("p", "", "orch-dim orch-settings-path")
        self._place = ui.element("div").classes("orch-settings-saved")
        self._button = (
            ui.button(
                page("Save"), icon="save", on_click=with_notification(page, self._save), color=None
            )
            .props("unelevated no-caps")
            .classes("orch-settings-save")
        )

    async def read(self) -> None:
        """Reads what stands on the disk now."""
        try:
            self._file, self._fault = (
                await asyncio.to_thread(WeightsFile.read, self._page.service.config_dir),
                None,
            )
        except OrchError as error:
            self._file, self._fault = None, error
        self._path.set_text(str(self._file.path) if self._file else "")

    def show(self, weights: Mapping[str, float], *, adds_up: bool) -> None:
        """The difference for these weights."""
        page, self._weights = self._page, dict(weights)
        self._place.clear()
        lines = self._file.diff(weights) if self._file and adds_up else []
        if self._file and not self._file.spans and self._is_in_force(weights):
            lines = []
        self._button.set_enabled(bool(lines))
        with self._place:
            if self._fault is not None:
                error_box(page, self._fault)
            elif not adds_up:
                text_element("p", page("Nothing can be saved before the sum is 1."), "orch-hint")
            elif not lines:
                text_element("p", page("Nothing is changed yet."), "orch-hint")
            else:
                if self._file and self._file.is_new:
                    text_element(
                        "p",
                        page(
                            "There is no routing.yaml of your own yet: saving begins one. What it"
                            " leaves out is taken from the shipped one."
                        ),
                        "orch-hint",
                    )
                _diff(page, lines)

    def _is_in_force(self, weights: Mapping[str, float]) -> bool:
        return self._page.service.config.routing.weights.as_dict() == dict(weights)

    async def _save(self) -> str:
        """Writes the file and has the server take it over, which it would do by itself a moment
        later."""
        page, service = self._page, self._page.service
        assert self._file is not None
        try:
            await asyncio.to_thread(self._file.save, self._weights, service.config_dir)
        finally:
            await self.read()
            await service.reload()
            self.show(self._weights, adds_up=True)
        if service.config_fault is not None:
            raise ConfigError(page("Saved, but not in force"), page("see the fault above"))
        return page("Saved and in force")


def _diff(page: Page, lines: list[str]) -> None:
    with ui.element("pre").classes("orch-settings-diff").props("tabindex=0 role=region") as place:
        place.props["aria-label"] = page("Difference in routing.yaml")
        for line in lines:
            kind = (
                "head"
                if line.startswith(("---", "+++", "@@"))
                else {"+": "added", "-": "removed"}.get(line[:1], "same")
            )
            text_element("span", line or " ", kind)
