"""The answers that are running, of all open pages: they go on while pages are reloaded."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import asdict

from starlette.requests import Request

from orch.errors import OrchError
from orch.execution.events import Metadata
from orch.execution.run import Run
from orch.execution.serialize import decision_to_dict
from orch.server.http.errors import error_location
from orch.server.service import Service
from orch.server.web.chat.answer_state import ChatAnswer, Watcher
from orch.text.prompt import Task

UNWATCHED_TIMEOUT_S = 120.0
"""An answer that no page has watched for this long is ended; enough to reload the page, or to look
at another conversation."""


class ActiveAnswers:
    """The running answers by conversation."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[str, list[ChatAnswer]] = {}

    def start(self, task: Task, conversation: str) -> ChatAnswer:
        """Starts a run and returns its answer, which is filled while the run goes on."""
        answer = ChatAnswer(task)
        self._answers.setdefault(conversation, []).append(answer)
        running = asyncio.create_task(self._run(answer, conversation))
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)
        return answer

    def in_conversation(self, conversation: str) -> list[ChatAnswer]:
        """The running answers of a conversation, oldest first."""
        return list(self._answers.get(conversation, ()))

    def stop(self, answer: ChatAnswer, code: str = "interrupted") -> None:
        """Cancels a run as Ctrl-C would."""
        self._service.cancel_run(answer.run_id, code)

    def unwatch(self, answer: ChatAnswer, watcher: Watcher) -> None:
        """Removes a watcher; an answer without any is cancelled after a while."""
        answer.watchers.discard(watcher)
        if answer.is_running and not answer.watchers:
            loop = asyncio.get_running_loop()
            loop.call_later(UNWATCHED_TIMEOUT_S, self._stop_if_unwatched, answer)

    def _stop_if_unwatched(self, answer: ChatAnswer) -> None:
        if answer.is_running and not answer.watchers:
            self.stop(answer, "reader_gone")

    async def _run(self, answer: ChatAnswer, conversation: str) -> None:
        service = self._service
        await service.flush_journal()  # the previous turn may have ended just now
        run = service.start_run(answer.task, "continue", "page")
        answer.run_id = run.run_id
        try:
            await _follow(run, answer)
        finally:
            self._answers[conversation].remove(answer)
            if not self._answers[conversation]:
                del self._answers[conversation]
            await service.finish_run(run)


async def _follow(run: Run, answer: ChatAnswer) -> None:
    """Applies every event of the run. Never raises: the answer says how it ended."""
    try:
        async with aclosing(run.events()) as events:
            async for event in events:
                answer.apply(event)
                if isinstance(event, Metadata) and run.decision is not None:
                    answer.decision = decision_to_dict(run.decision)
    except OrchError:
        return  # the last event was Failed
    except asyncio.CancelledError:
        answer.status, answer.error = "interrupted", run.error
        answer.attempts = [asdict(attempt) for attempt in run.error.attempts] if run.error else []
        answer.notify_watchers()
    except Exception as error:
        # not the error's text, which may quote the prompt
        logging.getLogger("orch.server").error("%s", error_location(error))
        answer.status = "failed"
        answer.error = OrchError("orch failed at this request", "its log says where")
        answer.notify_watchers()


def active_answers(request: Request, service: Service) -> ActiveAnswers:
    """The running answers of this process."""
    state = request.app.state
    if not hasattr(state, "active_answers"):
        state.active_answers = ActiveAnswers(service)
    answers: ActiveAnswers = state.active_answers
    return answers
