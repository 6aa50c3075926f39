"""A question and its answers, side by side where several were asked for, of which the better one
can be marked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from orch.server.web.chat.answer import AnswerActions, AnswerView
from orch.server.web.chat.answer_state import ActiveAnswers, ChatAnswer
from orch.server.web.components.page import Page, with_notification
from orch.text.prompt import Task, message_text


class TurnView:
    """A question and its answers: the first one, which the conversation goes on with, and others
    beside it."""

    def __init__(
        self, page: Page, answers: Sequence[ChatAnswer], going: ActiveAnswers, wishes: AnswerActions
    ) -> None:
        self._page, self._going, self._wishes = page, going, wishes
        self.views: list[AnswerView] = []
        task = answers[0].task
        with ui.element("section").classes("orch-chat-turn"):
            with ui.element("div").classes("orch-chat-question"):
                ui.label(question_text(task)).classes("orch-chat-asked")
                for each in task.attachments:
                    ui.label(each.name).classes("orch-dim")
            self._answers = ui.element("div").classes("orch-chat-answers")
            self._better = ui.row().classes("orch-chat-actions")
        for answer in answers:
            self.add_answer(answer)

    @property
    def first(self) -> ChatAnswer:
        """The answer that the conversation goes on with."""
        return self.views[0].answer

    def add_answer(self, answer: ChatAnswer) -> None:
        """Puts one more answer beside the others."""
        with self._answers:
            self.views.append(AnswerView(self._page, answer, self._going, self._wishes))
        if len(self.views) > 1:
            self._answers.classes(add="orch-chat-several")
        self.draw_comparison()

    def replace_answer(self, old: ChatAnswer, new: ChatAnswer) -> None:
        """An answer in the place of another."""
        place = next(place for place, view in enumerate(self.views) if view.answer is old)
        self.views[place].detach()
        self.views[place].box.delete()
        with self._answers:
            view = AnswerView(self._page, new, self._going, self._wishes)
        view.box.move(target_index=place)
        self.views[place] = view
        self.draw_comparison()

    def draw_comparison(self) -> None:
        """Where answers of several models are there, the better one can be marked."""
        page = self._page
        self._better.clear()
        whole = [view for view in self.views if view.answer.status == "ok"]
        if len({view.answer.full_model for view in whole}) < 2:
            return
        with self._better.props(f'role=group aria-label="{page("Which answer is better?")}"'):
            ui.label(page("Which answer is better?"))
            for view in whole:
                mark = with_notification(page, self._marking(view, whole))
                ui.button(view.answer.model_name or view.answer.model, on_click=mark).props(
                    "outline dense no-caps"
                )

    def _marking(
        self, better: AnswerView, whole: Sequence[AnswerView]
    ) -> Callable[[], Awaitable[str]]:
        async def mark() -> str:
            for view in whole:
                view.box.classes(remove="orch-chat-better")
            return await better.mark_better(
                [
                    view.answer
                    for view in whole
                    if view.answer.full_model != better.answer.full_model
                ]
            )

        return mark


def question_text(task: Task) -> str:
    """What was asked, as the reader wrote it."""
    return task.text or (message_text(task.messages[-1]) if task.messages else "")
