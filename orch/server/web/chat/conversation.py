"""A conversation on the page: its turns, what is asked next, and what becomes of it while pages and
servers come and go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from urllib.parse import quote

from nicegui import background_tasks, ui

from orch.errors import OrchError
from orch.execution.session import load_history, resolve_session, turn_messages
from orch.routing.router import last_resort_allowed, plan
from orch.server.web.chat.answer import AnswerActions
from orch.server.web.chat.answer_state import ActiveAnswers, ChatAnswer
from orch.server.web.chat.composer import Composer
from orch.server.web.chat.history import ConversationTurns, alternative_of, alternative_session
from orch.server.web.chat.model_choice import choice_preview
from orch.server.web.chat.turn import TurnView, question_text
from orch.server.web.components.page import Page, empty_state, error_box
from orch.text.prompt import Task
from orch.types import Message

FOLLOW_SCRIPT = """
    if (window.orchFollows) return;
    window.orchFollows = true;
    let follows = true;
    addEventListener('scroll', () => { follows = innerHeight + scrollY > document.documentElement.scrollHeight - 120; }, {passive: true});
    new ResizeObserver(() => { if (follows) scrollTo(0, document.documentElement.scrollHeight); }).observe(document.querySelector('.orch-chat-log'));
    addEventListener('pagehide', () => {
        const asked = sessionStorage.getItem('orch-asked'), answers = document.querySelectorAll('.orch-chat-turn:last-child .orch-answer');
        if (!asked || !answers.length) return;
        const shown = answers[answers.length - 1].innerText.slice(0, 100000);
        sessionStorage.setItem('orch-asked', JSON.stringify({...JSON.parse(asked), shown}));
    });
