"""The library: decide, run with streaming, run whole, and what was measured."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import fields
from typing import Any, TypedDict, TypeVar, Unpack

from orch.config.explicit import ConfigSource, config_from
from orch.config.load import Config
from orch.errors import OrchError, UsageError
from orch.execution.attempt import Chunk
from orch.execution.run import OnPartial, Run
from orch.execution.runtime import Runtime
from orch.routing.router import plan
from orch.storage.stats import by_model
from orch.text.prompt import Task
from orch.types import Decision, Message, RunResult, TaskType
from orch.wiring import Wiring

_T = TypeVar("_T")


class Wishes(TypedDict, total=False):
    """What may be asked for beside the task; what is left out is as routing.yaml says. `dial` is 0
    to 10."""

    system_prompt: str | None
    context: Sequence[str] | str | None
    store_memory: bool | None
    retrieve_context: bool | None
    model: str | None
    task_type: TaskType | str | None
    profile: str
    dial: float | None
    messages: Sequence[Message] | None
    options: dict[str, Any] | None
    tools: list[dict[str, Any]] | None
    response_format: dict[str, Any] | None
    session: str | None
    fresh: bool
    loaded: bool
    fallback: bool | None
    timeout_s: float | None


class Orchestrator:
    """Routes tasks to local models. Can be used from several event loops; prints nothing, logs
    nothing.

    `models` and `routing` are paths or parsed config; left out, they are the files that the command
    would find.
    Raises ConfigError with every fault of both.
    """

    def __init__(
        self,
        models: ConfigSource = None,
        routing: ConfigSource = None,
        *,
        config: Config | None = None,
        face: str = "library",
        wiring: Wiring | None = None,
    ) -> None:
        self.runtime: Runtime = (wiring or Wiring()).build(config or config_from(models, routing))
        self._face = face

    # ------------------------------------------------------------ running

    async def execute(self, task: str = "", **wishes: Unpack[Wishes]) -> RunResult:
        """Runs a task and gives the whole answer. Raises OrchError with `.partial` and
        `.attempts`."""
        return await self.execute_task(build_task(task, **wishes))

    def execute_streaming(self, task: str = "", **wishes: Unpack[Wishes]) -> AsyncGenerator[Chunk]:
        """Runs a task and yields chunks: `metadata` first, `done` or `error` last, then raises
        OrchError after `error`."""
        return self.stream_task(build_task(task, **wishes), "continue")

    async def execute_task(self, task: Task) -> RunResult:
        """`execute` for a Task that is made already."""
        async with aclosing(self.stream_task(task, "restart")) as chunks:
            async for chunk in chunks:
                if chunk["type"] == "done":
                    result: RunResult = chunk["result"]
                    return result
        raise OrchError("the run ended without an answer")

    def stream_task(self, task: Task, on_partial: OnPartial) -> AsyncGenerator[Chunk]:
        """`execute_streaming` for a Task; `on_partial` says what happens when a model fails after
        it gave text."""
        return self.start_run(task, on_partial).chunks()

    def start_run(self, task: Task, on_partial: OnPartial) -> Run:
        """The run itself, for who wants to know after an interruption what had come."""
        return Run(task, self.runtime, on_partial, self._face)

    # ------------------------------------------------------------ deciding

    def decide(self, task: str = "", **wishes: Unpack[Wishes]) -> Decision:
        """The decision alone: nothing is run. Raises OrchError when no model can take the task."""
        return _blocking(self.decide_task(build_task(task, **wishes), close=True))

    async def decide_task(self, task: Task, *, close: bool = False) -> Decision:
        """The decision for a Task. `close` gives back the connections of this event loop."""
        try:
            return (await plan(task, self.runtime)).decision
        finally:
            if close:
                await self.release()

    # ------------------------------------------------------------ the rest

    def get_stats(self, since: float = 0.0) -> dict[str, dict[str, Any]]:
        """Real times by model since a time (seconds since the epoch)."""
        return by_model(self.runtime.journal.attempts(since))

    async def release(self) -> None:
        """Gives back the connections of this event loop; models inside orch stay loaded."""
        for backend in self.runtime.providers.values():
            await backend.release()

    async def aclose(self) -> None:
        """Closes connections, the embedded engine and the journal."""
        await self.runtime.aclose()

    async def __aenter__(self) -> Orchestrator:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def get_orchestrator() -> Orchestrator:
    """An Orchestrator for the models.yaml and routing.yaml that the command would find."""
    return Orchestrator()


def build_task(
    task: str = "",
    *,
    text: str = "",
    context: Sequence[str] | str | None = None,
    messages: Sequence[Message] | None = None,
    task_type: TaskType | str | None = None,
    options: dict[str, Any] | None = None,
    **wishes: Any,
) -> Task:
    """A Task from what callers write; `text` is another name of its first parameter. Raises
    UsageError for what makes no sense."""
    given = _the_one(task, text)
    if not given.strip() and not messages and not wishes.get("attachments"):
        raise UsageError("there is no task", 'give one, such as "What is a mutex?"')
    if unknown := wishes.keys() - {each.name for each in fields(Task)}:
        raise _unknown_wish(min(unknown))
    try:
        kind = TaskType(task_type) if task_type is not None else None
    except ValueError:
        raise UsageError(
            f"{task_type!r} is not a task type", f"one of: {', '.join(TaskType)}"
        ) from None
    return Task(
        text=given,
        context=(context,) if isinstance(context, str) else tuple(context or ()),
        messages=tuple(messages or ()),
        task_type=kind,
        options=dict(options or {}),
        **wishes,
    )


def _the_one(task: str, text: str) -> str:
    """The task, by whichever of its two names it was given. Raises UsageError for both, and for
    what is not a string."""
    if task and text:
        raise UsageError("task and text both name the task", "give one of them")
    given = task or text
    if not isinstance(given, str):
        raise UsageError(
            f"the task is a {type(given).__name__}, not a string", 'execute("What is a mutex?")'
        )
    return given


def _unknown_wish(name: str) -> UsageError:
    import difflib  # only for people who mistype

    known = [*Wishes.__annotations__]
    near = difflib.get_close_matches(name, known, n=1)
    return UsageError(
        f"there is no argument {name!r}",
        f"did you mean {near[0]}?" if near else f"one of: {', '.join(known)}",
    )


def _blocking(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs a coroutine from code that is not async, also where an event loop is running in this
    thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    box: list[Any] = []

    def in_thread() -> None:
        try:
            box.append((True, asyncio.run(work)))
        except BaseException as error:  # handed to the caller's thread
            box.append((False, error))

    thread = threading.Thread(target=in_thread, daemon=True)
    thread.start()
    thread.join()
    went_well, value = box[0]
    if not went_well:
        raise value
    result: _T = value
    return result
