"""Heat maps of the Models view: measured speed and quality by task type, against what is
expected."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.routing.catalog import MeasuredValue, ModelPerformance
from orch.routing.wording import reason_text
from orch.server.web.components.labels import task_type_label
from orch.server.web.components.page import Page, empty_state
from orch.types import TaskType

SHADES_PER_SIDE = 3
"""Shades above, and shades below what is expected."""
SPEED_STEP, QUALITY_STEP = 0.33, 0.5
"""Doublings of the speed, and points of quality, that one shade stands for."""
MIN_SPEED_RATIO = 0.01
Cell = tuple[str, int]
"""Text and shade of a cell."""
CellSource = Callable[[ModelPerformance], tuple[str, Mapping[TaskType, Cell]]]
"""Gives what is expected of a model, and its cells by task type."""


def draw_heatmaps(page: Page, rows: Sequence[ModelPerformance]) -> None:
    """Draws both maps and their legend; each cell also says its value as a number."""
    TextElement(tag="h2", text=page("Measured versus expected"))
    if not rows:
        hint = page("Download one above, for example qwen3:4b")
        empty_state("speed", page("No installed model to measure"), hint)
        return
    if not any(row.speed or row.quality for row in rows):
        hint = page("No measurements yet. They are taken from each answer and from orch bench.")
        ui.label(hint).classes("orch-hint")
    _draw_legend(page)
    _draw_table(page, page("Speed, tokens/s"), rows, _speed_cells(page))
    _draw_table(page, page("Quality, 0 to 10"), rows, _quality_cells(page))


def _draw_legend(page: Page) -> None:
    with ui.element("div").classes("orch-models-key"):
        ui.label(page("below expected"))
        with ui.element("span").classes("orch-models-shades"):
            for shade in range(-SHADES_PER_SIDE, SHADES_PER_SIDE + 1):
                swatch = ui.element("span").classes(f"orch-models-swatch {_shade_class(shade)}")
                swatch.props("aria-hidden=true")
        ui.label(page("above expected"))
        ui.label(page("n: measured answers")).classes("orch-dim")


def _speed_cells(page: Page) -> CellSource:
    number = page.number

    def cell(figure: MeasuredValue, expected: float) -> Cell:
        ratio = figure.value / expected
        speed = page("{n} tokens/s", n=number(figure.value, 1 if figure.value < 10 else 0))
        difference = _signed(page, 100 * (ratio - 1), 0)
        text = f"{speed}\n{difference} % · n={number(figure.n)}"
        return text, _shade(math.log2(max(ratio, MIN_SPEED_RATIO)), SPEED_STEP)

    def cells(row: ModelPerformance) -> tuple[str, Mapping[TaskType, Cell]]:
        expected = page("{n} tokens/s", n=number(row.rated_speed))
        rating = row.state.spec.speed_rating
        if rating is not None:
            expected += "\n" + page("{rating} of 10", rating=number(rating, 1))
        return expected, {each: cell(fig, row.rated_speed) for each, fig in row.speed.items()}

    return cells


def _quality_cells(page: Page) -> CellSource:
    number = page.number

    def cell(figure: MeasuredValue, expected: float) -> Cell:
        difference = figure.value - expected
        quality = page("{rating} of 10", rating=number(figure.value, 1))
        text = f"{quality}\n{_signed(page, difference, 1)} · n={number(figure.n)}"
        return text, _shade(difference, QUALITY_STEP)

    def cells(row: ModelPerformance) -> tuple[str, Mapping[TaskType, Cell]]:
        expected = page("{rating} of 10", rating=number(row.rated_quality, 1))
        if row.state.prior:
            expected += f"\n{reason_text(row.state.prior.origin, page.translator)}"
        return expected, {each: cell(fig, row.prior_at(each)) for each, fig in row.quality.items()}

    return cells


def _draw_table(
    page: Page, title: str, rows: Sequence[ModelPerformance], cells: CellSource
) -> None:
    heads = (page("Model"), page("expected"), *(task_type_label(page, each) for each in TaskType))
    with ui.element("div").classes("orch-models-scroll").props("tabindex=0 role=region") as region:
        region.props["aria-label"] = title
        with ui.element("table").classes("orch-models-heat"):
            TextElement(tag="caption", text=title)
            with ui.element("thead"), ui.element("tr"):
                for head in heads:
                    TextElement(tag="th", text=head).props("scope=col")
            with ui.element("tbody"):
                for row in rows:
                    with ui.element("tr"):
                        _draw_row(page, row, cells)


def _draw_row(page: Page, row: ModelPerformance, cells: CellSource) -> None:
    expected, measured = cells(row)
    TextElement(tag="th", text=row.state.spec.label).props("scope=row")
    TextElement(tag="td", text=expected).classes("orch-dim")
    for task_type in TaskType:
        text, shade = measured.get(task_type, ("–", 0))
        cell = TextElement(tag="td", text=text)
        if task_type in measured:
            cell.classes(_shade_class(shade))
        else:
            cell.props["aria-label"] = page("not measured")


def _shade(difference: float, step: float) -> int:
    return max(-SHADES_PER_SIDE, min(SHADES_PER_SIDE, round(difference / step)))


def _shade_class(shade: int) -> str:
    side = "above" if shade > 0 else "below" if shade < 0 else "even"
    return f"orch-models-{side}-{abs(shade)}"


def _signed(page: Page, value: float, digits: int) -> str:
    rounded = round(value, digits) + 0.0
    sign = "+" if rounded > 0 else "−" if rounded < 0 else "±"
    return sign + page.number(abs(rounded), digits)
