"""A slider and a number input for each weight, and their sum."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from orch.config.edit.weights import normalize_weights
from orch.config.spec import TERMS
from orch.server.web.components.labels import term_description, term_label
from orch.server.web.components.page import Page
from orch.server.web.components.tables import text_element


class WeightSliders:
    """Draws the inputs; `on_change` is called after each change."""

    def __init__(
        self, page: Page, initial: dict[str, float], on_change: Callable[[], None]
    ) -> None:
        self._page, self._on_change, self.initial = page, on_change, initial
        self.weights = dict(initial)
        self._inputs: dict[str, tuple[ui.element, ui.number]] = {}
        with ui.element("section").classes("orch-card orch-settings-weights"):
            hint = page(
                "How much each term counts in the score that selects a model. The weights add up"
                " to 1."
            )
            text_element("p", hint, "orch-dim")
            for term in TERMS:
                self._draw_row(term)
            with ui.element("div").classes("orch-settings-sum"):
                self._draw_sum()
            self.count = text_element("p", "", "orch-settings-count").props("role=status")
        self._show_sum()

    @property
    def adds_up(self) -> bool:
        """Whether the weights add up to 1, as routing.yaml requires."""
        return abs(sum(self.weights.values()) - 1) <= 1e-6

    def set_weights(self, weights: dict[str, float]) -> None:
        """Sets all weights at once."""
        self.weights = dict(weights)
        for term, weight in weights.items():
            self._show_weight(term, weight)
        self._show_sum()
        self._on_change()

    def _draw_row(self, term: str) -> None:
        page, name = self._page, term_label(self._page, term)
        with ui.element("div").classes("orch-settings-weight"):
            with ui.element("div").classes("orch-settings-term"):
                text_element("span", name, "orch-settings-name")
                text_element("span", term_description(page, term), "orch-hint")
            slider, number = self._draw_slider(term), self._draw_number(term)
            slider.props["aria-label"] = page("{term}, slider", term=name)
            number.props["aria-label"] = page("{term}, number", term=name)
        self._inputs[term] = (slider, number)

    def _draw_slider(self, term: str) -> ui.element:
        # a native input: Quasar's slider has its name and its focus on different elements
        slider = ui.element("input").classes("orch-settings-slider")
        slider.props(f"type=range min=0 max=1 step=0.01 value={self.weights[term]}")
        slider.on(
            "input",
            lambda event: self._set_weight(term, float(event.args)),
            throttle=0.05,
            js_handler="(event) => emit(event.target.value)",
        )
        return slider

    def _draw_number(self, term: str) -> ui.number:
        number = ui.number(
            min=0,
            max=1,
            step=0.01,
            value=self.weights[term],
            format="%.2f",
            on_change=lambda event: self._set_weight(term, event.value),
        )
        return number.props("dense outlined").classes("orch-settings-number")

    def _draw_sum(self) -> None:
        page = self._page
        self._sum = text_element("p", "").props("role=status")
        self._scale = ui.button(
            page("Scale the sum to 1"),
            on_click=lambda: self.set_weights(normalize_weights(self.weights)),
        )
        self._reset = ui.button(
            page("Reset to the active weights"), on_click=lambda: self.set_weights(self.initial)
        )
        self._scale.props("flat no-caps")
        self._reset.props("flat no-caps")

    def _set_weight(self, term: str, value: float | None) -> None:
        """Takes a value from an input; an empty input changes nothing."""
        value = value if value is None else round(value, 3)
        if value is None or not 0 <= value <= 1 or value == self.weights[term]:
            return
        self.weights[term] = value
        self._show_weight(term, value)
        self._show_sum()
        self._on_change()

    def _show_weight(self, term: str, value: float) -> None:
        slider, number = self._inputs[term]
        slider.props["value"] = value
        number.set_value(value)

    def _show_sum(self) -> None:
        page = self._page
        self._sum.set_text(page("Sum: {sum} of 1", sum=page.number(sum(self.weights.values()), 2)))
        state = "orch-settings-good" if self.adds_up else "orch-settings-bad"
        self._sum.classes(remove="orch-settings-good orch-settings-bad", add=state)
        self._scale.set_enabled(not self.adds_up)
        self._reset.set_enabled(self.weights != self.initial)