"""
"""Keeps the end in sight as it grows, unless the reader has gone up; and what is asked now in the
tab, with what was shown of its answer when the page goes."""
STORE_QUESTION_SCRIPT = "sessionStorage.setItem('orch-asked', JSON.stringify({asked}))"
CLEAR_QUESTION_SCRIPT = "sessionStorage.removeItem('orch-asked')"
TAKE_QUESTION_SCRIPT = (
    f"const asked = sessionStorage.getItem('orch-asked'); {CLEAR_QUESTION_SCRIPT}; return asked === null ? null"
    " : JSON.parse(asked)"
)
"""What a server that was killed could not write down is known to the tab alone."""


class ConversationView:
    """The conversation of one open page."""

    def __init__(
        self,
        page: Page,
        going: ActiveAnswers,
        name: str,
        past: ConversationTurns,
        under_way: Sequence[ChatAnswer],
        listed: Callable[[str], Awaitable[None]],
    ) -> None:
        self._page, self._going, self._name, self._listed = page, going, name, listed
        self._wishes = AnswerActions(self._again, self._other, self._ended)
        self._turns: list[TurnView] = []
        self._log = (
            ui.element("div")
            .classes("orch-chat-log")
            .props(f'role=log aria-live=off aria-label="{page("Conversation")}"')
        )
        self._said = ui.label().classes("orch-chat-unseen").props("role=status")
        self._asking = Composer(page, self._send, self._stop)
        with self._log:
            self._empty = ui.element("div")
            self._draw_past(past, under_way)
        self._asking.set_busy(self._is_going())
        client = ui.context.client
        client.on_connect(self._connected)
        client.on_delete(self._leave)

    def _draw_past(self, past: ConversationTurns, under_way: Sequence[ChatAnswer]) -> None:
        page = self._page
        if past.more:
            ui.label(page("Older turns of this conversation are not shown.")).classes("orch-dim")
        for answers in past.turns:
            self._turns.append(TurnView(page, answers, self._going, self._wishes))
        known = {view.answer.run_id for turn in self._turns for view in turn.views}
        for answer in under_way:
            if answer.run_id not in known:
                self._draw_under_way(answer)
        if not self._turns:
            with self._empty:
                empty_state(
                    "forum",
                    page("Ask something"),
                    page("orch picks the model that answers best soonest, and says why."),
                )

    def _draw_under_way(self, answer: ChatAnswer) -> None:
        """An answer that a page began which was loaded again since."""
        first = alternative_of(self._name, answer.task.session or "")
        turn = next((turn for turn in self._turns if first and turn.first.run_id == first), None)
        if turn is None:
            self._turns.append(TurnView(self._page, [answer], self._going, self._wishes))
        else:
            turn.add_answer(answer)

    async def _connected(self) -> None:
        ui.run_javascript(FOLLOW_SCRIPT)
        await self._look_for_lost()
        if not self._turns:
            await self._look_for_models()

    async def _look_for_lost(self) -> None:
        """Shows a question whose answer no journal holds: the server was killed."""
        if self._is_going():
            return
        try:
            lost = await ui.run_javascript(TAKE_QUESTION_SCRIPT, timeout=10)
        except TimeoutError:
            return
        known = self._turns and question_text(self._turns[-1].first.task) == (lost or {}).get(
            "text"
        )
        if not lost or lost.get("session") != self._name or known:
            return
        task = Task(text=str(lost["text"]), session=self._name or None, client=self._page.client)
        error = OrchError("killed", code="killed")
        self._empty.clear()
        with self._log:
            self._turns.append(
                TurnView(
                    self._page,
                    [
                        ChatAnswer(
                            task, status="interrupted", text=str(lost.get("shown", "")), error=error
                        )
                    ],
                    self._going,
                    self._wishes,
                )
            )

    async def _look_for_models(self) -> None:
        """Tells before the first question where nobody could answer it."""
        runtime = self._page.service.orchestrator.runtime
        survey = await runtime.registry.snapshot(with_unlisted=True)
        there = [state.spec for state in survey.states if state.unavailable is None]
        if any(not spec.last_resort for spec in there) or self._turns or self._empty.is_deleted:
            return
        page = self._page
        self._empty.clear()
        with self._empty:
            if survey.unreachable:
                empty_state(
                    "cloud_off",
                    page("No model can be reached"),
                    "; ".join(f"{name}: {why}" for name, why in survey.unreachable.items()),
                )
            else:
                empty_state(
                    "download", page("No model is installed"), page("The view Models fetches one.")
                )
            if there and last_resort_allowed(runtime, survey):
                said = page(
                    "Until then a built-in demonstration answers, which is often wrong. In a"
                    " terminal, orch setup finds a real model."
                )
                ui.label(said).classes("orch-dim orch-chat-middle")

    # ------------------------------------------------------------ asking

    def _send(self, text: str) -> bool:
        """Asks, or shows the choice first; whether what was written may be taken away."""
        task = self._task(text)
        if self._asking.wishes.choice_first:
            background_tasks.create(self._choose(task), name="the choice")
            return False
        self._ask(task)
        return True

    def _task(self, text: str) -> Task:
        wishes, page = self._asking.wishes, self._page
        journal = page.service.orchestrator.runtime.journal
        kept = journal.mode == "full"
        if kept and not self._name:
            self._name = resolve_session("", False, journal)
            ui.navigate.history.replace(f"/?session={quote(self._name, safe='')}")
        return Task(
            text=text,
            system_prompt=wishes.system_prompt.strip() or None,
            attachments=tuple(self._asking.attached),
            dial=wishes.dial,
            session=self._name if kept else None,
            history=() if kept else self._before(len(self._turns)),
            client=page.client,
            fresh=any(question_text(turn.first.task) == text for turn in self._turns),
        )

    def _before(self, count: int) -> tuple[Message, ...]:
        """The first turns as messages."""
        said: list[Message] = []
        for turn in self._turns[:count]:
            first = turn.first
            if first.status in ("ok", "interrupted") or first.text:
                said += turn_messages(question_text(first.task), first.text, first.status)
        return tuple(said)

    async def _choose(self, task: Task) -> None:
        page, place = self._page, self._asking.above
        place.clear()
        try:
            journal = page.service.orchestrator.runtime.journal
            await page.service.flush_journal()  # the turn before may have ended a moment ago
            history = (
                (await asyncio.to_thread(load_history, task.session, journal, task.text)).messages
                if task.session
                else task.history
            )
            made = await plan(replace(task, history=history), page.service.orchestrator.runtime)
            place.clear()
        except OrchError as error:
            with place:
                error_box(
                    page,
                    error,
                    lambda: background_tasks.create(self._choose(task), name="the choice"),
                )
            return

        def ask(model: str | None) -> None:
            place.clear()
            if self._asking.text == task.text:  # nothing new was written meanwhile
                self._asking.clear()
            self._ask(replace(task, model=model))
            self._asking.focus()

        def leave() -> None:
            place.clear()
            self._asking.focus()

        with place:
            first = choice_preview(page, made, ask, leave)
        place.client.run_javascript(
            f"setTimeout(() => document.getElementById('{first.html_id}')?.focus(), 60)"
        )

    def _ask(self, task: Task) -> None:
        self._empty.clear()
        answer = self._going.start(task, self._name)
        with self._log:
            self._turns.append(TurnView(self._page, [answer], self._going, self._wishes))
        self._asking.set_busy(True)
        self._said.set_text("")
        asked = json.dumps({"session": self._name, "text": task.text})
        self._log.client.run_javascript(STORE_QUESTION_SCRIPT.replace("{asked}", asked))

    # ------------------------------------------------------------ and asking again

    def _turn_of(self, answer: ChatAnswer) -> tuple[int, TurnView]:
        return next(
            (place, turn)
            for place, turn in enumerate(self._turns)
            if any(view.answer is answer for view in turn.views)
        )

    def _again(self, answer: ChatAnswer) -> None:
        """The same question, to whoever can now, in the place of an answer that failed."""
        place, turn = self._turn_of(answer)
        task = replace(answer.task, fresh=True, client=self._page.client)
        if answer is not turn.first:
            task = replace(task, session=self._beside(turn))
        elif task.session is None and self._name:  # it comes from the journal
            before = () if task.text else self._before(place)
            task = replace(task, session=self._name, messages=(*before, *task.messages))
        turn.replace_answer(answer, self._going.start(task, self._name))
        self._asking.set_busy(True)
        self._asking.focus()

    def _other(self, answer: ChatAnswer, model: str) -> None:
        """Another answer beside this one, of a model that is named; it gets what was said before,
        and the conversation goes on without it."""
        place, turn = self._turn_of(answer)
        task = answer.task
        before = task.history or (() if task.messages else self._before(place))
        named = replace(task, model=model, fallback=False, fresh=True, client=self._page.client)
        task = replace(
            named, session=self._beside(turn), history=(), messages=(*before, *task.messages)
        )
        turn.add_answer(self._going.start(task, self._name))
        self._asking.set_busy(True)
        self._asking.focus()

    def _beside(self, turn: TurnView) -> str | None:
        return alternative_session(self._name, turn.first.run_id) if self._name else None

    def _stop(self) -> None:
        for turn in self._turns:
            for view in turn.views:
                if view.answer.is_running:
                    self._going.stop(view.answer)

    def _is_going(self) -> bool:
        return any(view.answer.is_running for turn in self._turns for view in turn.views)

    def _ended(self, answer: ChatAnswer) -> None:
        self._asking.set_busy(self._is_going())
        self._said.set_text(
            self._page("The answer is there.")
            if answer.status == "ok"
            else self._page("The answer did not come.")
        )
        self._turn_of(answer)[1].draw_comparison()
        if not self._is_going():
            self._log.client.run_javascript(CLEAR_QUESTION_SCRIPT)
        background_tasks.create(self._listed(self._name), name="the list of conversations")

    def _leave(self) -> None:
        for turn in self._turns:
            for view in turn.views:
                view.detach()
