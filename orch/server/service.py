"""The server's state, shared by every API: the orchestrator of the last valid configuration, the
scheduler, and the runs in progress."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from orch.config.fingerprint import fingerprint
from orch.config.load import Config, load_config
from orch.errors import OrchError, ProviderError
from orch.execution.lifecycle import asks_to_unload, is_keep_alive
from orch.execution.run import OnPartial, Run
from orch.execution.runtime import Runtime
from orch.memory.resident import ResidentMemory
from orch.orchestrator import Orchestrator
from orch.providers import Loads
from orch.routing.machine.admission import turn_of
from orch.server.batched_journal import BatchedJournal
from orch.server.cached_registry import CachedRegistry
from orch.server.conversations.sessions import ClientSessions
from orch.server.mcp.mount import LazyMcp
from orch.server.metrics import Metrics
from orch.server.scheduling.scheduler import Scheduler
from orch.server.token_counts import TokenCounts
from orch.server.wiring import ServerWiring
from orch.storage.history import History
from orch.text.prompt import Task
from orch.text.requested_model import ModelNames
from orch.types import ModelKey

_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class ConfigGeneration:
    """The orchestrator of one configuration and its number of runs; closed when the last of them
    ends."""

    orchestrator: Orchestrator
    run_count: int = 0
    is_replaced: bool = False


@dataclass(slots=True)
class RunInProgress:
    """A run and its task in the event loop, so that it can be cancelled by its id."""

    run: Run
    task: asyncio.Task[object]
    generation: ConfigGeneration
    unloads_model: bool
    """Whether the client wants the model unloaded after the answer."""
    turn: str = ""
    """What it is a step of; empty for a chore and where there is no session."""


@dataclass(slots=True)
class Service:
    """The server's state. Created by `Service.create`."""

    config_dir: Path | None
    scheduler: Scheduler
    metrics: Metrics
    wiring: ServerWiring
    generation: ConfigGeneration
    config: Config
    fingerprint: str
    sessions: ClientSessions = field(default_factory=ClientSessions)
    token_counts: TokenCounts = field(default_factory=TokenCounts)
    running: dict[str, RunInProgress] = field(default_factory=dict)
    config_fault: OrchError | None = None
    mcp: LazyMcp = field(default_factory=LazyMcp)
    _unloading: set[asyncio.Task[None]] = field(default_factory=set)
    started_at: float = field(default_factory=time.time)
    url: str = ""
    ollama_version: str = ""
    """The last one that an Ollama reported."""

    @classmethod
    def create(cls, config_dir: Path | None) -> Service:
        """A service for the current configuration. Raises ConfigError."""
        config = load_config(config_dir)
        scheduler, metrics = Scheduler(config), Metrics()
        wiring = ServerWiring(scheduler, metrics.record)
        metrics.observe_scheduler(scheduler)
        generation = ConfigGeneration(Orchestrator(config=config, face="server", wiring=wiring))
        return cls(
            config_dir=config_dir,
            scheduler=scheduler,
            metrics=metrics,
            wiring=wiring,
            generation=generation,
            config=config,
            fingerprint=fingerprint(config.sources, config.notes, os.environ),
        )

    @property
    def orchestrator(self) -> Orchestrator:
        """The orchestrator of the current configuration."""
        return self.generation.orchestrator

    @property
    def model_names(self) -> ModelNames:
        """Reads model names by the aliases of the current configuration."""
        return self.orchestrator.runtime.registry.names

    # ---------------------------------------------------------------- runs

    def start_run(self, task: Task, on_partial: OnPartial, face: str) -> Run:
        """Starts a run on the current configuration, which stays open until `finish_run`."""
        generation, current = self.generation, asyncio.current_task()
        assert current is not None
        unloads_model = asks_to_unload(task.extra) or asks_to_unload(task.options)
        if unloads_model:
            # the provider would unload it even if other requests are waiting for it
            extra, options = without_keep_alive(task.extra), without_keep_alive(task.options)
            task = replace(task, extra=extra, options=options)
        run = Run(task, generation.orchestrator.runtime, on_partial, face)
        generation.run_count += 1
        self.running[run.run_id] = RunInProgress(
            run, current, generation, unloads_model, turn_of(task)
        )
        return run

    async def finish_run(self, run: Run) -> None:
        """Releases what a run holds; the last run of a replaced configuration closes it."""
        running = self.running.pop(run.run_id)
        if running.turn:
            self.scheduler.end_step(running.turn, goes_on=run.ends_with_calls)
        if running.unloads_model and run.decision is not None:
            model = run.decision.key
            self.unload_when_idle(running.generation.orchestrator.runtime, model)
        if counted := run.counted_prompt:
            self.token_counts.record(*counted)
        if running.turn and (answer := run.answer_to_client):
            self.sessions.record_answer(*answer)
        running.generation.run_count -= 1
        await self._close_if_done(running.generation)

    def unload_when_idle(self, runtime: Runtime, model: ModelKey) -> None:
        """Starts unloading a model that a client wants unloaded, unless other requests use it or
        wait for it."""
        provider = runtime.providers[model[0]]
        if not self.scheduler.is_needed(model) and isinstance(provider, Loads):
            task = asyncio.create_task(self._unload(provider, model[1]))
            self._unloading.add(task)
            task.add_done_callback(self._unloading.discard)

    async def _unload(self, provider: Loads, model: str) -> None:
        """Unloads in the background; if the provider fails, the model stays loaded."""
        with suppress(ProviderError):
            await provider.unload(model)
        self.invalidate_inventory()

    def cancel_run(self, run_id: str, code: str) -> bool:
        """Cancels a run as if its caller had been interrupted. Returns whether it was in
        progress."""
        running = self.running.get(run_id)
        if running:
            running.task.cancel(code)
        return running is not None

    def write_pending_runs(self) -> None:
        """Writes pending runs to the journal, so that a read sees them. Blocks: call it in a
        thread."""
        journal = self.orchestrator.runtime.journal
        assert isinstance(journal, BatchedJournal)
        journal.flush()

    async def read_history(self, read: Callable[[History], _T]) -> _T:
        """Writes pending runs, then calls `read` in a worker thread."""
        history = self.orchestrator.runtime.journal.history

        def work() -> _T:
            self.write_pending_runs()
            return read(history)

        return await self.wiring.offload(work)

    async def flush_journal(self) -> None:
        """`write_pending_runs` in a worker thread."""
        await self.wiring.offload(self.write_pending_runs)

    def invalidate_inventory(self) -> None:
        """Makes the next request ask the providers for their models again."""
        registry = self.orchestrator.runtime.registry
        assert isinstance(registry, CachedRegistry)
        registry.invalidate()

    # ---------------------------------------------------------------- configuration

    async def reload(self) -> None:
        """Loads the configuration files; keeps the current configuration and records the fault if
        they are invalid."""
        try:
            config = await asyncio.to_thread(load_config, self.config_dir)
        except OrchError as fault:
            self.config_fault = fault
            return
        self.config_fault = None
        if config.hash == self.config.hash and config == self.config:
            return
        orchestrator = Orchestrator(config=config, face="server", wiring=self.wiring)
        before, self.generation = self.generation, ConfigGeneration(orchestrator)
        self.config = config
        self.fingerprint = fingerprint(config.sources, config.notes, os.environ)
        self.scheduler.configure(config)
        before.is_replaced = True
        # only one process part can hold the index; a run that has yet to recall answers without it
        # and warns
        await self._memory_of(before).aclose()
        await self._close_if_done(before)

    async def _close_if_done(self, generation: ConfigGeneration) -> None:
        if not generation.is_replaced or generation.run_count:
            return
        runtime = generation.orchestrator.runtime
        for provider in runtime.providers.values():
            if not self.wiring.is_reused(provider):
                await provider.aclose()
        await self._memory_of(generation).aclose()
        await asyncio.to_thread(runtime.answer_cache.store.close)
        await asyncio.to_thread(runtime.journal.close)

    @staticmethod
    def _memory_of(generation: ConfigGeneration) -> ResidentMemory:
        memory = generation.orchestrator.runtime.memory
        assert isinstance(memory, ResidentMemory)
        return memory

    @property
    def memory(self) -> ResidentMemory:
        """The memory of the current configuration, which stays open."""
        return self._memory_of(self.generation)

    async def aclose(self) -> None:
        """Cancels every run as terminated and closes everything."""
        await self.mcp.aclose()
        tasks = [running.task for running in self.running.values()]
        for task in tasks:
            task.cancel("terminated")
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.memory.aclose()
        await self.orchestrator.aclose()
        self.wiring.threads.close()


def without_keep_alive(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields without `keep_alive`."""
    return {name: value for name, value in fields.items() if not is_keep_alive(name)}
