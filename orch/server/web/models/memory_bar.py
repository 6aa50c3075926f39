"""The memory of the Models view: loaded models against the memory that is available, and what is
free on each device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.routing.machine.device_wording import DeviceLine
from orch.server.web.components.page import Page

COLOR_COUNT = 6


class MemoryBar:
    """Draws the memory status, again only when it has changed."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._shown: tuple[dict[str, Any], Sequence[DeviceLine]] | None = None
        with ui.element("section").classes("orch-card orch-models-part"):
            TextElement(tag="h2", text=page("Model memory"))
            self._body = ui.element("div").classes("orch-models-part")

    def show(self, memory: dict[str, Any], devices: Sequence[DeviceLine] = ()) -> None:
        """Shows `memory` of `/orch/health`, and the devices."""
        if (memory, devices) == self._shown:
            return
        self._shown = memory, devices
        self._body.clear()
        with self._body:
            self._draw(memory)
            if devices:
                self._draw_devices(devices)

    def _draw(self, memory: dict[str, Any]) -> None:
        models, budget_gb = memory["resident"], memory["budget_gb"]
        loaded_gb = sum(model["gb"] for model in models)
        total_gb = max(budget_gb or 0, loaded_gb)
        text = self._total_text(loaded_gb, budget_gb)
        ui.label(text)
        with ui.element("div").classes("orch-bar orch-models-bar").props("role=img") as bar:
            bar.props["aria-label"] = text
            for index, model in enumerate(models):
                width = 100 * model["gb"] / total_gb if total_gb else 0
                part = ui.element("div").classes(f"orch-models-colour-{index % COLOR_COUNT}")
                part.style(f"width: {width:.2f}%")
        with ui.element("ul").classes("orch-models-legend"):
            for index, model in enumerate(models):
                with ui.element("li"):
                    swatch = ui.element("span").props("aria-hidden=true")
                    swatch.classes(f"orch-models-swatch orch-models-colour-{index % COLOR_COUNT}")
                    ui.label(self._model_text(model))

    def _draw_devices(self, devices: Sequence[DeviceLine]) -> None:
        with ui.element("ul").classes("orch-models-devices"):
            for device in devices:
                with ui.element("li"):
                    TextElement(tag="strong", text=device.name)
                    ui.label(device.text)
                    _draw_shares(device)

    def _total_text(self, loaded_gb: float, budget_gb: float | None) -> str:
        page = self._page
        loaded = page.number(loaded_gb, 1)
        if budget_gb is None:
            return page("{loaded} GB loaded; total memory unknown", loaded=loaded)
        budget = page.number(budget_gb, 1)
        if not loaded_gb:
            return page("No model is loaded; {budget} GB available", budget=budget)
        return page("{loaded} GB of {budget} GB loaded", loaded=loaded, budget=budget)

    def _model_text(self, model: dict[str, Any]) -> str:
        page = self._page
        use = page("in use") if model["in_use"] else page("idle")
        return f"{model['model']} · {page.number(model['gb'], 1)} GB · {use}"


def _draw_shares(device: DeviceLine) -> None:
    """What models and other programs hold of a device, where that is known. The text beside it says
    the same."""
    total = device.sizes["total"]
    held = [device.sizes["models"], device.sizes["others"]]
    if not total or None in held:
        return
    left = 100.0
    with ui.element("div").classes("orch-bar orch-models-shares").props("aria-hidden=true"):
        for size, name in zip(held, ("models", "others"), strict=True):
            width = min(100 * (size or 0) / total, left)
            left -= width
            ui.element("div").classes(f"orch-models-held-{name}").style(f"width: {width:.2f}%")
