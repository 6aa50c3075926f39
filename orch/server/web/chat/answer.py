"""One answer on the page: who gives it and why, the text as it comes, and the reader's word on
it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from orch.execution.events import Fallback, ToolCall
from orch.execution.results import DEMO_MODEL_WARNING
from orch.execution.serialize import fallback_model_names
from orch.routing.feedback import record_rating
from orch.server.web.chat.answer_state import ActiveAnswers, ChatAnswer, ChatNote
from orch.server.web.chat.why import explain_choice
from orch.server.web.components.page import Page, error_box, with_notification
from orch.server.web.components.stream_text import StreamedMarkdown
from orch.server.web.components.throttle import Collapsible, Throttle
from orch.types import TaskType

MAX_OTHER_MODELS = 12
OVERRIDABLE_ELIMINATIONS = ("memory", "quality_floor", "last_resort")
"""Eliminations that naming the model overrules."""


@dataclass(frozen=True, slots=True)
class AnswerActions:
    """What a reader may want besides: `again` in the answer's place, `other` beside it by the model
    of that full name."""

    retry: Callable[[ChatAnswer], None]
    ask_other_model: Callable[[ChatAnswer, str], None]
    on_end: Callable[[ChatAnswer], None]


class AnswerView:
    """An answer that is drawn as it comes."""

    def __init__(
        self, page: Page, answer: ChatAnswer, going: ActiveAnswers, wishes: AnswerActions
    ) -> None:
        self._page, self.answer, self._going, self._wishes = page, answer, going, wishes
        self._paced = Throttle(self._show)
        self._told = 0
        self._over = False
        self.box = (
            ui.element("article")
            .classes("orch-chat-answer")
            .props(f'aria-label="{page("Answer")}"')
        )
        with self.box:
            self._head()
            self._thought = Collapsible(page("Thinking"), self._draw_thinking, "psychology")
            self._thought.place_body()
            self._thought.button.set_visibility(False)
            self._notes = ui.element("div").classes("orch-chat-notes").props("role=status")
            self._waiting = ui.row().classes("orch-loading").props("role=status")
            with self._waiting:
                ui.spinner(size="sm")
                ui.label(page("Waiting for the model…"))
            self._text = StreamedMarkdown(page)
            self._foot = ui.element("div").classes("orch-chat-foot")
        self._show()
        if answer.is_running:
            answer.watchers.add(self._paced)

    def detach(self) -> None:
        """The page is gone, or shows another answer here."""
        self._paced.cancel()
        self._going.unwatch(self.answer, self._paced)

    # ------------------------------------------------------------ as it comes

    def _head(self) -> None:
        with ui.row().classes("orch-chat-head"):
            self._model = ui.label().classes("orch-chat-model")
            self._kind = ui.label().classes("orch-chat-kind")
            self._sure = ui.label().classes("orch-dim")
            self._mark = ui.label().classes("orch-chat-mark")
            self._why = Collapsible(
                self._page("Why this model"),
                lambda: explain_choice(self._page, self.answer),
                "insights",
            )
            self._why.button.set_visibility(False)
        self._why.place_body()

    def _show(self) -> None:
        """Draws what is new since the last time."""
        if self.box.is_deleted:
            return
        answer, page = self.answer, self._page
        with self.box:
            self._show_head()
            if answer.thinking:
                self._thought.button.set_visibility(True)
                if self._thought.is_open:
                    self._thinking.set_text(answer.thinking)
            for note in answer.notes[self._told :]:
                with self._notes:
                    ui.label(_note(page, note)).classes("orch-chat-note")
            self._told = len(answer.notes)
            self._waiting.set_visibility(answer.is_running and not answer.text)
            self._text.show(answer.text, whole=not answer.is_running)
            if not answer.is_running and not self._over:
                self._end()

    def _show_head(self) -> None:
        answer, page = self.answer, self._page
        self._model.set_text(
            answer.model_name
            or answer.model
            or (page("Choosing a model…") if answer.is_running else page("No model"))
        )
        self._kind.set_text(task_type_names(page).get(answer.task_type, answer.task_type))
        self._kind.set_visibility(bool(answer.task_type))
        self._sure.set_text(
            page("confidence {n} %", n=page.translator.number(answer.confidence * 100))
            if answer.task_type
            else ""
        )
        marks = (
            [page("interrupted")]
            if answer.status == "interrupted"
            else [page("failed")]
            if answer.status == "failed"
            else []
        )
        marks += [page("from the cache")] if answer.cached else []
        marks += [page("built-in demonstration, often wrong")] if answer.degraded else []
        self._mark.set_text(" · ".join(marks))
        self._why.button.set_visibility(answer.decision is not None or bool(answer.attempts))

    def _draw_thinking(self) -> None:
        self._thinking = ui.label(self.answer.thinking).classes("orch-chat-thinking")

    # ------------------------------------------------------------ when it is over

    def _end(self) -> None:
        self._over = True
        answer, page = self.answer, self._page
        self._why.redraw()
        with self._foot:
            if answer.error is not None and answer.status == "failed":
                error_box(page, answer.error, lambda: self._wishes.retry(answer))
            elif answer.status == "interrupted":
                self._interrupted()
            ui.label(_figures(page, answer)).classes("orch-dim")
            if answer.status == "ok" or (
                answer.status == "interrupted" and answer.text and answer.run_id
            ):
                self._word()
        if answer.watchers:  # it ended before our eyes
            self._wishes.on_end(answer)

    def _interrupted(self) -> None:
        page, code = self._page, self.answer.error.code if self.answer.error else ""
        said = {
            "terminated": page("The server ended in the middle of this answer."),
            "killed": page("The server ended before this answer was written down."),
        }.get(code, page("This answer was interrupted."))
        with ui.row().classes("orch-chat-interrupted").props("role=status"):
            ui.label(said)
            ui.button(page("Ask again"), on_click=lambda: self._wishes.retry(self.answer)).props(
                "flat dense no-caps"
            )

    def _word(self) -> None:
        page = self._page
        with (
            ui.row()
            .classes("orch-chat-actions")
            .props(f'role=group aria-label="{page("Your word on this answer")}"')
        ):
            self._good = self._thumb("thumb_up", page("Good answer"), "good")
            self._bad = self._thumb("thumb_down", page("Bad answer"), "bad")
            others = Collapsible(page("Try another model"), self._draw_others, "alt_route")
            kind = Collapsible(page("Wrong type?"), self._draw_kinds, "label")
        others.place_body()
        kind.place_body()
        self._folds = (others, kind)

    def _thumb(self, icon: str, label: str, word: str) -> ui.button:
        act = with_notification(self._page, lambda: self._rate(word=word))
        return (
            ui.button(icon=icon, on_click=act, color=None)
            .props(f'flat round dense aria-pressed=false aria-label="{label}"')
            .classes("orch-chat-thumb")
        )

    async def _rate(self, **said: str) -> str:
        service = self._page.service
        await service.flush_journal()
        told = "; ".join(
            await record_rating(service.orchestrator.runtime, self.answer.run_id, **said)
        )
        if "word" in said:
            for thumb, word in ((self._good, "good"), (self._bad, "bad")):
                thumb.props(f"aria-pressed={'true' if said['word'] == word else 'false'}")
        return told

    async def mark_better(self, worse: list[ChatAnswer]) -> str:
        """Says that this answer is better than those of other models."""
        service = self._page.service
        await service.flush_journal()
        told = [
            await record_rating(
                service.orchestrator.runtime, each.run_id, better=self.answer.full_model
            )
            for each in worse
        ]
        self.box.classes(add="orch-chat-better")
        return "; ".join(line for lines in told for line in lines)

    def _draw_others(self) -> None:
        page, answer = self._page, self.answer
        candidates = [
            each
            for each in (answer.decision or {}).get("candidates", ())
            if not each["eliminated"] or each["eliminated_code"] in OVERRIDABLE_ELIMINATIONS
        ]
        with (
            ui.row()
            .classes("orch-chat-choices")
            .props(f'role=group aria-label="{page("Try another model")}"')
        ):
            for each in [
                each
                for each in candidates
                if (each["provider"], each["model_id"]) != (answer.provider, answer.model)
            ][:MAX_OTHER_MODELS]:
                self._choice(
                    each["model_name"], self._other(f"{each['provider']}/{each['model_id']}")
                )
            self._choice(page("The same model again"), self._other(answer.full_model))

    def _other(self, model: str) -> Callable[[], None]:
        def ask() -> None:
            self._folds[0].show(False)
            self._wishes.ask_other_model(self.answer, model)

        return ask

    def _draw_kinds(self) -> None:
        page = self._page
        ui.label(page("This was …"))
        with (
            ui.row()
            .classes("orch-chat-choices")
            .props(f'role=group aria-label="{page("Kind of task")}"')
        ):
            for kind, name in task_type_names(page).items():
                self._choice(name, with_notification(page, self._correction(kind)))

    def _correction(self, kind: str) -> Callable[[], Awaitable[str]]:
        async def correct() -> str:
            told = await self._rate(task_type=kind)
            self._folds[1].show(False)
            return told

        return correct

    def _choice(self, name: str, act: Callable[[], Any]) -> None:
        ui.button(name, on_click=act).props("outline dense no-caps")


# ---------------------------------------------------------------- words


def task_type_names(page: Page) -> dict[str, str]:
    """The task types as people call them."""
    return {
        TaskType.CODING: page("coding"),
        TaskType.REASONING: page("reasoning"),
        TaskType.EXPLORATION: page("exploration"),
        TaskType.WRITING: page("writing"),
        TaskType.SIMPLE: page("simple"),
        TaskType.ANALYSIS: page("analysis"),
        TaskType.CREATIVE: page("creative"),
        TaskType.RESEARCH: page("research"),
    }


def _note(page: Page, note: ChatNote) -> str:
    if isinstance(note, Fallback):
        failed, other = fallback_model_names(note.failed, note.successor)
        return page(
            "{model} failed: {why}. {other} takes over.",
            model=failed,
            why=note.reason,
            other=other,
        )
    if isinstance(note, ToolCall):
        name = note.call.get("function", {}).get("name", "?")
        return page("The model called {name}.", name=name)
    return page.reason(DEMO_MODEL_WARNING) if note.message == DEMO_MODEL_WARNING else note.message


def _figures(page: Page, answer: ChatAnswer) -> str:
    number = page.translator.number
    parts = []
    if answer.ttft_s is not None:
        parts.append(page("{s} s to the first token", s=number(answer.ttft_s, 2)))
    if answer.total_s is not None:
        parts.append(page("{s} s in all", s=number(answer.total_s, 2)))
    if answer.tokens:
        parts.append(page("{n} tokens", n=number(answer.tokens)))
    return " · ".join(parts)
