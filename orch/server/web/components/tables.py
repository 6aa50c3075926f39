"""Tables, bars and lists of facts: text only, and scrollable by keyboard where they are wider than
the screen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement


def text_element(tag: str, text: str, classes: str = "") -> TextElement:
    """An HTML element that holds a text."""
    return TextElement(tag=tag, text=text).classes(classes)


def html_table(
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    text_columns: Collection[int] = (0,),
) -> None:
    """A table; columns that are not in `text_columns` (from 0) are aligned as numbers.

    `caption` names the table for screen readers.
    """
    classes = ["" if column in text_columns else "number" for column in range(len(heads))]
    with ui.element("div").classes("orch-table-scroll").props("tabindex=0 role=region") as region:
        region.props["aria-label"] = caption
        with ui.element("table").classes("orch-table"):
            with ui.element("thead"), ui.element("tr"):
                for head, style in zip(heads, classes, strict=True):
                    text_element("th", head, style).props("scope=col")
            with ui.element("tbody"):
                for row in rows:
                    with ui.element("tr"):
                        for cell, style in zip(row, classes, strict=True):
                            text_element("td", cell, style)


def fact_list(facts: Mapping[str, str]) -> None:
    """Names and values side by side; empty values are left out."""
    with ui.element("dl").classes("orch-facts"):
        for name, value in facts.items():
            if value:
                with ui.element("div"):
                    text_element("dt", name)
                    text_element("dd", value)


def bar_chart(caption: str, rows: Sequence[tuple[str, str, float, float]]) -> None:
    """Horizontal bars on one scale. A row holds a name, its value as text, the value, and a larger
    second value that is drawn behind it (0 for none)."""
    largest = max((max(value, second) for _, _, value, second in rows), default=0.0) or 1.0
    text_element("h3", caption)
    with ui.element("ul").classes("orch-bars"):
        for name, value_text, value, second in rows:
            with ui.element("li"):
                text_element("span", name, "orch-bars-name")
                text_element("span", value_text, "orch-bars-figure")
                with ui.element("div").classes("orch-bars-track").props("aria-hidden=true"):
                    _draw_bar("orch-bars-further", second / largest)
                    _draw_bar("orch-bars-value", value / largest)


def _draw_bar(classes: str, share: float) -> None:
    ui.element("div").classes(classes).style(f"width: {100 * share:.1f}%")


def disclosure(title: str) -> ui.element:
    """A part that is closed until the reader opens it; use it in a `with`."""
    with ui.element("details").classes("orch-fold") as part:
        text_element("summary", title)
    return part
