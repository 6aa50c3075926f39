"""What is folded away until somebody wants to see it, and work that is done at most every so
often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nicegui import app, ui

MIN_INTERVAL_S = 0.04
MIN_REST_RATIO = 4
"""Drawing takes at most a fifth of the time: what took long is not done again at once."""


class Collapsible:
    """A button that shows and hides a part, which is drawn anew at each opening."""

    def __init__(self, text: str, draw: Callable[[], None], icon: str = "") -> None:
        self._draw = draw
        self.button = ui.button(text, icon=icon or None, on_click=self.toggle).props(
            "flat dense no-caps aria-expanded=false"
        )
        self.body: ui.element | None = None

    def place_body(self) -> None:
        """Puts the part here, closed."""
        self.body = ui.element("div").classes("orch-chat-fold")
        self.body.set_visibility(False)

    @property
    def is_open(self) -> bool:
        """Whether it is shown."""
        return self.body is not None and self.body.visible

    def toggle(self) -> None:
        """Shows or hides it."""
        self.show(not self.is_open)

    def show(self, visible: bool) -> None:
        """Shows it, drawn anew, or hides it."""
        assert self.body is not None
        if visible:
            # not when it is hidden: what is at work in it may have something to say yet
            self.body.clear()
            with self.body:
                self._draw()
        self.body.set_visibility(visible)
        self.button.props(f"aria-expanded={'true' if visible else 'false'}")

    def redraw(self) -> None:
        """Draws it anew if it is shown."""
        if self.is_open:
            self.show(True)


class Throttle:
    """Does something at most every 40 ms: at once after a rest, else when its time has come."""

    def __init__(self, do: Callable[[], None]) -> None:
        self._do, self._not_before = do, 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        """Asks for it."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(self._not_before - loop.time(), 0.0), self._now)

    def cancel(self) -> None:
        """Forgets what was asked for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _now(self) -> None:
        self._timer, loop = None, asyncio.get_running_loop()
        begun = loop.time()
        try:
            self._do()
        except Exception as error:
            app.handle_exception(error)  # which writes down where, and no words
        ended = loop.time()
        self._not_before = ended + max(MIN_INTERVAL_S, MIN_REST_RATIO * (ended - begun))
