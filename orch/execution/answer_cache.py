"""Reuses an earlier answer to exactly the same task, while the model that gave it is installed
unchanged; a similar task is only named."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from weakref import WeakValueDictionary

from orch.config.load import Config
from orch.errors import ProviderError
from orch.memory.on_demand import OnDemandMemory
from orch.providers import ProviderClient
from orch.storage.answers import AnswerStore, CachedAnswer, answer_key, is_cacheable, is_standalone
from orch.storage.offload import Offload, run_inline
from orch.text.model_names import InstalledNames
from orch.text.prompt import LONG_TASK_CHARS, PreparedTask, Task, text_size
from orch.text.redact import Redactor
from orch.text.slices import batched, iter_texts, overlapping_slices
from orch.types import RunResult

SINGLE_FLIGHT_TIMEOUT_S = 60.0
"""How long a run waits for an identical one before it calls a model itself."""
SLICES_PER_BATCH = 4
"""Slices of a long task that are searched for secrets before other work gets its turn."""
REPLAY_CHUNK_CHARS = 32
"""A cached answer is streamed in chunks of this size."""


class AnswerCache:
    """The answer cache as a run uses it."""

    def __init__(
        self,
        store: AnswerStore,
        config: Config,
        providers: Mapping[str, ProviderClient],
        memory: OnDemandMemory,
        redactor: Redactor,
        offload: Offload = run_inline,
    ) -> None:
        self.store, self._offload = store, offload
        self._config, self._providers = config, providers
        self._memory, self._redactor = memory, redactor
        self._in_flight: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()

    async def key(self, prepared: PreparedTask) -> str | None:
        """The key of a task; None if its answer is not cached: the cache is off, no texts are
        stored, memory is recalled, the prompt is raw, or the text holds secrets."""
        task, routing = prepared.task, self._config.routing
        recall = task.retrieve_context
        recalls = routing.memory.recall if recall is None else recall
        if routing.cache.mode == "off" or routing.journal.mode != "full" or recalls or task.raw:
            return None
        offload = self._offload if text_size(task) > LONG_TASK_CHARS else run_inline
        texts = iter_texts(prepared.messages)
        slices = (part for text in texts for part in overlapping_slices(text))
        for batch in batched(slices, SLICES_PER_BATCH):  # a disconnect wastes no more than this
            if not await offload(self._has_no_secrets, batch):
                return None
        return await offload(answer_key, prepared, self._config.hash)

    def _has_no_secrets(self, texts: Sequence[str]) -> bool:
        return all(self._redactor.redact(text) == text for text in texts)

    @asynccontextmanager
    async def single_flight(self, key: str | None) -> AsyncIterator[None]:
        """Delays an identical run of this event loop until the first one is done, so that the
        model is called once."""
        if key is None:
            yield
            return
        flight = (id(asyncio.get_running_loop()), key)
        lock = self._in_flight.get(flight) or self._in_flight.setdefault(flight, asyncio.Lock())
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
        answer = await self._offload(self.store.get, key)
        if answer is None:
            return None
        if await self.model_digest(answer.provider, answer.model) != answer.digest:
            return None
        await self._offload(self.store.mark_used, key)
        return answer

    async def model_digest(self, provider: str, model: str) -> str | None:
        """The digest of an installed model, empty if its provider reports none; None if it is not
        installed."""
        if provider not in self._providers:
            return None
        try:
            installed = await self._providers[provider].installed()
        except ProviderError:
            return None
        digests = {each.name: each.digest for each in installed}
        name = InstalledNames(digests, ignores_case=False).find(model)
        return None if name is None else digests[name]

    def save(self, key: str, task: Task, result: RunResult, digest: str) -> None:
        """Stores an answer that is complete and holds no secret."""
        content = result.response.content
        if is_cacheable(result) and self._redactor.redact(content) == content:
            self.store.put(key, task, replace(result, warnings=()), digest)

    async def suggest_similar(self, task: Task) -> str | None:
        """A sentence that names the nearest earlier task, if routing.yaml asks for it (`cache.mode:
        suggest`) and one answer would serve both."""
        if self._config.routing.cache.mode != "suggest" or not is_standalone(task):
            return None
        from orch.execution.similar_tasks import find_similar_task

        similar = await find_similar_task(task.text, self.store, self._memory, self._offload)
        if similar is None:
            return None
        return f"asked before: {similar[1]!r}; orch cache use {similar[0][:12]} prints that answer"


def format_age(at: float) -> str:
    """How long ago a time was: `3 h ago`."""
    seconds = max(time.time() - at, 0)
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {'day' if count == 1 and unit == 'days' else unit} ago"
    return f"{seconds:.0f} s ago"
