"""A button that shows and hides a part of the page."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui


class Collapsible:
    """A button and a part that is drawn again each time it is opened."""

    def __init__(self, text: str, draw: Callable[[], None], icon: str = "") -> None:
        self._draw = draw
        self.button = ui.button(text, icon=icon or None, on_click=self.toggle)
        self.button.props("flat dense no-caps aria-expanded=false")
        self.body: ui.element | None = None

    def place_body(self) -> None:
        """Adds the part here, closed."""
        self.body = ui.element("div").classes("orch-chat-fold")
        self.body.set_visibility(False)

    @property
    def is_open(self) -> bool:
        """Whether the part is shown."""
        return self.body is not None and self.body.visible

    def toggle(self) -> None:
        """Opens or closes the part."""
        self.show(not self.is_open)

    def show(self, visible: bool) -> None:
        """Opens the part and draws it, or closes it."""
        assert self.body is not None
        if visible:
            # cleared now and not on closing: a handler in it may still send a notification
            self.body.clear()
            with self.body:
                self._draw()
        self.body.set_visibility(visible)
        self.button.props(f"aria-expanded={'true' if visible else 'false'}")

    def redraw(self) -> None:
        """Draws the part again if it is open."""
        if self.is_open:
            self.show(True)
