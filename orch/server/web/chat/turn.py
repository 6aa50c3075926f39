"""A turn of a conversation: a question and its answers, of which the better one can be marked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from orch.server.web.chat.active_answers import ActiveAnswers
from orch.server.web.chat.answer import AnswerActions, AnswerView
from orch.server.web.chat.answer_state import ChatAnswer
from orch.server.web.components.page import Page, with_notification
from orch.text.prompt import Task, message_text


class TurnView:
    """Draws a question and its answers side by side; the conversation goes on with the first."""

    def __init__(
        self,
        page: Page,
        answers: Sequence[ChatAnswer],
        active: ActiveAnswers,
        actions: AnswerActions,
    ) -> None:
        self._page, self._active, self._actions = page, active, actions
        self.views: list[AnswerView] = []
        task = answers[0].task
        with ui.element("section").classes("orch-chat-turn"):
            with ui.element("div").classes("orch-chat-question"):
                ui.label(question_text(task)).classes("orch-chat-asked")
                for file in task.attachments:
                    ui.label(file.name).classes("orch-dim")
            self._answers = ui.element("div").classes("orch-chat-answers")
            self._comparison = ui.row().classes("orch-chat-actions")
        for answer in answers:
            self.add_answer(answer)

    @property
    def first(self) -> ChatAnswer:
        """The answer that the conversation goes on with."""
        return self.views[0].answer

    def add_answer(self, answer: ChatAnswer) -> None:
        """Draws one more answer beside the others."""
        with self._answers:
            self.views.append(AnswerView(self._page, answer, self._active, self._actions))
        if len(self.views) > 1:
            self._answers.classes(add="orch-chat-several")
        self.draw_comparison()

    def replace_answer(self, old: ChatAnswer, new: ChatAnswer) -> None:
        """Draws an answer in place of another."""
        index = next(index for index, view in enumerate(self.views) if view.answer is old)
        self.views[index].detach()
        self.views[index].box.delete()
        with self._answers:
            view = AnswerView(self._page, new, self._active, self._actions)
        view.box.move(target_index=index)
        self.views[index] = view
        self.draw_comparison()

    def draw_comparison(self) -> None:
        """Draws a button for each complete answer, where there are answers of several models."""
        page = self._page
        self._comparison.clear()
        complete = [view for view in self.views if view.answer.status == "ok"]
        if len({view.answer.full_model for view in complete}) < 2:
            return
        self._comparison.props("role=group").props["aria-label"] = page("Which answer is better?")
        with self._comparison:
            ui.label(page("Which answer is better?"))
            for view in complete:
                handler = with_notification(page, self._marks_better(view, complete))
                button = ui.button(view.answer.model_name or view.answer.model, on_click=handler)
                button.props("outline dense no-caps")

    def _marks_better(
        self, better: AnswerView, complete: Sequence[AnswerView]
    ) -> Callable[[], Awaitable[str]]:
        async def mark() -> str:
            for view in complete:
                view.box.classes(remove="orch-chat-better")
            model = better.answer.full_model
            worse = [view.answer for view in complete if view.answer.full_model != model]
            return await better.mark_better(worse)

        return mark


def question_text(task: Task) -> str:
    """The question as the reader wrote it."""
    return task.text or (message_text(task.messages[-1]) if task.messages else "")
