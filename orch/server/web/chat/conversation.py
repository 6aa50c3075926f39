"""The conversation of an open page: its turns, the composer, and answers that outlive a reload or
a restart of the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from nicegui import background_tasks, ui

from orch.errors import OrchError
from orch.execution.session import load_history, resolve_session, turn_messages
from orch.server.web.chat.active_answers import ActiveAnswers
from orch.server.web.chat.answer import AnswerActions
from orch.server.web.chat.answer_state import ChatAnswer
from orch.server.web.chat.composer import Composer
from orch.server.web.chat.history import ConversationTurns
from orch.server.web.chat.model_choice import choice_preview
from orch.server.web.chat.turn import TurnView, question_text
from orch.server.web.components.errors import error_box, original
from orch.server.web.components.page import Page, empty_state
from orch.text.prompt import Task
from orch.types import Message

FOLLOW_SCRIPT = """
    if (window.orchFollows) return;
    window.orchFollows = true;
    let follows = true;
    const height = () => document.documentElement.scrollHeight;
    addEventListener('scroll', () => { follows = innerHeight + scrollY > height() - 120; },
        {passive: true});
    addEventListener('click', (event) => {
        if (event.target.closest('.orch-chat-log button')) follows = false;
    }, {capture: true});
    new ResizeObserver(() => { if (follows) scrollTo(0, height()); })
        .observe(document.querySelector('.orch-chat-log'));
    addEventListener('pagehide', () => {
        const asked = sessionStorage.getItem('orch-asked');
        const answers = document.querySelectorAll('.orch-chat-turn:last-child .orch-answer');
        if (!asked || !answers.length) return;
        const shown = answers[answers.length - 1].innerText.slice(0, 100000);
        sessionStorage.setItem('orch-asked', JSON.stringify({...JSON.parse(asked), shown}));
    });
