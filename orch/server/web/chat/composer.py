"""Where a question is written: the text, what is attached, the wishes for the answer, send and
stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from nicegui import events, ui

from orch.errors import InputError, OrchError
from orch.server.web.chat.files import (
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_TOTAL_BYTES,
    attachment_from_bytes,
    size_text,
)
from orch.server.web.components.page import Page
from orch.server.web.components.throttle import Collapsible
from orch.text.prompt import Attachment

MAX_QUESTION_CHARS = 200_000
"""Of a question; what is longer is attached as a file."""
DIAL_CENTER = 5
SEND_KEY = """(event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    emit(event.target.value);
}"""


@dataclass(slots=True)
class ComposerOptions:
    """How the next questions are to be answered. `dial` is None until it is touched: balanced."""

    system_prompt: str = ""
    dial: float | None = None
    choice_first: bool = False


class Composer:
    """The part at the foot of the page. `send` gets what was written; it is emptied when that
    returns true."""

    def __init__(self, page: Page, send: Callable[[str], bool], stop: Callable[[], None]) -> None:
        self._page, self._send, self._stop = page, send, stop
        self.wishes = ComposerOptions()
        self.attached: list[Attachment] = []
        with (
            ui.element("section")
            .classes("orch-chat-asking")
            .props(f'aria-label="{page("Your question")}"')
        ):
            self.above = ui.element("div")
            self._files = ui.row().classes("orch-chat-files")
            self._input()
            with ui.row().classes("orch-chat-tools"):
                self._attach_button()
                wishes = Collapsible(page("Settings"), self._draw_wishes, "tune")
                ui.element("div").classes("orch-chat-space")
                ui.label(page("Enter sends, Shift+Enter makes a new line")).classes(
                    "orch-dim orch-chat-keys"
                )
                self._stop_button = (
                    ui.button(page("Stop"), icon="stop", on_click=self._stopped, color=None)
                    .props("outline no-caps")
                    .classes("orch-chat-stop")
                )
                self._send_button = ui.button(
                    page("Send"), icon="send", on_click=lambda: self._sent(self.text), color=None
                )
                self._send_button.props("unelevated no-caps").classes("orch-chat-send")
            wishes.place_body()
        self.set_busy(False)

    def set_busy(self, is_busy: bool) -> None:
        """Whether an answer is on its way: then it can be stopped, and nothing else is asked."""
        self._stop_button.set_visibility(is_busy)
        self._send_button.set_visibility(not is_busy)
        self._is_busy = is_busy

    @property
    def text(self) -> str:
        """What is written now."""
        return (self._text.value or "").strip()

    def focus(self) -> None:
        """Back to the text."""
        self._text.run_method("focus")

    def clear(self) -> None:
        """For the next question."""
        self._text.set_value("")
        self.attached.clear()
        self._draw_files()

    # ------------------------------------------------------------ the text

    def _input(self) -> None:
        page = self._page
        self._text = (
            ui.textarea(label=page("Ask something"))
            .props(f"outlined autogrow autofocus maxlength={MAX_QUESTION_CHARS}")
            .classes("orch-chat-text")
        )
        self._text.on("keydown", lambda event: self._sent(event.args), js_handler=SEND_KEY)

    def _sent(self, text: str | None) -> None:
        written = (text or "").strip()
        if not self._is_busy and (written or self.attached) and self._send(written):
            self.clear()
        self.focus()

    def _stopped(self) -> None:
        self._stop()
        self.focus()

    # ------------------------------------------------------------ files

    def _attach_button(self) -> None:
        page = self._page
        self._upload = (
            ui.upload(
                multiple=True,
                auto_upload=True,
                max_file_size=MAX_FILE_BYTES,
                max_total_size=MAX_TOTAL_BYTES,
                # together: what is on its way is lost when the list is emptied
                on_multi_upload=self._uploaded,
                on_rejected=lambda: self._refuse(
                    InputError(page("A file is larger than {n} MB", n=MAX_FILE_BYTES // 1_000_000))
                ),
            )
            .props("no-thumbnails")
            .classes("orch-chat-hidden")
        )
        pick = ui.button(page("Attach"), icon="attach_file").props("flat dense no-caps")
        pick.on("click", js_handler=f"() => getElement({self._upload.id}).$refs.qRef.pickFiles()")

    async def _uploaded(self, event: events.MultiUploadEventArguments) -> None:
        for file in event.files:
            try:
                if len(self.attached) >= MAX_FILES:
                    raise InputError(
                        self._page("At most {n} files go with a question", n=MAX_FILES)
                    )
                self.attached.append(
                    await asyncio.to_thread(
                        attachment_from_bytes, file.name, await file.read(), self._page.translator
                    )
                )
            except InputError as error:
                self._refuse(error)
        self._upload.reset()
        self._draw_files()
        self.focus()

    def _refuse(self, error: OrchError) -> None:
        ui.notify(
            f"{error.message}. {error.hint}" if error.hint else error.message,
            type="negative",
            close_button=self._page("Close"),
            timeout=0,
        )

    def _draw_files(self) -> None:
        self._files.clear()
        with self._files:
            for each in self.attached:
                self._draw_file(each)

    def _draw_file(self, file: Attachment) -> None:
        def remove() -> None:
            self.attached.remove(file)
            self._draw_files()
            self.focus()

        length = len(file.image) * 3 // 4 if file.image else len(file.text.encode())
        with ui.button(on_click=remove).props("outline dense no-caps"):
            ui.icon("image" if file.image else "description").props("aria-hidden=true")
            ui.label(f"{file.name} · {size_text(length, self._page.translator)}").classes(
                "orch-chat-file"
            )
            ui.label(self._page("Remove")).classes("orch-chat-unseen")
            ui.icon("close").props("aria-hidden=true")

    # ------------------------------------------------------------ wishes

    def _draw_wishes(self) -> None:
        page, wishes = self._page, self.wishes
        with ui.element("div").classes("orch-chat-wishes"):
            with ui.element("div"):
                self._dial()
            system = ui.textarea(label=page("System prompt"), value=wishes.system_prompt).props(
                f"outlined dense autogrow maxlength={MAX_QUESTION_CHARS}"
            )
            system.classes("orch-chat-text").on_value_change(
                lambda event: setattr(wishes, "system_prompt", event.value or "")
            )
            first = ui.switch(page("Show the choice first"), value=wishes.choice_first)
            first.on_value_change(lambda event: setattr(wishes, "choice_first", bool(event.value)))

    def _dial(self) -> None:
        page, wishes = self._page, self.wishes

        def turn(dial: float | None) -> None:
            wishes.dial = dial
            said = page("Profile: balanced")
            if dial is not None:
                said = page(
                    "Profile: {n} of 10 (0 is speed alone, 10 is quality alone)",
                    n=page.translator.number(dial),
                )
            label.set_text(said)
            slider.props(f"value={DIAL_CENTER if dial is None else dial:g}")
            balanced.set_visibility(dial is not None)

        label = ui.label()
        with ui.row().classes("orch-chat-dial"):
            ui.label(page("speed")).classes("orch-dim")
            # the browser's own: Quasar's has its focus beside its role
            slider = (
                ui.element("input")
                .props(
                    f'type=range min=0 max=10 step=1 aria-label="{page("From speed to quality")}"'
                )
                .classes("orch-chat-slider")
            )
            slider.on(
                "input",
                lambda event: turn(float(event.args)),
                js_handler="(event) => emit(event.target.value)",
            )
            ui.label(page("quality")).classes("orch-dim")
        balanced = ui.button(page("Balanced"), on_click=lambda: turn(None)).props(
            "flat dense no-caps"
        )
        turn(wishes.dial)
