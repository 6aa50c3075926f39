"""Whether an earlier answer is given again: the exact question, while the model that gave it is
installed as it was; a near one is only named."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from weakref import WeakValueDictionary

from orch.config.load import Config
from orch.config.spec import canonical_model_name
from orch.errors import ProviderError
from orch.memory.on_demand import OnDemandMemory
from orch.providers import ProviderClient
from orch.storage.answers import AnswerStore, CachedAnswer, answer_key, is_cacheable, is_standalone
from orch.storage.offload import Offload, run_inline
from orch.text.prompt import LONG_TASK_CHARS, Task, build_messages, text_size
from orch.text.redact import Redactor
from orch.text.slices import batched, iter_texts, overlapping_slices
from orch.types import RunResult

SINGLE_FLIGHT_TIMEOUT_S = 60.0
"""How long a run waits for an identical one; longer, and it asks by itself."""
SLICES_PER_BATCH = 4
"""Slices of a long task that are looked through for secrets before anything else has its turn."""
REPLAY_CHUNK_CHARS = 32
"""A cached answer is replayed as a stream of pieces of this size."""


class AnswerCache:
    """The cache as a run sees it."""

    def __init__(
        self,
        cache: AnswerStore,
        config: Config,
        backends: Mapping[str, ProviderClient],
        memory: OnDemandMemory,
        redactor: Redactor,
        aside: Offload = run_inline,
    ) -> None:
        self.store, self._aside = cache, aside
        self._config, self._backends, self._memory, self._redactor = (
            config,
            backends,
            memory,
            redactor,
        )
        self._running: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()

    async def key(self, task: Task) -> str | None:
        """The key of a task; None where nothing is cached: the cache is off, no texts are kept,
        memory is recalled, or the text holds secrets."""
        routing = self._config.routing
        recalls = routing.memory.recall if task.retrieve_context is None else task.retrieve_context
        if routing.cache.mode == "off" or routing.journal.mode != "full" or recalls:
            return None
        aside = self._aside if text_size(task) > LONG_TASK_CHARS else run_inline
        parts = (
            part for text in iter_texts(build_messages(task)) for part in overlapping_slices(text)
        )
        for some in batched(
            parts, SLICES_PER_BATCH
        ):  # a caller who leaves has no more than this read in vain
            if not await aside(self._is_clean, some):
                return None
        return await aside(answer_key, task, self._config.hash)

    def _is_clean(self, texts: Sequence[str]) -> bool:
        return all(self._redactor.redact(text) == text for text in texts)

    @asynccontextmanager
    async def single_flight(self, key: str | None) -> AsyncIterator[None]:
        """Holds an identical run of this event loop back until the first one is done, so that the
        model is asked once."""
        if key is None:
            yield
            return
        place = (id(asyncio.get_running_loop()), key)
        lock = self._running.get(place) or self._running.setdefault(place, asyncio.Lock())
        try:
            async with asyncio.timeout(SINGLE_FLIGHT_TIMEOUT_S):
                await lock.acquire()
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            lock.release()

    async def lookup(self, key: str) -> CachedAnswer | None:
        """The earlier answer, if its model is still installed with the same digest."""
        found = await self._aside(self.store.get, key)
        if found is None or await self.model_digest(found.provider, found.model) != found.digest:
            return None
        await self._aside(self.store.mark_used, key)
        return found

    async def model_digest(self, provider: str, model: str) -> str | None:
        """The digest of an installed model, empty where its provider tells none; None where it is
        not installed."""
        if provider not in self._backends:
            return None
        try:
            installed = await self._backends[provider].installed()
        except ProviderError:
            return None
        return next(
            (
                item.digest
                for item in installed
                if canonical_model_name(item.name) == canonical_model_name(model)
            ),
            None,
        )

    def save(self, key: str, task: Task, result: RunResult, digest: str) -> None:
        """Keeps an answer that is whole and holds no secret."""
        content = result.response.content
        if is_cacheable(result) and self._redactor.redact(content) == content:
            self.store.put(key, task, replace(result, warnings=()), digest)

    async def suggest_similar(self, task: Task) -> str | None:
        """Words that name the nearest earlier task, where routing.yaml asks for it and one answer
        would serve both."""
        if self._config.routing.cache.mode != "suggest" or not is_standalone(task):
            return None
        from orch.execution.similar_tasks import find_similar_task

        found = await find_similar_task(task.text, self.store, self._memory, self._aside)
        return (
            f"asked before: {found[1]!r}; orch cache use {found[0][:12]} prints that answer"
            if found
            else None
        )


def format_age(at: float) -> str:
    """How long ago, in words."""
    seconds = max(time.time() - at, 0)
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {'day' if count == 1 and unit == 'days' else unit} ago"
    return f"{seconds:.0f} s ago"
