"""Opens the memory index on demand; failures become warnings, never errors of the run."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from orch.config import spec
from orch.errors import OrchError
from orch.storage.journal import Journal
from orch.text.redact import Redactor

if TYPE_CHECKING:
    from orch.memory.embedders import Embedder, Embeds
    from orch.memory.index import IndexState, MemoryIndex, Progress
    from orch.memory.journal_source import JournalSource
    from orch.memory.operations import Operation, OperationContext
    from orch.memory.ranked_search import ScoredRow
    from orch.storage.answers import AnswerStore


FOLLOW_S = RECALL_S = 2.0
"""How long the index may catch up before an answer and after an addition; the rest is left for
later, with a note."""


class OnDemandMemory:
    """The memory of one process. Importing this is cheap: the libraries are loaded by the first
    search."""

    def __init__(
        self,
        rule: spec.Memory,
        journal: Journal,
        providers: Mapping[str, Embeds],
        redactor: Redactor,
        cache: AnswerStore,
    ) -> None:
        self._rule, self._journal, self._providers, self._redactor, self._cache = (
            rule,
            journal,
            providers,
            redactor,
            cache,
        )

    def embedder(self) -> Embedder:
        """The embedder. Raises OrchError if it is not available."""
        return self.resolve_embedder()[0]

    def resolve_embedder(self) -> tuple[Embedder, str | None]:
        """The embedder, with a warning if it can't embed."""
        from orch.memory.embedders import create_embedder

        return create_embedder(self._rule.embedder, self._providers)

    def source(self) -> JournalSource:
        """The journal's texts, without an index. Raises OrchError if it stores none."""
        from orch.memory.journal_source import JournalSource

        if self._journal.mode != "full":
            message = (
                "memory is made of the journal's texts, and it keeps none (journal.mode is"
                f" {self._journal.mode})"
            )
            raise OrchError(message, "set journal: {mode: full} in routing.yaml", code="not_kept")
        return JournalSource(self._journal.database, self._redactor)

    async def memory(self) -> MemoryIndex:
        """The index, not opened yet. Raises OrchError if journal or embedder is not available."""
        source = self.source()
        from orch.memory.factory import create_memory_index

        embedder, warning = self.resolve_embedder()
        return await create_memory_index(self._rule, self._journal, embedder, warning, source)

    async def state(self) -> IndexState:
        """The state of the index, without catching up. Raises OrchError, sqlite3.Error."""
        async with self._opened() as memory:
            return await memory.state()

    async def recall(self, question: str, limit: int) -> tuple[list[ScoredRow], list[str]]:
        """The hits and warnings; if memory is unavailable, a warning."""
        try:
            async with self._opened() as memory:
                return await recall_with_notes(
                    memory, question, limit, "orch memory stats catches up"
                )
        except (OrchError, sqlite3.Error) as error:
            return [], [recall_warning(error)]

    async def perform(
        self, name: str, arguments: Mapping[str, Any], progress: Progress | None = None
    ) -> dict[str, Any]:
        """Performs one of `operations.OPERATIONS`. Raises OrchError."""
        from orch.memory.operations import checked_operation, perform

        operation = checked_operation(name, arguments)
        if operation.needs_index:
            async with self._opened() as memory:
                return await perform(name, arguments, self._means(memory, progress))
        result = await perform(name, arguments, self._means())
        return await self._followed(operation, result)

    async def _followed(self, operation: Operation, result: dict[str, Any]) -> dict[str, Any]:
        """The result of an operation on the journal, after the index has followed; adds notes."""
        if operation.follow is not None:
            try:
                result["notes"] += await self._follow(operation.follow)
            except (OrchError, sqlite3.Error) as error:
                hint = error.hint if isinstance(error, OrchError) else ""
                result["notes"].append(f"{operation.later} ({error}{f'; {hint}' if hint else ''})")
        return result

    async def _follow(
        self, follow: Callable[[MemoryIndex, float], Awaitable[list[str]]]
    ) -> list[str]:
        async with self._opened() as memory:
            notes = await follow(memory, time.monotonic() + FOLLOW_S)
            return [*memory.take_notes(), *notes]

    def _means(
        self, memory: MemoryIndex | None = None, progress: Progress | None = None
    ) -> OperationContext:
        from orch.memory.operations import OperationContext

        return OperationContext(self.source(), self._cache, self._journal, memory, progress)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[MemoryIndex]:
        """The index, closed at the end."""
        memory = await self.memory()
        try:
            yield memory
        finally:
            memory.close()


async def recall_with_notes(
    memory: MemoryIndex, question: str, limit: int, then: str
) -> tuple[list[ScoredRow], list[str]]:
    """The hits, and notes: also how much is not indexed yet, and what will index it."""
    from orch.memory.operations import lag_note

    rows, lag = await memory.recall(question, limit, time.monotonic() + RECALL_S)
    return rows, [*memory.take_notes(), *lag_note(lag, then)]


def recall_warning(error: Exception) -> str:
    """The warning of a run that could not recall, with what to type."""
    hint = error.hint if isinstance(error, OrchError) else ""
    return f"answered without memory: {error}{f'; {hint}' if hint else ''}"
