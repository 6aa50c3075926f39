"""Agrees on the context that a model is loaded with, where several calls ask for it at once."""

from __future__ import annotations

import asyncio
import math
import time
from types import TracebackType
from typing import TYPE_CHECKING

from orch.errors import ProviderError
from orch.types import ModelKey, Need

if TYPE_CHECKING:
    from orch.execution.attempt import ModelCall
    from orch.routing.registry import Registry
    from orch.text.prompt import Task


class _Load:
    """A call that loads its model, from its slot to its first event."""

    __slots__ = ("ended", "num_ctx")

    def __init__(self, num_ctx: int) -> None:
        self.num_ctx = num_ctx
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class ContextLoads:
    """The loads of this process. A call that would load a model with another context than the one
    that it is being loaded with waits for that load, and then takes its context if this holds the
    task: each other context loads the model anew, at Ollama and LM Studio alike. A load that fails
    leaves nothing behind.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._loading: dict[ModelKey, _Load] = {}
        self._loaded: dict[ModelKey, int] = {}
        self.changed_at: dict[ModelKey, float] = {}
        """When each model was loaded last, by `time.perf_counter`; infinite while it is."""

    def agree(self, call: ModelCall, need: Need, task: Task, planned_at: float) -> AgreedContext:
        """To be held around a call. `planned_at` is when its run began, by `changed_at`'s clock:
        what was loaded before, the plan knows."""
        return AgreedContext(self, call, need, task, planned_at)

    async def begin(
        self, call: ModelCall, need: Need, task: Task, planned_at: float
    ) -> _Load | None:
        """Waits for other loads of the model and takes their context, if it is long enough; returns
        the load that the call begins, None if its model is loaded, or being loaded, as it needs it.

        Raises ProviderError if another load takes longer than the call may wait.
        """
        key = call.candidate.key
        while (load := self._loading.get(key)) is not None:
            if load.num_ctx == call.request.num_ctx or _is_elsewhere(load):
                return None
            await _ended(load, call)
            planned_at = -math.inf  # whatever the plan said
        loaded = call.state.resident_ctx
        if self.changed_at.get(key, -math.inf) >= planned_at and key in self._loaded:
            from orch.execution.request import with_loaded_context  # commands that decide need none

            loaded = self._loaded[key]
            call.request = with_loaded_context(call.request, call.state, need, task, loaded)
        num_ctx = call.request.num_ctx
        if num_ctx is None or num_ctx == loaded:
            return None
        load = _Load(num_ctx)
        if self._loading.setdefault(key, load) is not load:
            return None  # another thread's loop was first
        self.changed_at[key] = math.inf
        return load

    def end(self, key: ModelKey, load: _Load, *, is_loaded: bool) -> None:
        """The model answers, or its call failed before."""
        del self._loading[key]
        self.changed_at[key] = time.perf_counter()
        if is_loaded:
            self._loaded[key] = load.num_ctx
            self._registry.note_loaded(key, load.num_ctx)
        else:
            self._loaded.pop(key, None)
        load.ended.set_result(None)


class AgreedContext:
    """The context of one call while it is answered."""

    __slots__ = ("_arguments", "_call", "_load", "_loads")

    def __init__(
        self, loads: ContextLoads, call: ModelCall, need: Need, task: Task, planned_at: float
    ) -> None:
        self._loads, self._call, self._arguments = loads, call, (need, task, planned_at)
        self._load: _Load | None = None

    async def __aenter__(self) -> AgreedContext:
        self._load = await self._loads.begin(self._call, *self._arguments)
        return self

    def note_answer(self) -> None:
        """The model answers: it is loaded."""
        self._end(is_loaded=True)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end(is_loaded=kind is None)

    def _end(self, *, is_loaded: bool) -> None:
        load, self._load = self._load, None
        if load is not None:
            self._loads.end(self._call.candidate.key, load, is_loaded=is_loaded)


def _is_elsewhere(load: _Load) -> bool:
    """Whether a load belongs to another event loop, which a program may run in another thread."""
    return load.ended.get_loop() is not asyncio.get_running_loop()


async def _ended(load: _Load, call: ModelCall) -> None:
    seconds = call.request.first_token_timeout_s
    try:
        async with asyncio.timeout(seconds):
            await asyncio.shield(load.ended)
    except TimeoutError:
        message = f"another request has been loading {call.request.model} for {seconds:g} s"
        raise ProviderError("timeout", message) from None
