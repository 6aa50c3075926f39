"""The composer: the question's text, attached files, options for the answer, send and stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from nicegui import events, ui

from orch.server.web.chat.files import (
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_TOTAL_BYTES,
    attachment_from_bytes,
    size_text,
)
from orch.server.web.components.collapsible import Collapsible
from orch.server.web.components.errors import PageError, notify_error
from orch.server.web.components.page import Page
from orch.text.prompt import Attachment

MAX_QUESTION_CHARS = 200_000
"""Longer texts can be attached as files."""
DIAL_CENTER = 5
SEND_KEY = """(event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    emit(event.target.value);
}"""


@dataclass(slots=True)
class ComposerOptions:
    """Options for the next questions. `dial` is None (profile balanced) until it is moved."""

    system_prompt: str = ""
    dial: float | None = None
    choice_first: bool = False


class Composer:
    """The bottom part of the page. `send` gets the text; where it returns true, the composer is
    cleared."""

    def __init__(self, page: Page, send: Callable[[str], bool], stop: Callable[[], None]) -> None:
        self._page, self._send, self._stop = page, send, stop
        self.options = ComposerOptions()
        self.attached: list[Attachment] = []
        with ui.element("section").classes("orch-chat-asking") as section:
            section.props["aria-label"] = page("Your question")
            self.preview_area = ui.element("div")
            self._files = ui.row().classes("orch-chat-files")
            self._draw_text()
            with ui.row().classes("orch-chat-tools"):
                self._draw_attach_button()
                options = Collapsible(page("Settings"), self._draw_options, "tune")
                ui.element("div").classes("orch-chat-space")
                keys = page("Enter sends, Shift+Enter adds a new line")
                ui.label(keys).classes("orch-dim orch-chat-keys")
                self._draw_buttons()
            options.place_body()
        self.set_busy(False)

    def _draw_buttons(self) -> None:
        page = self._page
        self._stop_button = ui.button(
            page("Stop"), icon="stop", on_click=self._stop_clicked, color=None
        )
        self._stop_button.props("outline no-caps").classes("orch-chat-stop")
        self._send_button = ui.button(
            page("Send"), icon="send", on_click=lambda: self._submit(self.text), color=None
        )
        self._send_button.props("unelevated no-caps").classes("orch-chat-send")

    def set_busy(self, is_busy: bool) -> None:
        """While an answer is running it can be stopped, and nothing else is asked."""
        self._stop_button.set_visibility(is_busy)
        self._send_button.set_visibility(not is_busy)
        self._is_busy = is_busy

    @property
    def text(self) -> str:
        """The text of the input."""
        return (self._text.value or "").strip()

    def focus(self) -> None:
        """Moves the focus to the input."""
        self._text.run_method("focus")

    def clear(self) -> None:
        """Removes the text and the attached files."""
        self._text.set_value("")
        self.attached.clear()
        self._draw_files()

    # ------------------------------------------------------------ the text

    def _draw_text(self) -> None:
        self._text = ui.textarea(label=self._page("Ask something")).classes("orch-chat-text")
        self._text.props(f"outlined autogrow autofocus maxlength={MAX_QUESTION_CHARS}")
        self._text.on("keydown", lambda event: self._submit(event.args), js_handler=SEND_KEY)

    def _submit(self, text: str | None) -> None:
        stripped = (text or "").strip()
        if not self._is_busy and (stripped or self.attached) and self._send(stripped):
            self.clear()
        self.focus()

    def _stop_clicked(self) -> None:
        self._stop()
        self.focus()

    # ------------------------------------------------------------ files

    def _draw_attach_button(self) -> None:
        self._upload = ui.upload(
            multiple=True,
            auto_upload=True,
            max_file_size=MAX_FILE_BYTES,
            max_total_size=MAX_TOTAL_BYTES,
            # all at once: resetting the list would cancel uploads that are still running
            on_multi_upload=self._uploaded,
            on_rejected=self._rejected,
        )
        self._upload.props("no-thumbnails").classes("orch-chat-hidden")
        button = ui.button(self._page("Attach"), icon="attach_file").props("flat dense no-caps")
        button.on("click", js_handler=f"() => getElement({self._upload.id}).$refs.qRef.pickFiles()")

    async def _uploaded(self, event: events.MultiUploadEventArguments) -> None:
        for file in event.files:
            try:
                await self._attach(file.name, await file.read())
            except PageError as error:
                notify_error(self._page.translator, error)
        self._upload.reset()
        self._draw_files()
        self.focus()

    async def _attach(self, name: str, data: bytes) -> None:
        page = self._page
        if len(self.attached) >= MAX_FILES:
            raise PageError(page("At most {n} files can be attached", n=MAX_FILES))
        self.attached.append(
            await asyncio.to_thread(attachment_from_bytes, name, data, page.translator)
        )

    def _rejected(self) -> None:
        page = self._page
        error = PageError(page("A file is larger than {n} MB", n=MAX_FILE_BYTES // 1_000_000))
        notify_error(page.translator, error)

    def _draw_files(self) -> None:
        self._files.clear()
        with self._files:
            for file in self.attached:
                self._draw_file(file)

    def _draw_file(self, file: Attachment) -> None:
        def remove() -> None:
            self.attached.remove(file)
            self._draw_files()
            self.focus()

        page = self._page
        length = len(file.image) * 3 // 4 if file.image else len(file.text.encode())
        with ui.button(on_click=remove).props("outline dense no-caps"):
            ui.icon("image" if file.image else "description").props("aria-hidden=true")
            name = f"{file.name} · {size_text(length, page.translator)}"
            ui.label(name).classes("orch-chat-file")
            ui.label(page("Remove")).classes("orch-chat-unseen")
            ui.icon("close").props("aria-hidden=true")

    # ------------------------------------------------------------ options

    def _draw_options(self) -> None:
        page, options = self._page, self.options
        with ui.element("div").classes("orch-chat-wishes"):
            with ui.element("div"):
                self._draw_dial()
            system = ui.textarea(label=page("System prompt"), value=options.system_prompt)
            system.props(f"outlined dense autogrow maxlength={MAX_QUESTION_CHARS}")
            system.classes("orch-chat-text").on_value_change(
                lambda event: setattr(options, "system_prompt", event.value or "")
            )
            first = ui.switch(page("Preview the choice"), value=options.choice_first)
            first.on_value_change(lambda event: setattr(options, "choice_first", bool(event.value)))

    def _draw_dial(self) -> None:
        page, options = self._page, self.options

        def set_dial(dial: float | None) -> None:
            options.dial = dial
            label.set_text(_profile_text(page, dial))
            slider.props(f"value={DIAL_CENTER if dial is None else dial:g}")
            balanced.set_visibility(dial is not None)

        label = ui.label()
        with ui.row().classes("orch-chat-dial"):
            ui.label(page("speed")).classes("orch-dim")
            # a native input: Quasar's slider has its focus and its role on different elements
            slider = ui.element("input").props("type=range min=0 max=10 step=1")
            slider.classes("orch-chat-slider").props["aria-label"] = page("From speed to quality")
            slider.on(
                "input",
                lambda event: set_dial(float(event.args)),
                js_handler="(event) => emit(event.target.value)",
            )
            ui.label(page("quality")).classes("orch-dim")
        balanced = ui.button(page("Balanced"), on_click=lambda: set_dial(None))
        balanced.props("flat dense no-caps")
        set_dial(options.dial)


def _profile_text(page: Page, dial: float | None) -> str:
    if dial is None:
        return page("Profile: balanced")
    return page("Profile: {n} of 10 (0 is speed only, 10 is quality only)", n=page.number(dial))
