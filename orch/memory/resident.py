"""Memory for long-running processes: the index stays open, and blocking work runs on a dedicated
thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from orch.config import spec
from orch.errors import InputError, OrchError, UsageError
from orch.memory.on_demand import FOLLOW_S, OnDemandMemory, recall_warning, recall_with_notes
from orch.storage.answers import AnswerStore
from orch.storage.journal import Journal
from orch.text.redact import Redactor

if TYPE_CHECKING:
    from orch.memory.embedders import Embedder, Embeds
    from orch.memory.index import IndexState, MemoryIndex, Progress
    from orch.memory.ranked_search import ScoredRow

WAIT_S = 20.0
"""How long a run or a check waits for memory. Indexing lets it in between chunks, after a second or
two; rewriting the index does not."""
CLOSE_S = 5.0
"""How long closing waits for work in progress: one batch of rows, rarely more than a few
seconds."""
_T = TypeVar("_T")


class ResidentMemory(OnDemandMemory):
    """The memory of a server, for one event loop at a time.

    The index is opened on first use and kept locked until `aclose`. Calls queue for the one thread;
    urgent ones are let in while the index catches up. The index catches up when the queue is empty.
    After a failure the next call opens it again.

    The journal is accessed through a separate connection, so that transactions of different threads
    don't mix.
    """

    def __init__(
        self,
        rule: spec.Memory,
        journal: Journal,
        providers: Mapping[str, Embeds],
        redactor: Redactor,
        cache: AnswerStore,
    ) -> None:
        at_home = {name: _OnCallerLoop(self, provider) for name, provider in providers.items()}
        super().__init__(
            rule, Journal(journal.path, redactor, journal.mode), at_home, redactor, cache
        )
        self._worker = ThreadPoolExecutor(1, "orch-memory")
        self._runner = asyncio.Runner()
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop of the callers."""
        self._stop = threading.Event()
        self._index: MemoryIndex | None = None
        self._urgent = deque[_Job]()
        self._queued, self._catch_up_scheduled = 0, False

    # ------------------------------------------------------------ using it

    async def perform(
        self, name: str, arguments: Mapping[str, Any], progress: Progress | None = None
    ) -> dict[str, Any]:
        """Performs one of `operations.OPERATIONS`. `progress` is called on the thread. Raises
        OrchError."""
        from orch.memory.operations import checked_operation, perform

        operation = checked_operation(name, arguments)
        if operation.needs_index:
            result = await self._in_thread(
                lambda memory: perform(name, arguments, self._means(memory, progress))
            )
            if result["notes"]:  # the index may be behind
                self._catch_up_later()
            return result
        self._check_open()
        result = await asyncio.to_thread(
            lambda: asyncio.run(perform(name, arguments, self._means()))
        )
        return await self._followed(operation, result)

    async def recall(self, question: str, limit: int) -> tuple[list[ScoredRow], list[str]]:
        """The hits and warnings; if memory is unavailable or busy, a warning."""
        try:
            rows, notes = await self._run_soon(
                lambda memory: recall_with_notes(memory, question, limit, "that goes on now")
            )
        except (OrchError, sqlite3.Error) as error:
            return [], [recall_warning(error)]
        self._catch_up_later()
        return rows, notes

    async def state(self) -> IndexState:
        """The state of the index, without catching up. Raises OrchError, sqlite3.Error."""
        return await self._run_soon(lambda memory: memory.state())

    async def _follow(
        self, follow: Callable[[MemoryIndex, float], Awaitable[list[str]]]
    ) -> list[str]:
        async def work(memory: MemoryIndex) -> list[str]:
            notes = await follow(memory, time.monotonic() + FOLLOW_S)
            return [*memory.take_notes(), *notes]

        notes = await self._run_soon(work)
        self._catch_up_later()
        return notes

    def resolve_embedder(self) -> tuple[Embedder, str | None]:
        """Resolved once."""
        return self._kept_embedder

    @cached_property
    def _kept_embedder(self) -> tuple[Embedder, str | None]:
        return super().resolve_embedder()

    async def _run_soon(self, work: Callable[[MemoryIndex], Awaitable[_T]]) -> _T:
        """Urgent work, with a timeout. Work that takes too long continues on the thread; work that
        has not started is dropped."""
        try:
            async with asyncio.timeout(WAIT_S):
                return await self._in_thread(work, at_once=True)
        except TimeoutError:
            raise OrchError(
                "the memory is busy, most likely with indexing",
                "try again in a few minutes",
                code="busy",
            ) from None

    # ------------------------------------------------------------ the thread

    async def _in_thread(
        self, work: Callable[[MemoryIndex], Awaitable[_T]], *, at_once: bool = False
    ) -> _T:
        """Waits for the thread. Cancelled work is dropped unless it has started."""
        self._check_open()
        self.loop = asyncio.get_running_loop()
        if at_once:
            job = _Job(work)
            self._urgent.append(job)
            self._worker.submit(self._run_urgent)
            return cast("_T", await asyncio.wrap_future(job.done))
        self._queued += 1
        try:
            return await self.loop.run_in_executor(
                self._worker, lambda: self._runner.run(self._with_memory(work))
            )
        finally:
            self._queued -= 1

    def _run_urgent(self) -> None:
        """Runs urgent work on the idle thread."""
        while self._urgent:
            job = self._urgent.popleft()
            if job.done.set_running_or_notify_cancel():
                job.end(self._runner, self._with_memory(job.work))

    async def _run_urgent_between(self) -> None:
        """Runs urgent work during a catch-up, with the open index."""
        memory = self._index
        while memory is not None and self._urgent:
            job = self._urgent.popleft()
            if job.done.set_running_or_notify_cancel():
                try:
                    job.done.set_result(await job.work(memory))
                except Exception as error:
                    job.done.set_exception(error)

    def _catch_up_later(self) -> None:
        """Schedules a catch-up with the journal for when the queue is empty."""
        if not self._catch_up_scheduled and not self._stop.is_set():
            self._catch_up_scheduled = True
            self._worker.submit(self._catch_up)

    def _catch_up(self) -> None:
        self._catch_up_scheduled = False
        # the next caller gets the same error
        with suppress(OrchError, sqlite3.Error):
            self._runner.run(
                self._with_memory(lambda memory: memory.catch_up(go_on=lambda: not self._queued))
            )

    def _check_open(self) -> None:
        """Raises OrchError if the memory is closing."""
        from orch.memory.index import stopping_error

        if self._stop.is_set():
            raise stopping_error()

    async def _with_memory(self, work: Callable[[MemoryIndex], Awaitable[_T]]) -> _T:
        self._check_open()
        try:
            memory = self._index = self._index or await self.memory()
            memory.stop, memory.between_chunks = self._stop, self._run_urgent_between
            return await work(memory)
        except (UsageError, InputError):
            raise
        except BaseException:
            self._close_index()
            raise

    def _close_index(self) -> None:
        """Closes the index and the journal; the next call reopens them."""
        memory, self._index = self._index, None
        self._journal.close()
        self._journal = Journal(self._journal.path, self._redactor, self._journal.mode)
        if memory is not None:
            # it was reported already, or the process ends; the next start repairs it
            with suppress(OrchError):
                memory.close()

    # ------------------------------------------------------------ closing

    async def aclose(self) -> None:
        """Releases the index when the current batch has ended; waits at most CLOSE_S."""
        if self._stop.is_set():
            return
        self._stop.set()
        closed = self._worker.submit(self._close)
        self._worker.shutdown(wait=False)
        done, _ = await asyncio.to_thread(wait, [closed], CLOSE_S)
        for each in done:
            each.result()

    def _close(self) -> None:
        self._close_index()
        self._runner.close()


class _Job:
    """Urgent work and its result."""

    def __init__(self, work: Callable[[MemoryIndex], Awaitable[Any]]) -> None:
        self.work, self.done = work, Future[Any]()

    def end(self, runner: asyncio.Runner, doing: Coroutine[Any, Any, Any]) -> None:
        """Runs it."""
        try:
            self.done.set_result(runner.run(doing))
        except BaseException as error:
            self.done.set_exception(error)


class _OnCallerLoop:
    """A provider that embeds on the event loop of the caller, to which its connections and the
    admission control belong."""

    def __init__(self, memory: ResidentMemory, provider: Embeds) -> None:
        self._memory, self._provider = memory, provider

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text. Raises ProviderError."""
        loop = self._memory.loop
        if loop is None or loop is asyncio.get_running_loop():
            return await self._provider.embed(model, texts)
        return await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(self._provider.embed(model, texts), loop)
        )
