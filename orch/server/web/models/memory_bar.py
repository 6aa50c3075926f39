"""The memory bar of the view `Models`: what is loaded against what there is."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.server.web.components.page import Page

COLOR_COUNT = 6


class MemoryBar:
    """Shows ServerGate's status of the memory, and draws again only what changed."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._shown: dict[str, Any] | None = None
        with ui.element("section").classes("orch-card orch-models-part"):
            TextElement(tag="h2", text=page("Memory for models"))
            self._place = ui.element("div").classes("orch-models-part")

    def show(self, memory: dict[str, Any]) -> None:
        """`memory` as `/orch/health` tells it."""
        if memory == self._shown:
            return
        self._shown = memory
        self._place.clear()
        with self._place:
            self._draw(memory)

    def _draw(self, memory: dict[str, Any]) -> None:
        models = memory["resident"]
        text = self._sum(sum(model["gb"] for model in models), memory["budget_gb"])
        ui.label(text)
        whole = max(memory["budget_gb"] or 0, sum(model["gb"] for model in models))
        bar = ui.element("div").classes("orch-bar orch-models-bar").props("role=img")
        bar.props["aria-label"] = text
        with bar:
            for place, model in enumerate(models):
                ui.element("div").classes(f"orch-models-colour-{place % COLOR_COUNT}").style(
                    f"width: {100 * model['gb'] / whole if whole else 0:.2f}%"
                )
        with ui.element("ul").classes("orch-models-legend"):
            for place, model in enumerate(models):
                with ui.element("li"):
                    ui.element("span").classes(
                        f"orch-models-swatch orch-models-colour-{place % COLOR_COUNT}"
                    ).props("aria-hidden=true")
                    ui.label(self._one(model))

    def _sum(self, loaded: float, budget: float | None) -> str:
        number = self._page.translator.number
        if budget is None:
            return self._page(
                "{loaded} GB loaded; how much there is in all is not known",
                loaded=number(loaded, 1),
            )
        if not loaded:
            return self._page("No model is loaded; there are {budget} GB", budget=number(budget, 1))
        return self._page(
            "{loaded} GB of {budget} GB loaded", loaded=number(loaded, 1), budget=number(budget, 1)
        )

    def _one(self, model: dict[str, Any]) -> str:
        page = self._page
        use = page("in use") if model["in_use"] else page("idle")
        return f"{model['model']} · {page.translator.number(model['gb'], 1)} GB · {use}"
