"""Small tables, bars and facts of the page: text alone, and each can be scrolled by keyboard where
it is wider than the screen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement


def text_element(tag: str, said: str, classes: str = "") -> TextElement:
    """An element with a text and nothing else."""
    return TextElement(tag=tag, text=said).classes(classes)


def html_table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], words: Collection[int] = (0,)
) -> None:
    """A table in which these columns (from 0) are words and the others figures, to the right.
    `caption` names it for who can't see it."""
    with ui.element("div").classes("orch-table-scroll").props("tabindex=0 role=region") as region:
        region.props["aria-label"] = caption
        with ui.element("table").classes("orch-table"):
            with ui.element("thead"), ui.element("tr"):
                for number, head in enumerate(heads):
                    text_element("th", head, "" if number in words else "number").props("scope=col")
            with ui.element("tbody"):
                for row in rows:
                    with ui.element("tr"):
                        for number, cell in enumerate(row):
                            text_element("td", cell, "" if number in words else "number")


def fact_list(pairs: Mapping[str, str]) -> None:
    """Names and values beside each other; what has no value is left out."""
    with ui.element("dl").classes("orch-facts"):
        for name, value in pairs.items():
            if value:
                with ui.element("div"):
                    text_element("dt", name)
                    text_element("dd", value)


def bar_chart(caption: str, rows: Sequence[tuple[str, str, float, float]]) -> None:
    """Horizontal bars: name, figure in words, value, and a second, larger value (0: none) drawn
    behind it. All on one scale."""
    most = max((max(value, further) for _, _, value, further in rows), default=0.0) or 1.0
    text_element("h3", caption)
    with ui.element("ul").classes("orch-bars"):
        for name, figure, value, further in rows:
            with ui.element("li"):
                text_element("span", name, "orch-bars-name")
                text_element("span", figure, "orch-bars-figure")
                with ui.element("div").classes("orch-bars-track").props("aria-hidden=true"):
                    ui.element("div").classes("orch-bars-further").style(
                        f"width: {100 * further / most:.1f}%"
                    )
                    ui.element("div").classes("orch-bars-value").style(
                        f"width: {100 * value / most:.1f}%"
                    )


def disclosure(title: str) -> ui.element:
    """A part that is shut until it is wanted; use it in a `with`."""
    with ui.element("details").classes("orch-fold") as part:
        text_element("summary", title)
    return part
