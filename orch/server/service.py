"""What the endpoint works with: the orchestrator of the newest good configuration, the gate, running runs; the same for every API."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from orch.config.load import Config, load
from orch.errors import OrchError
from orch.fingerprint import fingerprint
from orch.memory.held import HeldMemory
from orch.orchestrator import Orchestrator
from orch.run import OnPartial, Run
from orch.server.conversations import Conversations
from orch.server.journal import BatchedJournal
from orch.server.metrics import Metrics
from orch.server.survey import KeptRegistry
from orch.server.turns import ServerGate
from orch.server.wiring import ServerWiring
from orch.task import Task


@dataclass(slots=True, eq=False)
class _House:
    """One configuration's orchestrator and how many runs it has under way: the last one out closes it."""

    orchestrator: Orchestrator
    uses: int = 0
    retired: bool = False


@dataclass(slots=True)
class Running:
    """A run under way: its task in the event loop, so that it can be ended by its id."""

    run: Run
    task: asyncio.Task[object]
    house: _House


@dataclass(slots=True)
class Service:
    """The server's state. Make it with `Service.begun`."""

    config_dir: Path | None
    gate: ServerGate
    metrics: Metrics
    wiring: ServerWiring
    house: _House
    config: Config
    fingerprint: str
    conversations: Conversations = field(default_factory=Conversations)
    running: dict[str, Running] = field(default_factory=dict)
    config_fault: OrchError | None = None
    started_at: float = field(default_factory=time.time)
    url: str = ""

    @classmethod
    def begun(cls, config_dir: Path | None) -> Service:
        """A service for the configuration that stands there now. Raises ConfigError."""
        config = load(config_dir)
        gate, metrics = ServerGate(config), Metrics()
        wiring = ServerWiring(gate, metrics.ended)
        metrics.watch(gate)
        house = _House(Orchestrator(config=config, face="server", wiring=wiring))
        return cls(config_dir, gate, metrics, wiring, house, config, fingerprint(config.sources, config.notes, os.environ))

    @property
    def orchestrator(self) -> Orchestrator:
        """The newest configuration's."""
        return self.house.orchestrator

    # ---------------------------------------------------------------- runs

    def begin(self, task: Task, on_partial: OnPartial, face: str) -> Run:
        """A run on the newest configuration, which it keeps until it has `ended`."""
        house, current = self.house, asyncio.current_task()
        assert current is not None
        run = Run(task, house.orchestrator.runtime, on_partial, face)
        house.uses += 1
        self.running[run.run_id] = Running(run, current, house)
        return run

    async def ended(self, run: Run) -> None:
        """The run needs nothing any more; the last one of an older configuration closes it."""
        house = self.running.pop(run.run_id).house
        house.uses -= 1
        await self._close_if_done(house)

    def end(self, run_id: str, code: str) -> bool:
        """Ends a run as if its caller had been interrupted; whether there was one."""
        running = self.running.get(run_id)
        if running:
            running.task.cancel(code)
        return running is not None

    def flush(self) -> None:
        """Writes down what waits, before somebody reads the journal."""
        journal = self.orchestrator.runtime.journal
        assert isinstance(journal, BatchedJournal)
        journal.flush()

    def look_again(self) -> None:
        """The next request asks the providers what there is."""
        registry = self.orchestrator.runtime.registry
        assert isinstance(registry, KeptRegistry)
        registry.forget()

    # ---------------------------------------------------------------- the configuration

    async def reload(self) -> None:
        """Takes over what stands in the files now, whole, or keeps the last good one and says why."""
        try:
            config = await asyncio.to_thread(load, self.config_dir)
        except OrchError as fault:
            self.config_fault = fault
            return
        self.config_fault = None
        if config.hash == self.config.hash and config == self.config:
            return
        before, self.house = self.house, _House(Orchestrator(config=config, face="server", wiring=self.wiring))
        self.config, self.fingerprint = config, fingerprint(config.sources, config.notes, os.environ)
        self.gate.configure(config)
        before.retired = True
        # the index can be held once only; a run that is still to recall says that it answered without
        await self._memory_of(before).aclose()
        await self._close_if_done(before)

    async def _close_if_done(self, house: _House) -> None:
        if not house.retired or house.uses:
            return
        runtime = house.orchestrator.runtime
        for backend in runtime.backends.values():
            if not self.wiring.keeps(backend):
                await backend.aclose()
        await self._memory_of(house).aclose()
        runtime.reuse.cache.close()
        await asyncio.to_thread(runtime.journal.close)

    @staticmethod
    def _memory_of(house: _House) -> HeldMemory:
        memory = house.orchestrator.runtime.memory
        assert isinstance(memory, HeldMemory)
        return memory

    @property
    def memory(self) -> HeldMemory:
        """The newest configuration's memory, held open."""
        return self._memory_of(self.house)

    async def aclose(self) -> None:
        """Ends every run, as terminated, and closes everything."""
        tasks = [running.task for running in self.running.values()]
        for task in tasks:
            task.cancel("terminated")
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.memory.aclose()
        await self.orchestrator.aclose()
