"""Errors on the page: the library's own words in English, a text for each error code in Spanish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from nicegui import ui

from orch.errors import InputError, OrchError
from orch.execution.results import DEMO_MODEL_WARNING
from orch.server.web.components.i18n import N_, Translator

TEXTS = {
    "all_failed": N_("Every model that was tried failed."),
    "bad_input": N_("The input can't be used."),
    "busy": N_("Too many requests are waiting. Try again in a moment."),
    "config": N_("The configuration is not valid."),
    "context_overflow": N_("The task does not fit the context of any model. Shorten it."),
    "corrupt": N_("The memory index is damaged. In a terminal, run: orch memory reindex"),
    "denied": N_("The memory store denied access."),
    "dimension": N_("The memory index was built with another embedding model."),
    "locked": N_("Another process is using the memory index. Try again in a moment."),
    "memory": N_("Memory is not available. In a terminal, run: orch health"),
    "model_not_found": N_("The model was not found or is not installed."),
    "no_provider": N_("No provider can be reached. To see why, run in a terminal: orch health"),
    "not_kept": N_("The required data is not stored: see journal.mode in routing.yaml."),
    "remote": N_("The task would leave this machine, and models.yaml does not allow it."),
    "timeout": N_("The model did not answer in time."),
    "unable": N_("No model can take this task."),
    "unreachable": N_("The memory store can't be reached."),
    "usage": N_("The request is not valid."),
}
OTHER = N_("Something went wrong. To see what, run in a terminal: orch health")


class PageError(InputError):
    """An error of the page's own, whose message and hint are in the page's language."""


class ErrorText(NamedTuple):
    """How an error is shown. `original` is the library's English text where a translation is
    shown instead."""

    message: str
    hint: str = ""
    original: str = ""

    @property
    def line(self) -> str:
        """Message and hint as one line."""
        return f"{self.message}. {self.hint}" if self.hint else self.message


def error_text(translator: Translator, error: OrchError) -> ErrorText:
    """The error in the page's language."""
    if translator.language == "en" or isinstance(error, PageError):
        return ErrorText(error.message, error.hint)
    original = "\n".join(filter(None, (error.message, error.hint)))
    return ErrorText(translator(TEXTS.get(error.code, OTHER)), "", original)


def error_box(
    translator: Translator, error: OrchError, retry: Callable[[], object] | None = None
) -> None:
    """Draws an error: what happened, what to do, and a button that tries again."""
    text = error_text(translator, error)
    with ui.column().classes("orch-failed").props("role=alert"):
        ui.label(text.message)
        if text.hint:
            ui.label(text.hint).classes("orch-hint orch-lines")
        original(translator, text.original)
        if retry is not None:
            ui.button(translator("Try again"), on_click=retry).props("flat")


def original(translator: Translator, text: str) -> None:
    """Draws the library's English message, closed until it is opened; nothing for no text."""
    if text:
        with ui.element("details").classes("orch-fold"):
            with ui.element("summary"):
                ui.label(translator("Original message (in English)"))
            ui.label(text).classes("orch-hint orch-lines").props("lang=en")


def notify_error(translator: Translator, error: OrchError) -> None:
    """Shows an error as a notification that stays until it is closed."""
    ui.notify(
        error_text(translator, error).line,
        type="negative",
        close_button=translator("Close"),
        timeout=0,
    )


def warning_note(translator: Translator, message: str) -> None:
    """Draws a warning of a run."""
    with ui.element("div").classes("orch-chat-note"):
        if message == DEMO_MODEL_WARNING:
            ui.label(translator("A built-in demonstration model answers; it is often wrong."))
        elif translator.language == "en":
            ui.label(message)
        else:
            ui.label(translator("Warning from orch"))
            original(translator, message)


def draw_notes(translator: Translator, notes: Sequence[str]) -> None:
    """Draws the remarks of a memory operation."""
    if translator.language == "en":
        for note in notes:
            ui.label(note).classes("orch-dim")
    elif notes:
        ui.label(translator("Notice from memory")).classes("orch-dim")
        original(translator, "\n".join(notes))
