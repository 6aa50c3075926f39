"""The figures of the view `Models`: speed and quality by task type as heat maps, measured against
rated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.routing.catalog import MeasuredValue, ModelPerformance
from orch.server.web.components.page import Page, empty_state
from orch.types import TaskType

SHADES_PER_SIDE = 3
"""Shades on each side of as rated."""


def draw_heatmaps(page: Page, rows: Sequence[ModelPerformance]) -> None:
    """Both maps, with what the colours say; every cell says it as a number too."""
    TextElement(tag="h2", text=page("Measured against rated"))
    if not rows:
        empty_state(
            "speed",
            page("No installed model could be measured"),
            page("Fetch one above, such as qwen3:4b"),
        )
        return
    if not any(row.speed or row.quality for row in rows):
        ui.label(
            page("Nothing is measured yet: figures come with each answer, and with orch bench.")
        ).classes("orch-hint")
    _legend(page)
    _table(page, page("Speed, tokens/s"), rows, _speed_cells(page))
    _table(page, page("Quality, 0 to 10"), rows, _quality_cells(page))


def _legend(page: Page) -> None:
    with ui.element("div").classes("orch-models-key"):
        ui.label(page("below its rating"))
        with ui.element("span").classes("orch-models-shades"):
            for step in range(-SHADES_PER_SIDE, SHADES_PER_SIDE + 1):
                ui.element("span").classes(f"orch-models-swatch {_shade(step)}").props(
                    "aria-hidden=true"
                )
        ui.label(page("above its rating"))
        ui.label(page("n: answers that were measured")).classes("orch-dim")


CellSource = Callable[[ModelPerformance], tuple[str, Mapping[TaskType, tuple[str, int]]]]
"""What a model is rated, and by type what is written and its shade."""


def _speed_cells(page: Page) -> CellSource:
    number = page.translator.number

    def cell(figure: MeasuredValue, rated: float) -> tuple[str, int]:
        share = figure.value / rated - 1
        text = (
            f"{number(figure.value, 1 if figure.value < 10 else 0)}"
            f" tokens/s\n{_signed(page, 100 * share, 0)} % · n={number(figure.n)}"
        )
        return text, _step(math.log2(max(figure.value / rated, 0.01)), 0.33)

    def cells(row: ModelPerformance) -> tuple[str, Mapping[TaskType, tuple[str, int]]]:
        rating = (
            ""
            if row.state.spec.speed_rating is None
            else "\n" + page("{rating} of 10", rating=number(row.state.spec.speed_rating, 1))
        )
        return f"{number(row.rated_speed)} tokens/s{rating}", {
            each: cell(figure, row.rated_speed) for each, figure in row.speed.items()
        }

    return cells


def _quality_cells(page: Page) -> CellSource:
    number = page.translator.number

    def cell(figure: MeasuredValue, rated: float) -> tuple[str, int]:
        more = figure.value - rated
        return (
            (
                f"{page('{rating} of 10', rating=number(figure.value, 1))}\n{_signed(page, more, 1)}"
                f" · n={number(figure.n)}"
            ),
            _step(more, 0.5),
        )

    def cells(row: ModelPerformance) -> tuple[str, Mapping[TaskType, tuple[str, int]]]:
        rated = page("{rating} of 10", rating=number(row.rated_quality, 1))
        source = f"\n{page.reason(row.state.prior.source)}" if row.state.prior else ""
        return f"{rated}{source}", {
            each: cell(figure, row.prior_at(each)) for each, figure in row.quality.items()
        }

    return cells


def _table(page: Page, title: str, rows: Sequence[ModelPerformance], cells: CellSource) -> None:
    with ui.element("div").classes("orch-models-scroll").props("tabindex=0 role=region") as place:
        place.props["aria-label"] = title
        with ui.element("table").classes("orch-models-heat"):
            TextElement(tag="caption", text=title)
            with ui.element("thead"), ui.element("tr"):
                for name in (
                    page("Model"),
                    page("rated"),
                    *(page(_NAMES[each]) for each in TaskType),
                ):
                    TextElement(tag="th", text=name).props("scope=col")
            with ui.element("tbody"):
                for row in rows:
                    _row(page, row, cells)


def _row(page: Page, row: ModelPerformance, cells: CellSource) -> None:
    rated, measured = cells(row)
    with ui.element("tr"):
        TextElement(tag="th", text=row.state.spec.label).props("scope=row")
        TextElement(tag="td", text=rated).classes("orch-dim")
        for task_type in TaskType:
            text, step = measured.get(task_type, ("–", 0))
            cell = TextElement(tag="td", text=text)
            if task_type in measured:
                cell.classes(_shade(step))
            else:
                cell.props["aria-label"] = page("not measured")


def _step(distance: float, each: float) -> int:
    return max(-SHADES_PER_SIDE, min(SHADES_PER_SIDE, round(distance / each)))


def _shade(step: int) -> str:
    return f"orch-models-{'above' if step > 0 else 'below' if step < 0 else 'even'}-{abs(step)}"


def _signed(page: Page, value: float, digits: int) -> str:
    rounded = round(value, digits) + 0.0
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else '±'}{page.translator.number(abs(rounded), digits)}"


_NAMES = {
    TaskType.CODING: "coding",
    TaskType.REASONING: "reasoning",
    TaskType.EXPLORATION: "exploration",
    TaskType.WRITING: "writing",
    TaskType.SIMPLE: "simple",
    TaskType.ANALYSIS: "analysis",
    TaskType.CREATIVE: "creative",
    TaskType.RESEARCH: "research",
}