"""
"""Keeps the end of the conversation in view unless the reader has scrolled up or opens something in
it, such as the reasons for a choice. When the page goes
away, stores in the tab how much of an unfinished answer was shown."""
STORE_QUESTION_SCRIPT = "sessionStorage.setItem('orch-asked', JSON.stringify({asked}))"
CLEAR_QUESTION_SCRIPT = "sessionStorage.removeItem('orch-asked')"
TAKE_QUESTION_SCRIPT = (
    f"const asked = sessionStorage.getItem('orch-asked'); {CLEAR_QUESTION_SCRIPT};"
    " return asked === null ? null : JSON.parse(asked)"
)
"""A server that is killed records nothing: only the tab still knows the question."""


class ConversationView:
    """The conversation of one open page."""

    def __init__(
        self,
        page: Page,
        active: ActiveAnswers,
        name: str,
        past: ConversationTurns,
        unfinished: Sequence[ChatAnswer],
        on_change: Callable[[str], Awaitable[None]],
    ) -> None:
        self._page, self._active, self._name, self._on_change = page, active, name, on_change
        self._actions = AnswerActions(self._retry, self._ask_other_model, self._ended)
        self._turns: list[TurnView] = []
        self._log = ui.element("div").classes("orch-chat-log").props("role=log aria-live=off")
        self._log.props["aria-label"] = page("Conversation")
        self._status = ui.label().classes("orch-chat-unseen").props("role=status")
        self._composer = Composer(page, self._send, self._stop)
        with self._log:
            self._empty = ui.element("div")
            self._draw_past(past, unfinished)
        self._composer.set_busy(self._is_busy())
        client = ui.context.client
        client.on_connect(self._connected)
        client.on_delete(self._detach)

    def _draw_past(self, past: ConversationTurns, unfinished: Sequence[ChatAnswer]) -> None:
        page = self._page
        if past.more:
            ui.label(page("Older turns of this conversation are not shown.")).classes("orch-dim")
        for answers in past.turns:
            self._add_turn(answers)
        known = {view.answer.run_id for turn in self._turns for view in turn.views}
        for answer in unfinished:
            if answer.run_id not in known:
                self._draw_unfinished(answer)
        if not self._turns:
            hint = page(
                "orch selects the model with the best answer in the shortest time, and says why."
            )
            with self._empty:
                empty_state("forum", page("Ask something"), hint)

    def _add_turn(self, answers: Sequence[ChatAnswer]) -> None:
        self._turns.append(TurnView(self._page, answers, self._active, self._actions))

    def _draw_unfinished(self, answer: ChatAnswer) -> None:
        """An answer that was started before the page was reloaded."""
        first = answer.task.alternative_to
        turn = next((turn for turn in self._turns if first and turn.first.run_id == first), None)
        if turn is None:
            self._add_turn([answer])
        else:
            turn.add_answer(answer)

    async def _connected(self) -> None:
        ui.run_javascript(FOLLOW_SCRIPT)
        await self._restore_lost_question()
        if not self._turns:
            await self._check_models()

    async def _restore_lost_question(self) -> None:
        """Shows a question whose answer is not in the journal because the server was killed."""
        if self._is_busy():
            return
        try:
            lost = await ui.run_javascript(TAKE_QUESTION_SCRIPT, timeout=10)
        except TimeoutError:
            return
        if not lost or lost.get("session") != self._name:
            return
        if self._turns and question_text(self._turns[-1].first.task) == lost.get("text"):
            return
        task = Task(text=str(lost["text"]), session=self._name or None, client=self._page.client)
        error = OrchError("killed", code="killed")
        shown = str(lost.get("shown", ""))
        self._empty.clear()
        with self._log:
            self._add_turn([ChatAnswer(task, status="interrupted", text=shown, error=error)])

    async def _check_models(self) -> None:
        """Says before the first question that no model could answer it."""
        runtime = self._page.service.orchestrator.runtime
        survey = await runtime.registry.snapshot(with_unlisted=True)
        available = [state.spec for state in survey.states if state.unavailable is None]
        if any(not spec.last_resort for spec in available):
            return
        if self._turns or self._empty.is_deleted:
            return
        self._empty.clear()
        with self._empty:
            self._draw_no_model(survey.unreachable)
            if available and runtime.router.allows_last_resort(survey):
                ui.label(
                    self._page(
                        "Until then a built-in demonstration model answers; it is often wrong."
                        " To install a real model, run orch setup in a terminal."
                    )
                ).classes("orch-dim orch-chat-middle")

    def _draw_no_model(self, unreachable: Mapping[str, str]) -> None:
        page = self._page
        details = "; ".join(f"{name}: {why}" for name, why in unreachable.items())
        if not unreachable:
            hint = page("Download one in the Models view.")
            empty_state("download", page("No model is installed"), hint)
        elif page.translator.language == "en":
            empty_state("cloud_off", page("No provider can be reached"), details)
        else:
            empty_state("cloud_off", page("No provider can be reached"), ", ".join(unreachable))
            original(page.translator, details)

    # ------------------------------------------------------------ asking

    def _send(self, text: str) -> bool:
        """Asks, or previews the choice first. Returns whether the composer may be cleared."""
        task = self._task(text)
        if self._composer.options.choice_first:
            background_tasks.create(self._preview(task), name="choice preview")
            return False
        self._ask(task)
        return True

    def _task(self, text: str) -> Task:
        options, page = self._composer.options, self._page
        journal = page.service.orchestrator.runtime.journal
        is_recorded = journal.mode == "full"
        if is_recorded and not self._name:
            self._name = resolve_session("", False, journal)
            ui.navigate.history.replace(f"/?session={quote(self._name, safe='')}")
        return Task(
            text=text,
            system_prompt=options.system_prompt.strip() or None,
            attachments=tuple(self._composer.attached),
            dial=options.dial,
            session=self._name if is_recorded else None,
            history=() if is_recorded else self._messages_before(len(self._turns)),
            client=page.client,
            fresh=any(question_text(turn.first.task) == text for turn in self._turns),
        )

    def _messages_before(self, count: int) -> tuple[Message, ...]:
        """The first `count` turns as messages."""
        messages: list[Message] = []
        for turn in self._turns[:count]:
            first = turn.first
            if first.status in ("ok", "interrupted") or first.text:
                messages += turn_messages(question_text(first.task), first.text, first.status)
        return tuple(messages)

    async def _preview(self, task: Task) -> None:
        page, area = self._page, self._composer.preview_area
        area.clear()
        try:
            history = await self._history_for(task)
            router = page.service.orchestrator.runtime.router
            proposed = await router.plan(replace(task, history=history))
            area.clear()
        except OrchError as error:
            with area:
                error_box(page.translator, error, lambda: self._start_preview(task))
            return

        def ask(model: str | None) -> None:
            area.clear()
            if self._composer.text == task.text:  # keeps text that was typed in the meantime
                self._composer.clear()
            self._ask(replace(task, model=model))
            self._composer.focus()

        def cancel() -> None:
            area.clear()
            self._composer.focus()

        with area:
            first = choice_preview(page, proposed, ask, cancel)
        area.client.run_javascript(
            f"setTimeout(() => document.getElementById('{first.html_id}')?.focus(), 60)"
        )

    def _start_preview(self, task: Task) -> None:
        background_tasks.create(self._preview(task), name="choice preview")

    async def _history_for(self, task: Task) -> tuple[Message, ...]:
        if not task.session:
            return task.history
        service = self._page.service
        await service.flush_journal()  # the previous turn may have ended just now
        journal = service.orchestrator.runtime.journal
        return (await asyncio.to_thread(load_history, task.session, journal, task.text)).messages

    def _ask(self, task: Task) -> None:
        self._empty.clear()
        answer = self._active.start(task, self._name)
        with self._log:
            self._add_turn([answer])
        self._composer.set_busy(True)
        self._status.set_text("")
        asked = json.dumps({"session": self._name, "text": task.text})
        self._log.client.run_javascript(STORE_QUESTION_SCRIPT.replace("{asked}", asked))

    # ------------------------------------------------------------ asking again

    def _find_turn(self, answer: ChatAnswer) -> tuple[int, TurnView]:
        return next(
            (index, turn)
            for index, turn in enumerate(self._turns)
            if any(view.answer is answer for view in turn.views)
        )

    def _retry(self, answer: ChatAnswer) -> None:
        """Asks the same question again, in place of an answer that failed."""
        index, turn = self._find_turn(answer)
        task = replace(answer.task, fresh=True, client=self._page.client)
        if answer is not turn.first:
            task = self._as_alternative(task, turn)
        elif task.session is None and self._name:  # the task was read from the journal
            before = () if task.text else self._messages_before(index)
            task = replace(task, session=self._name, messages=(*before, *task.messages))
        turn.replace_answer(answer, self._active.start(task, self._name))
        self._composer.set_busy(True)
        self._composer.focus()

    def _ask_other_model(self, answer: ChatAnswer, model: str) -> None:
        """Adds an answer of a named model beside this one. It sees the turns before; the
        conversation goes on with the first answer."""
        index, turn = self._find_turn(answer)
        task = answer.task
        before = task.history or (() if task.messages else self._messages_before(index))
        task = replace(
            task,
            model=model,
            fallback=False,
            fresh=True,
            client=self._page.client,
            history=(),
            messages=(*before, *task.messages),
        )
        turn.add_answer(self._active.start(self._as_alternative(task, turn), self._name))
        self._composer.set_busy(True)
        self._composer.focus()

    def _as_alternative(self, task: Task, turn: TurnView) -> Task:
        """The task as a request for another answer to a turn."""
        if not self._name:
            return replace(task, session=None)
        return replace(task, session=self._name, alternative_to=turn.first.run_id)

    def _stop(self) -> None:
        for turn in self._turns:
            for view in turn.views:
                if view.answer.is_running:
                    self._active.stop(view.answer)

    def _is_busy(self) -> bool:
        return any(view.answer.is_running for turn in self._turns for view in turn.views)

    def _ended(self, answer: ChatAnswer) -> None:
        page = self._page
        self._composer.set_busy(self._is_busy())
        self._status.set_text(
            page("The answer is complete.") if answer.status == "ok" else page("No answer.")
        )
        self._find_turn(answer)[1].draw_comparison()
        if not self._is_busy():
            self._log.client.run_javascript(CLEAR_QUESTION_SCRIPT)
        background_tasks.create(self._on_change(self._name), name="list of conversations")

    def _detach(self) -> None:
        for turn in self._turns:
            for view in turn.views:
                view.detach()
