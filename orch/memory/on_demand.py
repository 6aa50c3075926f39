"""Memory as a run sees it: opened when it is wished for, closed at once, and never the reason that
an answer fails."""

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
    from orch.memory.index import Found, Memory, Progress, State
    from orch.memory.journal_source import Source
    from orch.memory.operations import Means, Operation
    from orch.storage.answers import Cache


FOLLOW_S = RECALL_S = 2.0
"""How long the index may catch up before an answer, and after an addition: the rest is left for
later, and told."""


class LazyMemory:
    """The memory of one runtime. Importing it costs nothing: the libraries come with the first
    search."""

    def __init__(
        self,
        rule: spec.Memory,
        journal: Journal,
        providers: Mapping[str, Embeds],
        redactor: Redactor,
        cache: Cache,
    ) -> None:
        self._rule, self._journal, self._providers, self._redactor, self._cache = (
            rule,
            journal,
            providers,
            redactor,
            cache,
        )

    def embedder(self) -> Embedder:
        """What turns text into vectors. Raises OrchError where it can't be had."""
        return self.found_embedder()[0]

    def found_embedder(self) -> tuple[Embedder, str | None]:
        """The same, with a warning where it is none that embeds."""
        from orch.memory.embedders import embedder_for

        return embedder_for(self._rule.embedder, self._providers)

    def source(self) -> Source:
        """What the journal remembers, without an index. Raises OrchError where it keeps no
        texts."""
        from orch.memory.journal_source import Source

        if self._journal.mode != "full":
            said = (
                "memory is made of the journal's texts, and it keeps none (journal.mode is"
                f" {self._journal.mode})"
            )
            raise OrchError(said, "set journal: {mode: full} in routing.yaml", code="not_kept")
        return Source(self._journal.database, self._redactor)

    async def memory(self) -> Memory:
        """The memory, not yet opened. Raises OrchError where journal or embedder can't be had."""
        source = self.source()
        from orch.memory.factory import memory_for

        return await memory_for(self._rule, self._journal, *self.found_embedder(), source)

    async def state(self) -> State:
        """How the index stands, without catching up. Raises OrchError, sqlite3.Error."""
        async with self._opened() as memory:
            return await memory.state()

    async def recall(self, question: str, limit: int) -> tuple[list[Found], list[str]]:
        """What is found, and warnings; a memory that can't be used is a warning."""
        try:
            async with self._opened() as memory:
                return await recalled(memory, question, limit, "orch memory stats catches up")
        except (OrchError, sqlite3.Error) as error:
            return [], [without_memory(error)]

    async def perform(
        self, name: str, arguments: Mapping[str, Any], progress: Progress | None = None
    ) -> dict[str, Any]:
        """Does one of `operations.OPERATIONS`. Raises OrchError."""
        from orch.memory.operations import checked, perform

        operation = checked(name, arguments)
        if operation.needs_index:
            async with self._opened() as memory:
                return await perform(name, arguments, self._means(memory, progress))
        result = await perform(name, arguments, self._means())
        return await self._followed(operation, result)

    async def _followed(self, operation: Operation, result: dict[str, Any]) -> dict[str, Any]:
        """The result of what was done in the journal, with notes of what the index made of it."""
        if operation.follow is not None:
            try:
                result["notes"] += await self._follow(operation.follow)
            except (OrchError, sqlite3.Error) as error:
                hint = error.hint if isinstance(error, OrchError) else ""
                result["notes"].append(f"{operation.later} ({error}{f'; {hint}' if hint else ''})")
        return result

    async def _follow(self, follow: Callable[[Memory, float], Awaitable[list[str]]]) -> list[str]:
        async with self._opened() as memory:
            said = await follow(memory, time.monotonic() + FOLLOW_S)
            return [*memory.told(), *said]

    def _means(self, memory: Memory | None = None, progress: Progress | None = None) -> Means:
        from orch.memory.operations import Means

        return Means(self.source(), self._cache, self._journal, memory, progress)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Memory]:
        """The memory, closed at the end."""
        memory = await self.memory()
        try:
            yield memory
        finally:
            memory.close()


async def recalled(
    memory: Memory, question: str, limit: int, then: str
) -> tuple[list[Found], list[str]]:
    """What is found, and what is to be told: also how much is not indexed, and what will be done
    about it."""
    from orch.memory.operations import behind

    found, lag = await memory.recall(question, limit, time.monotonic() + RECALL_S)
    return found, [*memory.told(), *behind(lag, then)]


def without_memory(error: Exception) -> str:
    """The warning of a run that could not recall, with what to type."""
    hint = error.hint if isinstance(error, OrchError) else ""
    return f"answered without memory: {error}{f'; {hint}' if hint else ''}"
