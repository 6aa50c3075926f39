"""Memory as a run sees it: opened when it is wished for, closed at once, and never the reason that an answer fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING

from orch.config import spec
from orch.errors import OrchError
from orch.journal import Journal
from orch.redact import Redactor

if TYPE_CHECKING:
    from orch.memory.embed import Embedder, Embeds
    from orch.memory.index import Found, Memory, State


class LazyMemory:
    """The memory of one runtime. Importing it costs nothing: the libraries come with the first search."""

    def __init__(self, rule: spec.Memory, journal: Journal, providers: Mapping[str, Embeds], redactor: Redactor) -> None:
        self._rule, self._journal, self._providers, self._redactor = rule, journal, providers, redactor

    def embedder(self) -> Embedder:
        """What turns text into vectors. Raises OrchError where it can't be had."""
        return self.found_embedder()[0]

    def found_embedder(self) -> tuple[Embedder, str | None]:
        """The same, with a warning where it is none that embeds."""
        from orch.memory.embed import embedder_for

        return embedder_for(self._rule.embedder, self._providers)

    async def memory(self) -> Memory:
        """The memory, not yet opened. Raises OrchError where journal or embedder can't be had."""
        if self._journal.mode != "full":
            said = f"memory is made of the journal's texts, and it keeps none (journal.mode is {self._journal.mode})"
            raise OrchError(said, "set journal: {mode: full} in routing.yaml", code="not_kept")
        from orch.memory.opening import memory_for

        return await memory_for(self._rule, self._journal, *self.found_embedder(), self._redactor)

    async def state(self) -> State:
        """How the index stands, without catching up. Raises OrchError, sqlite3.Error."""
        memory = await self.memory()
        try:
            return await memory.state()
        finally:
            memory.close()

    async def recall(self, question: str, limit: int) -> tuple[list[Found], list[str]]:
        """What is found, and warnings; a memory that can't be used is a warning."""
        try:
            memory = await self.memory()
            try:
                found = await memory.find(question, limit)
            finally:
                memory.close()
            return found, memory.told()
        except (OrchError, sqlite3.Error) as error:
            return [], [without_memory(error)]


def without_memory(error: Exception) -> str:
    """The warning of a run that could not recall, with what to type."""
    hint = error.hint if isinstance(error, OrchError) else ""
    return f"answered without memory: {error}{f'; {hint}' if hint else ''}"
