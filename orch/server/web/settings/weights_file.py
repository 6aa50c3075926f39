"""The changes to routing.yaml as a diff, and the button that saves them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from nicegui import ui

from orch.config.edit.weights import WeightsFile
from orch.errors import OrchError
from orch.server.web.components.errors import PageError, error_box
from orch.server.web.components.page import Page, with_notification
from orch.server.web.components.tables import text_element


class SavePanel:
    """Draws the file's path, the diff and the button; `read` is called first."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._file: WeightsFile | None = None
        self._fault: OrchError | None = None
        self._weights: Mapping[str, float] = {}
        text_element("h2", page("Changes to save"))
        self._path = text_element("p", "", "orch-dim orch-settings-path")
        self._body = ui.element("div").classes("orch-settings-saved")
        handler = with_notification(page, self._save)
        self._button = ui.button(page("Save"), icon="save", on_click=handler, color=None)
        self._button.props("unelevated no-caps").classes("orch-settings-save")

    async def read(self) -> None:
        """Reads the file from disk."""
        folder = self._page.service.config_dir
        try:
            self._file, self._fault = await asyncio.to_thread(WeightsFile.read, folder), None
        except OrchError as error:
            self._file, self._fault = None, error
        self._path.set_text(str(self._file.path) if self._file else "")

    def show(self, weights: Mapping[str, float], *, adds_up: bool) -> None:
        """Shows what saving these weights would change."""
        self._weights = dict(weights)
        lines = self._diff(weights) if adds_up else []
        self._button.set_enabled(bool(lines))
        self._body.clear()
        with self._body:
            self._draw(lines, adds_up=adds_up)

    def _diff(self, weights: Mapping[str, float]) -> list[str]:
        if self._file is None or (not self._file.has_weights and self._is_active(weights)):
            return []
        return self._file.diff(weights)

    def _is_active(self, weights: Mapping[str, float]) -> bool:
        return self._page.service.config.routing.weights.as_dict() == dict(weights)

    def _draw(self, lines: list[str], *, adds_up: bool) -> None:
        page = self._page
        if self._fault is not None:
            error_box(page.translator, self._fault)
        elif not adds_up:
            text_element("p", page("The weights can be saved once they add up to 1."), "orch-hint")
        elif not lines:
            text_element("p", page("No changes yet."), "orch-hint")
        else:
            if self._file and self._file.is_new:
                hint = page(
                    "You have no routing.yaml yet: saving creates one. Anything it leaves out is"
                    " taken from the shipped file."
                )
                text_element("p", hint, "orch-hint")
            _draw_diff(page, lines)

    async def _save(self) -> str:
        """Writes the file and reloads the configuration at once instead of a moment later."""
        page, service = self._page, self._page.service
        assert self._file is not None
        try:
            await asyncio.to_thread(self._file.save, self._weights, service.config_dir)
        finally:
            await self.read()
            await service.reload()
            self.show(self._weights, adds_up=True)
        if service.config_fault is not None:
            raise PageError(page("Saved, but not active"), page("see the error above"))
        return page("Saved and active")


def _draw_diff(page: Page, lines: list[str]) -> None:
    with ui.element("pre").classes("orch-settings-diff").props("tabindex=0 role=region") as diff:
        diff.props["aria-label"] = page("Changes to routing.yaml")
        for line in lines:
            text_element("span", line or " ", _line_class(line))


def _line_class(line: str) -> str:
    if line.startswith(("---", "+++", "@@")):
        return "head"
    return {"+": "added", "-": "removed"}.get(line[:1], "same")
