"""The library: runs tasks, decides without running, and reports what was measured."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypedDict, TypeVar, Unpack

from orch.config.explicit import ConfigSource, config_from
from orch.config.load import Config
from orch.errors import OrchError, UsageError
from orch.execution.events import Chunk, Done, as_chunk
from orch.execution.run import OnPartial, Run
from orch.execution.runtime import Runtime
from orch.storage.stats import by_model
from orch.text.prompt import Attachment, Task
from orch.types import Decision, Message, ModelKey, RunResult, TaskType
from orch.wiring import Wiring

_T = TypeVar("_T")


class Orchestrator:
    """Routes tasks to local models. Prints nothing and logs nothing; may be used from several
    event loops.

    `models` and `routing` are paths or parsed config; without them the files that the command
    would find. Raises ConfigError with every fault of both.
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

    # ------------------------------------------------------------ the library's calls

    async def execute(
        self,
        task: str = "",
        *,
        system_prompt: str | None = None,
        context: Sequence[str] | str | None = None,
        store_memory: bool | None = None,
        retrieve_context: bool | None = None,
        model: str | None = None,
        task_type: TaskType | str | None = None,
        profile: str = "balanced",
        dial: float | None = None,
        messages: Sequence[Message] | None = None,
        options: dict[str, Any] | None = None,
        tools: list[dict[str, Any]] | None = None,
        response_format: dict[str, Any] | None = None,
        session: str | None = None,
        fresh: bool = False,
        loaded: bool = False,
        fallback: bool | None = None,
        timeout_s: float | None = None,
        text: str = "",
    ) -> RunResult:
        """Runs a task and returns the whole answer.

        None means what routing.yaml says. `dial` goes from 0 (speed) to 10 (quality). `text` is
        another name of `task`. Raises OrchError with `.partial` and `.attempts`.
        """
        built = build_task(
            _either_name(task, text),
            system_prompt=system_prompt,
            context=context,
            store_memory=store_memory,
            retrieve_context=retrieve_context,
            model=model,
            task_type=task_type,
            profile=profile,
            dial=dial,
            messages=messages,
            options=options,
            tools=tools,
            response_format=response_format,
            session=session,
            fresh=fresh,
            loaded=loaded,
            fallback=fallback,
            timeout_s=timeout_s,
        )
        return await self.execute_task(built)

    def execute_streaming(
        self,
        task: str = "",
        *,
        system_prompt: str | None = None,
        context: Sequence[str] | str | None = None,
        store_memory: bool | None = None,
        retrieve_context: bool | None = None,
        model: str | None = None,
        task_type: TaskType | str | None = None,
        profile: str = "balanced",
        dial: float | None = None,
        messages: Sequence[Message] | None = None,
        options: dict[str, Any] | None = None,
        tools: list[dict[str, Any]] | None = None,
        response_format: dict[str, Any] | None = None,
        session: str | None = None,
        fresh: bool = False,
        loaded: bool = False,
        fallback: bool | None = None,
        timeout_s: float | None = None,
        text: str = "",
    ) -> AsyncGenerator[Chunk]:
        """Runs a task and yields chunks: `metadata` first, `done` or `error` last; raises OrchError
        after `error`. The parameters are those of `execute`.
        """
        built = build_task(
            _either_name(task, text),
            system_prompt=system_prompt,
            context=context,
            store_memory=store_memory,
            retrieve_context=retrieve_context,
            model=model,
            task_type=task_type,
            profile=profile,
            dial=dial,
            messages=messages,
            options=options,
            tools=tools,
            response_format=response_format,
            session=session,
            fresh=fresh,
            loaded=loaded,
            fallback=fallback,
            timeout_s=timeout_s,
        )
        return self.stream_task(built, "continue")

    def decide(
        self,
        task: str = "",
        *,
        system_prompt: str | None = None,
        context: Sequence[str] | str | None = None,
        store_memory: bool | None = None,
        retrieve_context: bool | None = None,
        model: str | None = None,
        task_type: TaskType | str | None = None,
        profile: str = "balanced",
        dial: float | None = None,
        messages: Sequence[Message] | None = None,
        options: dict[str, Any] | None = None,
        tools: list[dict[str, Any]] | None = None,
        response_format: dict[str, Any] | None = None,
        session: str | None = None,
        fresh: bool = False,
        loaded: bool = False,
        fallback: bool | None = None,
        timeout_s: float | None = None,
        text: str = "",
    ) -> Decision:
        """The decision alone: nothing is run. Raises OrchError when no model can take the task. The
        parameters are those of `execute`.
        """
        built = build_task(
            _either_name(task, text),
            system_prompt=system_prompt,
            context=context,
            store_memory=store_memory,
            retrieve_context=retrieve_context,
            model=model,
            task_type=task_type,
            profile=profile,
            dial=dial,
            messages=messages,
            options=options,
            tools=tools,
            response_format=response_format,
            session=session,
            fresh=fresh,
            loaded=loaded,
            fallback=fallback,
            timeout_s=timeout_s,
        )
        return _run_blocking(self.decide_task(built, close=True))

    def get_stats(self, since: float = 0.0) -> dict[str, dict[str, Any]]:
        """Measured times by model since a time (seconds since the epoch)."""
        return by_model(self.runtime.journal.history.attempts(since))

    # ------------------------------------------------------------ the same for a Task

    async def execute_task(self, task: Task) -> RunResult:
        """`execute` for a Task."""
        async with aclosing(self.start_run(task, "restart").events()) as events:
            async for event in events:
                if isinstance(event, Done):
                    return event.result
        raise OrchError("the run ended without an answer")

    async def stream_task(self, task: Task, on_partial: OnPartial) -> AsyncGenerator[Chunk]:
        """`execute_streaming` for a Task; `on_partial`: what follows when a model fails after it
        gave text."""
        async with aclosing(self.start_run(task, on_partial).events()) as events:
            async for event in events:
                yield as_chunk(event)

    def start_run(self, task: Task, on_partial: OnPartial) -> Run:
        """A Run with typed events, which also keeps the partial answer of an interrupted run."""
        return Run(task, self.runtime, on_partial, self._face)

    async def decide_task(self, task: Task, *, close: bool = False) -> Decision:
        """`decide` for a Task. `close` closes the connections of this event loop afterwards."""
        try:
            return (await self.runtime.router.plan(task)).decision
        finally:
            if close:
                await self.release()

    # ------------------------------------------------------------ closing

    async def release(self) -> None:
        """Closes the connections of this event loop; embedded models stay loaded."""
        for provider in self.runtime.providers.values():
            await provider.release()

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


