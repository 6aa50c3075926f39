"""One answer on the page: its model and decision, its text as it arrives, and the reader's
feedback."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from orch.execution.events import Fallback, ToolCall
from orch.execution.serialize import fallback_model_names
from orch.server.web.chat.active_answers import ActiveAnswers
from orch.server.web.chat.answer_state import ChatAnswer, ChatNote
from orch.server.web.chat.why import explain_choice
from orch.server.web.components.collapsible import Collapsible
from orch.server.web.components.errors import error_box, warning_note
from orch.server.web.components.i18n import N_
from orch.server.web.components.labels import CODES, label, task_type_label, task_type_options
from orch.server.web.components.page import Page, with_notification
from orch.server.web.components.stream_text import StreamedMarkdown
from orch.server.web.components.throttle import Throttle
from orch.types import ModelKey

MAX_OTHER_MODELS = 12
OVERRIDABLE_ELIMINATIONS = ("memory", "quality_floor", "last_resort")
"""Eliminations that do not apply to a model that is named."""
INTERRUPTED = {
    "terminated": N_("The server ended during this answer."),
    "killed": N_("The server ended before this answer was recorded."),
}


@dataclass(frozen=True, slots=True)
class AnswerActions:
    """What an answer asks of its conversation: `retry` replaces it, `ask_other_model` adds one by
    the model of that full name beside it, `on_end` reports that it has ended."""

    retry: Callable[[ChatAnswer], None]
    ask_other_model: Callable[[ChatAnswer, str], None]
    on_end: Callable[[ChatAnswer], None]


class AnswerView:
    """Draws an answer while it arrives."""

    def __init__(
        self, page: Page, answer: ChatAnswer, active: ActiveAnswers, actions: AnswerActions
    ) -> None:
        self._page, self.answer, self._active, self._actions = page, answer, active, actions
        self._throttled = Throttle(self._show)
        self._drawn_notes = 0
        self._has_ended = False
        self.box = ui.element("article").classes("orch-chat-answer")
        self.box.props["aria-label"] = page("Answer")
        with self.box:
            self._draw_head()
            self._thinking = Collapsible(page("Thinking"), self._draw_thinking, "psychology")
            self._thinking.place_body()
            self._thinking.button.set_visibility(False)
            self._notes = ui.element("div").classes("orch-chat-notes").props("role=status")
            self._waiting = ui.row().classes("orch-loading").props("role=status")
            with self._waiting:
                ui.spinner(size="sm")
                ui.label(page("Waiting for the model…"))
            self._text = StreamedMarkdown(page)
            self._foot = ui.element("div").classes("orch-chat-foot")
        self._show()
        if answer.is_running:
            answer.watchers.add(self._throttled)

    def detach(self) -> None:
        """Stops watching: the page is gone, or shows another answer here."""
        self._throttled.cancel()
        self._active.unwatch(self.answer, self._throttled)

    # ------------------------------------------------------------ while it arrives

    def _draw_head(self) -> None:
        with ui.row().classes("orch-chat-head"):
            self._model = ui.label().classes("orch-chat-model")
            self._task_type = ui.label().classes("orch-chat-kind")
            self._confidence = ui.label().classes("orch-dim")
            self._marks = ui.label().classes("orch-chat-mark")
            self._why = Collapsible(
                self._page("Why this model?"),
                lambda: explain_choice(self._page, self.answer),
                "insights",
            )
            self._why.button.set_visibility(False)
        self._why.place_body()

    def _show(self) -> None:
        """Draws what is new since the last call."""
        if self.box.is_deleted:
            return
        answer = self.answer
        with self.box:
            self._show_head()
            if answer.thinking:
                self._thinking.button.set_visibility(True)
                if self._thinking.is_open:
                    self._thinking_text.set_text(answer.thinking)
            self._show_notes()
            self._waiting.set_visibility(answer.is_running and not answer.text)
            self._text.show(answer.text, whole=not answer.is_running)
            if not answer.is_running and not self._has_ended:
                self._end()

    def _show_head(self) -> None:
        answer, page = self.answer, self._page
        unnamed = page("Choosing a model…") if answer.is_running else page("No model")
        confidence = page("confidence {n} %", n=page.number(answer.confidence * 100))
        self._model.set_text(answer.model_name or answer.model or unnamed)
        self._task_type.set_text(task_type_label(page, answer.task_type))
        self._task_type.set_visibility(bool(answer.task_type))
        self._confidence.set_text(confidence if answer.task_type else "")
        self._marks.set_text(" · ".join(_marks(page, answer)))
        self._why.button.set_visibility(answer.decision is not None or bool(answer.attempts))

    def _draw_thinking(self) -> None:
        self._thinking_text = ui.label(self.answer.thinking).classes("orch-chat-thinking")

    def _show_notes(self) -> None:
        for note in self.answer.notes[self._drawn_notes :]:
            with self._notes:
                _draw_note(self._page, note)
        self._drawn_notes = len(self.answer.notes)

    # ------------------------------------------------------------ when it has ended

    def _end(self) -> None:
        self._has_ended = True
        answer, page = self.answer, self._page
        self._why.redraw()
        with self._foot:
            if answer.error is not None and answer.status == "failed":
                error_box(page.translator, answer.error, lambda: self._actions.retry(answer))
            elif answer.status == "interrupted":
                self._draw_interruption()
            ui.label(_measurements(page, answer)).classes("orch-dim")
            was_stopped = answer.status == "interrupted" and answer.text and answer.run_id
            if answer.status == "ok" or was_stopped:
                self._draw_feedback()
        if answer.watchers:  # it ended while this page showed it
            self._actions.on_end(answer)

    def _draw_interruption(self) -> None:
        page, code = self._page, self.answer.error.code if self.answer.error else ""
        with ui.row().classes("orch-chat-interrupted").props("role=status"):
            text = INTERRUPTED.get(code, "")
            ui.label(page(text) if text else page("This answer was interrupted."))
            again = ui.button(page("Ask again"), on_click=lambda: self._actions.retry(self.answer))
            again.props("flat dense no-caps")

    def _draw_feedback(self) -> None:
        page = self._page
        with ui.row().classes("orch-chat-actions").props("role=group") as row:
            row.props["aria-label"] = page("Rate this answer")
            self._good = self._thumb("thumb_up", page("Good answer"), "good")
            self._bad = self._thumb("thumb_down", page("Bad answer"), "bad")
            others = Collapsible(page("Try another model"), self._draw_other_models, "alt_route")
            types = Collapsible(page("Wrong type?"), self._draw_task_types, "label")
        others.place_body()
        types.place_body()
        self._other_models, self._task_types = others, types

    def _thumb(self, icon: str, name: str, word: str) -> ui.button:
        handler = with_notification(self._page, lambda: self._rate(word))
        button = ui.button(icon=icon, on_click=handler, color=None).classes("orch-chat-thumb")
        button.props("flat round dense aria-pressed=false").props["aria-label"] = name
        return button

    async def _rate(self, word: str) -> str:
        await self._feedback(self.answer, verdict=word)
        for thumb, each in ((self._good, "good"), (self._bad, "bad")):
            thumb.props(f"aria-pressed={'true' if each == word else 'false'}")
        page = self._page
        return page("Rated as good.") if word == "good" else page("Rated as bad.")

    async def mark_better(self, worse: list[ChatAnswer]) -> str:
        """Records that this answer is better than those of other models."""
        for answer in worse:
            await self._feedback(answer, better=self.answer.full_model)
        self.box.classes(add="orch-chat-better")
        name = self.answer.model_name or self.answer.model
        return self._page("{model} is marked as better.", model=name)

    async def _feedback(self, answer: ChatAnswer, **feedback: str) -> None:
        service = self._page.service
        await service.flush_journal()
        await service.orchestrator.runtime.feedback.record(answer.run_id, **feedback)

    def _draw_other_models(self) -> None:
        page, answer = self._page, self.answer
        with ui.row().classes("orch-chat-choices").props("role=group") as row:
            row.props["aria-label"] = page("Try another model")
            for candidate in _other_candidates(answer)[:MAX_OTHER_MODELS]:
                model = f"{candidate['provider']}/{candidate['model_id']}"
                self._draw_option(candidate["model_name"], self._asks(model))
            self._draw_option(page("Same model again"), self._asks(answer.full_model))

    def _asks(self, model: str) -> Callable[[], None]:
        def ask() -> None:
            self._other_models.show(False)
            self._actions.ask_other_model(self.answer, model)

        return ask

    def _draw_task_types(self) -> None:
        page = self._page
        ui.label(page("The task type is …"))
        with ui.row().classes("orch-chat-choices").props("role=group") as row:
            row.props["aria-label"] = page("Task type")
            for task_type, name in task_type_options(page).items():
                self._draw_option(name, with_notification(page, self._corrects(task_type, name)))

    def _corrects(self, task_type: str, name: str) -> Callable[[], Awaitable[str]]:
        async def correct() -> str:
            await self._feedback(self.answer, task_type=task_type)
            self._task_types.show(False)
            return self._page("Task type corrected to {type}.", type=name)

        return correct

    def _draw_option(self, name: str, handler: Callable[[], Any]) -> None:
        ui.button(name, on_click=handler).props("outline dense no-caps")


# ---------------------------------------------------------------- texts


def _marks(page: Page, answer: ChatAnswer) -> list[str]:
    states = {"interrupted": page("interrupted"), "failed": page("failed")}
    marks = (
        states.get(answer.status, ""),
        page("from the cache") if answer.cached else "",
        page("built-in demonstration model, often wrong") if answer.degraded else "",
    )
    return [mark for mark in marks if mark]


def _other_candidates(answer: ChatAnswer) -> list[dict[str, Any]]:
    """The candidates that can be asked by name, without the model that answered."""
    return [
        candidate
        for candidate in (answer.decision or {}).get("candidates", ())
        if ModelKey(candidate["provider"], candidate["model_id"])
        != ModelKey(answer.provider, answer.model)
        and (
            not candidate["eliminated"] or candidate["eliminated_code"] in OVERRIDABLE_ELIMINATIONS
        )
    ]


def _draw_note(page: Page, note: ChatNote) -> None:
    if isinstance(note, Fallback):
        ui.label(_fallback_text(page, note)).classes("orch-chat-note")
    elif isinstance(note, ToolCall):
        name = note.call.get("function", {}).get("name", "?")
        ui.label(page("The model called {name}.", name=name)).classes("orch-chat-note")
    else:
        warning_note(page.translator, note.message)


def _fallback_text(page: Page, note: Fallback) -> str:
    failed, other = fallback_model_names(note.failed, note.successor)
    is_english = page.translator.language == "en"
    reason = note.reason if is_english else label(page, CODES, note.code)
    return page(
        "{model} failed: {why}. {other} answers instead.", model=failed, why=reason, other=other
    )


def _measurements(page: Page, answer: ChatAnswer) -> str:
    parts = []
    if answer.ttft_s is not None:
        parts.append(page("{s} s to the first token", s=page.number(answer.ttft_s, 2)))
    if answer.total_s is not None:
        parts.append(page("{s} s total", s=page.number(answer.total_s, 2)))
    if answer.tokens:
        parts.append(page.ngettext("{n} token", "{n} tokens", answer.tokens))
    return " · ".join(parts)
