"""Streamed Markdown: complete blocks are drawn once; only the unfinished end is drawn again."""

from __future__ import annotations

from dataclasses import dataclass

from nicegui import ui

from orch.server.web.components.markdown_html import HtmlBlock, render_blocks
from orch.server.web.components.page import Page
from orch.text.markdown import BlockSplitter, closes_fence, opening_fence

COPY_SCRIPT = """(event) => {
    const code = event.currentTarget.closest('.orch-code').querySelector('pre');
    if (navigator.clipboard) navigator.clipboard.writeText(code.textContent);
    else {
        getSelection().selectAllChildren(code);
        document.execCommand('copy');
        getSelection().removeAllRanges();
    }
    emit();
}"""
"""`navigator.clipboard` exists only on HTTPS and localhost; elsewhere the old command is used."""
CHARS_PER_STEP, STEP_INTERVAL_S = 8_000, 0.03
"""A long text is drawn in steps, so that the event loop serves others in between."""
LINES_PER_SEGMENT = 40
"""An unfinished code block is drawn in segments of this many lines, and whole when it ends."""
_ALL_LINES = 1_000_000


@dataclass(slots=True)
class _DrawnBlock:
    block: HtmlBlock
    box: ui.element
    html: ui.html
    language: ui.label | None
    """None for prose."""

    def update(self, block: HtmlBlock, *, continues: bool) -> bool:
        """Shows another block in this one's place; False where one is code and the other prose."""
        if (self.language is None) == _is_code(block):
            return False
        if block != self.block:
            self.block = block
            self.html.set_content(block.html)
            if self.language is not None:
                self.language.set_text(block.language)
        self.adjust(continues=continues)
        return True

    def adjust(self, *, continues: bool) -> None:
        """Joins a code segment to the one before, and makes wide tables scrollable by keyboard."""
        if continues != ("orch-chat-goes-on" in self.box.classes):
            self.box.classes(**{"add" if continues else "remove": "orch-chat-goes-on"})
        is_table = self.language is None and "<table" in self.block.html
        if is_table and "tabindex" not in self.html.props:
            self.html.props("tabindex=0").classes("orch-chat-wide")


class StreamedMarkdown:
    """The text of an answer; `show` is called with all of it, again and again, as it grows."""

    def __init__(self, page: Page) -> None:
        self._page, self._blocks, self._fed = page, BlockSplitter(), 0
        self._text, self._is_whole, self._is_scheduled = "", False, False
        self._drawn: list[_DrawnBlock] = []
        self._finished = 0
        self._tail: dict[str, list[HtmlBlock]] = {}
        self.box = ui.element("div").classes("orch-answer")

    def show(self, text: str, *, whole: bool) -> None:
        """Draws what is new, a long addition in steps. A `whole` text has no unfinished end."""
        self._text, self._is_whole = text, whole
        self._draw()

    def _draw(self) -> None:
        end = min(self._fed + CHARS_PER_STEP, len(self._text))
        ready, self._fed = self._blocks.feed(self._text[self._fed : end]), end
        if end < len(self._text):
            self._schedule()
        elif self._is_whole:
            ready += self._blocks.flush()
        finished = render_blocks(ready) if ready else []
        for index, block in enumerate(finished, self._finished):
            self._put(index, block)
        self._finished += len(finished)
        self._draw_tail()

    def _draw_tail(self) -> None:
        index = self._finished
        parts = split_tail(self._blocks.tail(_ALL_LINES))
        self._tail = {part: self._tail.get(part) or render_blocks(part) for part in parts}
        for number, part in enumerate(parts):
            for position, block in enumerate(self._tail[part]):
                self._put(index, block, continues=number > 0 and position == 0)
                index += 1
        self._delete_from(index)

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            with self.box:
                ui.timer(STEP_INTERVAL_S, self._next_step, once=True)

    def _next_step(self) -> None:
        self._is_scheduled = False
        if not self.box.is_deleted:
            self._draw()

    def _put(self, index: int, block: HtmlBlock, *, continues: bool = False) -> None:
        if index < len(self._drawn) and self._drawn[index].update(block, continues=continues):
            return
        self._delete_from(index)
        with self.box:
            drawn = _draw_code(block, self._page) if _is_code(block) else _draw_prose(block)
        drawn.adjust(continues=continues)
        self._drawn.append(drawn)

    def _delete_from(self, index: int) -> None:
        for drawn in self._drawn[index:]:
            drawn.box.delete()
        del self._drawn[index:]


def split_tail(tail: str) -> list[str]:
    """Splits unfinished Markdown so that only the last part changes: a long code block becomes
    several parts, and each starts with its fence."""
    parts, lines, opening, fence = [], list[str](), "", ""
    for line in tail.splitlines(keepends=True):
        is_closing = bool(fence) and closes_fence(line.strip(), fence)
        if fence and not is_closing and len(lines) > LINES_PER_SEGMENT:
            parts.append("".join(lines))
            lines = [opening]
        lines.append(line)
        if is_closing:
            fence = ""
        elif not fence:
            opening, fence = line, opening_fence(line.strip())
    return [*parts, "".join(lines)] if lines else parts


def _is_code(block: HtmlBlock) -> bool:
    return bool(block.code or block.language)


def _draw_prose(block: HtmlBlock) -> _DrawnBlock:
    html = ui.html(block.html, sanitize=False)  # sanitized by render_blocks
    return _DrawnBlock(block, html, html, None)


def _draw_code(block: HtmlBlock, page: Page) -> _DrawnBlock:
    with ui.element("div").classes("orch-code") as box:
        with ui.element("div").classes("orch-code-head"):
            language = ui.label(block.language)
            copy = ui.button(icon="content_copy").props("flat dense round size=sm")
            copy.props["aria-label"] = page("Copy code")
            copy.on("click", lambda: ui.notify(page("Copied")), js_handler=COPY_SCRIPT)
        html = ui.html(block.html, sanitize=False).props("tabindex=0 role=region")
        html.classes("orch-chat-code").props["aria-label"] = page("Code")
    return _DrawnBlock(block, box, html, language)
