"""A waiting room for tests: a ServerGate whose clock is set by hand, and requests that stay inside
until they are told to go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from orch.config.load import Config, config_from_data
from orch.config.spec import ModelSpec
from orch.errors import ProviderError
from orch.routing.admission import SlotRequest
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.server.scheduling.scheduler import Scheduler

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


def survey(*resident: str, budget: float | None = 12) -> Inventory:
    """What is loaded at the Ollama; embed:1 only embeds."""
    states = [state(name, resident=name in resident) for name in SIZES]
    far = ModelState(ModelSpec(id="far", provider="far"), local=False)
    here = ModelState(ModelSpec(id="here", provider="here"))
    return Inventory((*states, far, here), {}, None if budget is None else int(budget * 1e9))


def state(name: str, *, resident: bool = False, size: float = 0) -> ModelState:
    """A model of the Ollama as a survey tells it."""
    capabilities = frozenset({"embedding"} if name == "embed:1" else {"completion"})
    measured = int((size or SIZES[name]) * 1e9) if resident else 0
    return ModelState(
        ModelSpec(id=name), resident=resident, resident_bytes=measured, capabilities=capabilities
    )


class Hall:
    """A gate with a clock that is set by hand, and requests that stay inside until they are told to
    go."""

    def __init__(self, config: Config, seen: Inventory | None = None) -> None:
        self.now = 0.0
        self.gate = Scheduler(config, clock=lambda: self.now)
        if seen:
            self.gate.observe(seen)
        self.order: list[str] = []
        self.inside: list[str] = []
        self.refused: dict[str, ProviderError] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._done: dict[str, asyncio.Event] = {}

    def ask(self, name: str, model: str = "a:8b", provider: str = "ollama", **more: Any) -> None:
        """A request begins."""
        more.setdefault("footprint_bytes", int(SIZES.get(model, 0) * 1e9))
        ticket = SlotRequest(name, (provider, model), **more)
        self._done[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._run(name, ticket))

    async def _run(self, name: str, ticket: SlotRequest) -> None:
        try:
            await self._stay(name, ticket)
        except ProviderError as error:
            self.refused[name] = error

    async def _stay(self, name: str, ticket: SlotRequest) -> None:
        async with self.gate.acquire(ticket):
            self.order.append(name)
            self.inside.append(name)
            try:
                await self._done[name].wait()
            finally:
                self.inside.remove(name)

    async def asked(self, *names: str, **more: Any) -> None:
        """Requests whose first letter is their model's, one after the other."""
        for name in names:
            self.ask(
                name,
                model=next(model for model in SIZES if model.startswith(name[0].lower())),
                **more,
            )
        await settle()

    def finish(self, name: str) -> None:
        """One that is inside goes."""
        self._done[name].set()

    async def drain(self, seconds: float = 0.0) -> list[str]:
        """Lets whoever is inside go, the first first, each after so many seconds, until nobody is;
        the order in which all got in."""
        while self.inside:
            self.now += seconds
            self.finish(self.inside[0])
            await settle()
        return self.order


async def settle() -> None:
    """Every task goes as far as it can."""
    for _ in range(4):
        await asyncio.sleep(0)


def waiting_in(hall: Hall, provider: str = "ollama") -> list[dict[str, Any]]:
    """Who waits, as /orch/health shows it."""
    found: list[dict[str, Any]] = hall.gate.status()["providers"][provider]["waiting"]
    return found
