"""Markdown on the page as it comes: what is complete is drawn once, only the unfinished tail
again."""

from __future__ import annotations

from dataclasses import dataclass

from nicegui import ui

from orch.server.web.components.markdown_html import HtmlBlock, render_blocks
from orch.server.web.components.page import Page
from orch.text.markdown import BlockSplitter

COPY_SCRIPT = """(event) => {
    const code = event.currentTarget.closest('.orch-code').querySelector('pre');
    if (navigator.clipboard) navigator.clipboard.writeText(code.textContent);
    else { getSelection().selectAllChildren(code); document.execCommand('copy'); getSelection().removeAllRanges(); }
    emit();
}"""
"""A page that did not come over HTTPS, nor from this machine, has no clipboard but the old one."""
_EVERYTHING = 1_000_000
"""Lines."""


CHARS_PER_STEP, STEP_INTERVAL_S = 8_000, 0.03
"""Of a long text that is drawn at once, and seconds until it goes on: others have their turn
between."""
LINES_PER_SEGMENT = 40
"""Lines of a code block that is still coming which are drawn together; at its end it is drawn
whole."""


@dataclass(slots=True)
class _Drawn:
    piece: HtmlBlock
    box: ui.element
    html: ui.html
    name: ui.label | None

    def becomes(self, piece: HtmlBlock, goes_on: bool) -> bool:
        """Shows another piece in its place; whether that is possible."""
        if (self.name is None) == _is_code(piece):
            return False
        if piece != self.piece:
            self.piece = piece
            self.html.set_content(piece.html)
            if self.name is not None:
                self.name.set_text(piece.language)
        self.suit(goes_on)
        return True

    def suit(self, goes_on: bool) -> None:
        """Joins code to the code before it; what scrolls sideways can be scrolled by keyboard,
        too."""
        if goes_on != ("orch-chat-goes-on" in self.box.classes):
            self.box.classes(**{"add" if goes_on else "remove": "orch-chat-goes-on"})
        if self.name is None and "<table" in self.piece.html and "tabindex" not in self.html.props:
            self.html.props("tabindex=0").classes("orch-chat-wide")


class StreamedMarkdown:
    """An answer's text. `show` takes the whole of it, again and again, as it grows."""

    def __init__(self, page: Page) -> None:
        self._page, self._blocks, self._seen = page, BlockSplitter(), 0
        self._text, self._whole, self._goes_on = "", False, False
        self._drawn: list[_Drawn] = []
        self._fixed = 0
        self._tail: dict[str, list[HtmlBlock]] = {}
        self.box = ui.element("div").classes("orch-answer")

    def show(self, text: str, *, whole: bool) -> None:
        """Draws what is new, of much that is new a part now and the rest a little later. A `whole`
        text has no tail."""
        self._text, self._whole = text, whole
        self._draw()

    def _draw(self) -> None:
        end = min(self._seen + CHARS_PER_STEP, len(self._text))
        ready, self._seen = self._blocks.feed(self._text[self._seen : end]), end
        if end < len(self._text):
            self._go_on()
        elif self._whole:
            ready += self._blocks.flush()
        fixed = render_blocks(ready) if ready else []
        for place, piece in enumerate(fixed, self._fixed):
            self._put(place, piece)
        self._fixed += len(fixed)
        place = self._fixed
        parts = split_tail(self._blocks.tail(_EVERYTHING))
        self._tail = {part: self._tail.get(part) or render_blocks(part) for part in parts}
        for number, part in enumerate(parts):
            for nth, piece in enumerate(self._tail[part]):
                self._put(place, piece, goes_on=number > 0 and nth == 0)
                place += 1
        self._cut(place)

    def _go_on(self) -> None:
        if not self._goes_on:
            self._goes_on = True
            with self.box:
                ui.timer(STEP_INTERVAL_S, self._next, once=True)

    def _next(self) -> None:
        self._goes_on = False
        if not self.box.is_deleted:
            self._draw()

    def _put(self, place: int, piece: HtmlBlock, *, goes_on: bool = False) -> None:
        if place < len(self._drawn) and self._drawn[place].becomes(piece, goes_on):
            return
        self._cut(place)
        with self.box:
            drawn = _code(piece, self._page) if _is_code(piece) else _prose(piece)
        drawn.suit(goes_on)
        self._drawn.append(drawn)

    def _cut(self, place: int) -> None:
        for old in self._drawn[place:]:
            old.box.delete()
        del self._drawn[place:]


def split_tail(tail: str) -> list[str]:
    """Markdown that is still coming, a long block of code in parts: each but the last stays as it
    is, and each begins with its fence."""
    parts, lines, fence = [], list[str](), ""
    for line in tail.splitlines(keepends=True):
        if fence and len(lines) > LINES_PER_SEGMENT and not _is_fence(line):
            parts.append("".join(lines))
            lines = [fence]
        lines.append(line)
        if _is_fence(line):
            fence = "" if fence else line
    return [*parts, "".join(lines)] if lines else parts


def _is_fence(line: str) -> bool:
    return line.lstrip().startswith(("```", "~~~"))


def _is_code(piece: HtmlBlock) -> bool:
    return bool(piece.code or piece.language)


def _prose(piece: HtmlBlock) -> _Drawn:
    html = ui.html(piece.html, sanitize=False)  # it was cleaned where it was made
    return _Drawn(piece, html, html, None)


def _code(piece: HtmlBlock, page: Page) -> _Drawn:
    with ui.element("div").classes("orch-code") as box:
        with ui.element("div").classes("orch-code-head"):
            name = ui.label(piece.language)
            copy = ui.button(icon="content_copy").props(
                f'flat dense round size=sm aria-label="{page("Copy code")}"'
            )
            copy.on("click", lambda: ui.notify(page("Copied")), js_handler=COPY_SCRIPT)
        html = (
            ui.html(piece.html, sanitize=False)
            .props(f'tabindex=0 role=region aria-label="{page("Code")}"')
            .classes("orch-chat-code")
        )
    return _Drawn(piece, box, html, name)
