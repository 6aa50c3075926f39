"""A Scheduler with a manual clock, and requests that hold their slot until they are finished."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from orch.config.load import Config, config_from_data
from orch.config.spec import ModelSpec
from orch.errors import ProviderError
from orch.routing.machine.admission import SlotRequest
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.routing.wording import reason_text
from orch.server.scheduling.scheduler import Scheduler
from orch.types import ModelKey

SIZES = {"a:8b": 5, "b:8b": 6, "large:14b": 10, "embed:1": 1}
"""GB of each model."""


def config(parallel: int | None = 1, queue: int = 64, most_wait: str = "30s") -> Config:
    """One local Ollama, a second local provider, and a remote one."""
    providers: dict[str, Any] = {
        "ollama": {"kind": "ollama", "base_url": "http://127.0.0.1:1", "parallel": parallel},
        "here": {"kind": "llamacpp"},
        "far": {"kind": "openai", "base_url": "https://far.example/v1", "parallel": parallel},
    }
    loaded = config_from_data({"providers": providers}, None)
    serve = replace(loaded.routing.serve, queue=queue, most_wait=most_wait)
    return replace(loaded, routing=replace(loaded.routing, serve=serve))


def inventory(*resident: str, budget: float | None = 12) -> Inventory:
    """An inventory with these models loaded; embed:1 only embeds."""
    states = [state(name, resident=name in resident) for name in SIZES]
    far = ModelState(ModelSpec(id="far", provider="far"), local=False)
    here = ModelState(ModelSpec(id="here", provider="here"))
    return Inventory((*states, far, here), {}, None if budget is None else int(budget * 1e9))


def state(name: str, *, resident: bool = False, size: float = 0) -> ModelState:
    """A model of the Ollama in an inventory."""
    capabilities = frozenset({"embedding"} if name == "embed:1" else {"completion"})
    measured = int((size or SIZES[name]) * 1e9) if resident else 0
    return ModelState(
        ModelSpec(id=name), resident=resident, resident_bytes=measured, capabilities=capabilities
    )


class SchedulerHarness:
    """A scheduler with a manual clock; a request holds its slot until it is finished."""

    def __init__(self, config: Config, first: Inventory | None = None) -> None:
        self.now = 0.0
        self.scheduler = Scheduler(config, clock=lambda: self.now)
        if first:
            self.scheduler.observe(first)
        self.order: list[str] = []
        self.admitted: list[str] = []
        self.refused: dict[str, ProviderError] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._done: dict[str, asyncio.Event] = {}

    def wait_text(self, request: SlotRequest) -> str:
        """Why the request's model can't be loaded now; empty if it can."""
        reason = self.scheduler.wait_reason(request)
        return reason_text([reason]) if reason else ""

    def submit(self, name: str, model: str = "a:8b", provider: str = "ollama", **more: Any) -> None:
        """Starts a request."""
        more.setdefault("footprint_bytes", int(SIZES.get(model, 0) * 1e9))
        request = SlotRequest(name, ModelKey(provider, model), **more)
        self._done[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._run(name, request))

    async def _run(self, name: str, request: SlotRequest) -> None:
        try:
            await self._hold_slot(name, request)
        except ProviderError as error:
            self.refused[name] = error

    async def _hold_slot(self, name: str, request: SlotRequest) -> None:
        async with self.scheduler.acquire(request):
            self.order.append(name)
            self.admitted.append(name)
            try:
                await self._done[name].wait()
            finally:
                self.admitted.remove(name)

    async def submit_all(self, *names: str, **more: Any) -> None:
        """Starts requests in order; the first letter of a name selects the model."""
        for name in names:
            self.submit(
                name,
                model=next(model for model in SIZES if model.startswith(name[0].lower())),
                **more,
            )
        await settle()

    def finish(self, name: str) -> None:
        """Ends a request that holds a slot."""
        self._done[name].set()

    async def drain(self, seconds: float = 0.0) -> list[str]:
        """Finishes admitted requests one by one, each after so many seconds, until none is left.
        Returns the order of admission."""
        while self.admitted:
            self.now += seconds
            self.finish(self.admitted[0])
            await settle()
        return self.order


async def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(4):
        await asyncio.sleep(0)


def waiting_in(harness: SchedulerHarness, provider: str = "ollama") -> list[dict[str, Any]]:
    """The waiting requests, as /orch/health shows them."""
    waiting: list[dict[str, Any]] = harness.scheduler.status()["providers"][provider]["waiting"]
    return waiting