class TaskFields(TypedDict, total=False):
    """The fields of a Task that `build_task` takes as they are."""

    system_prompt: str | None
    history: tuple[Message, ...]
    attachments: tuple[Attachment, ...]
    tools: list[dict[str, Any]] | None
    response_format: dict[str, Any] | None
    extra: dict[str, Any]
    model: str | None
    profile: str
    dial: float | None
    session: str | None
    stay_with: ModelKey | None
    affinity: str
    client: str
    batch: bool
    loaded: bool
    warnings: tuple[str, ...]
    fresh: bool
    fallback: bool | None
    timeout_s: float | None
    store_memory: bool | None
    retrieve_context: bool | None


def build_task(
    text: str = "",
    *,
    context: Sequence[str] | str | None = None,
    messages: Sequence[Message] | None = None,
    task_type: TaskType | str | None = None,
    options: dict[str, Any] | None = None,
    **fields: Unpack[TaskFields],
) -> Task:
    """A Task from plain values. Raises UsageError without a task or for an unknown task type."""
    if not isinstance(text, str):
        name = type(text).__name__
        raise UsageError(f"the task is a {name}, not a string", 'execute("What is a mutex?")')
    if not text.strip() and not messages and not fields.get("attachments"):
        raise UsageError("there is no task", 'give one, such as "What is a mutex?"')
    return Task(
        text=text,
        context=(context,) if isinstance(context, str) else tuple(context or ()),
        messages=tuple(messages or ()),
        task_type=_parse_task_type(task_type),
        options=dict(options or {}),
        **fields,
    )


def _either_name(task: str, text: str) -> str:
    if task and text:
        raise UsageError("task and text both name the task", "give one of them")
    return task or text


def _parse_task_type(name: TaskType | str | None) -> TaskType | None:
    try:
        return TaskType(name) if name is not None else None
    except ValueError:
        raise UsageError(f"{name!r} is not a task type", f"one of: {', '.join(TaskType)}") from None


def _run_blocking(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Runs a coroutine from code that is not async, also where this thread has a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    outcome: list[tuple[bool, Any]] = []

    def run_in_thread() -> None:
        try:
            outcome.append((True, asyncio.run(coroutine)))
        except BaseException as error:  # raised again in the caller's thread
            outcome.append((False, error))

    thread = threading.Thread(target=run_in_thread, daemon=True)
    thread.start()
    thread.join()
    succeeded, value = outcome[0]
    if not succeeded:
        raise value
    result: _T = value
    return result
