"""Whatever happens to the queue, in whatever order: places and memory suffice for who is in, and everyone gets in who stays."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.hall import SIZES, Hall, config, settle, survey


class Chaos:
    """Random requests, ends, cancellations, surveys and new limits, often several before any task can react."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.hall = Hall(config(parallel=2, queue=12), survey())
        self.parallel, self.asked = 2, 0
        self.running: dict[str, int] = {}

    async def run(self, steps: int) -> None:
        """So many deeds; what must hold is looked at after each."""
        for _ in range(steps):
            deed = self.random.choices([self.come, self.end, self.cancel, self.wait, self.look, self.reload], [10, 8, 3, 3, 2, 0.3])[0]
            deed()
            if self.random.random() < 0.6:
                await settle()
                assert len(self.hall.inside) == sum(map(self.hall.gate.running, ("ollama", "far")))
            self.check()

    def come(self) -> None:
        self.asked += 1
        provider, model = self.random.choice([("ollama", name) for name in SIZES] + [("far", "far"), ("far", "farther")])
        client, batch = self.random.choice("xyz"), self.random.random() < 0.3
        self.hall.ask(str(self.asked), model, provider, client=client, batch=batch, embeds=model == "embed:1")

    def end(self) -> None:
        if self.hall.inside:
            self.hall.finish(self.random.choice(self.hall.inside))

    def cancel(self) -> None:
        living = [task for task in self.hall.tasks.values() if not task.done()]
        if living:
            self.random.choice(living).cancel()

    def wait(self) -> None:
        self.hall.now += self.random.choice([0.1, 5, 40])

    def look(self) -> None:
        """A survey of what is there, but for idle models that were let go."""
        known = self.hall.gate.status()["memory"]["resident"]
        there = [model["model"] for model in known if model["in_use"] or self.random.random() < 0.7]
        self.hall.gate.saw(survey(*there))

    def reload(self) -> None:
        self.parallel = self.random.choice([1, 2, 4])
        self.hall.gate.configure(CONFIGS[self.parallel])

    def check(self) -> None:
        """Places and memory suffice for those who are in, and whoever waits has a reason."""
        status = self.hall.gate.status()
        assert status["memory"]["in_use_gb"] <= 12
        assert sum(model["gb"] for model in status["memory"]["resident"]) <= 12
        for name, lane in status["providers"].items():
            most, self.running[name] = max(self.parallel, self.running.get(name, 0)), len(lane["running"])
            assert self.running[name] <= most  # fewer places than before: who is in may stay
            assert all(place["reason"] != "it is about to start" for place in lane["waiting"])

    async def close(self) -> None:
        """All that are left get in, once idle models are let go now and then; then every place is free."""
        gate, left = self.hall.gate, {name for name, task in self.hall.tasks.items() if not task.done()}
        await settle()
        while self.hall.inside or gate.waiting("ollama") or gate.waiting("far"):
            await self.hall.drain(1)
            gate.saw(survey())
            await settle()
        cancelled = {name for name in left if self.hall.tasks[name].cancelled()}
        assert left - cancelled - self.hall.refused.keys() <= set(self.hall.order)
        assert (gate.running("ollama"), gate.running("far"), gate._calls) == (0, 0, {})
        before = len(self.hall.order)
        await self.hall.asked(*(f"a-{n}" for n in range(self.parallel)))
        assert len(self.hall.order) == before + self.parallel
        await self.hall.drain()


CONFIGS = {parallel: config(parallel=parallel, queue=12) for parallel in (1, 2, 4)}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_happens_no_place_is_lost_and_nobody_starves(seed: int) -> None:
    async def all_of_it() -> None:
        chaos = Chaos(seed)
        await chaos.run(250)
        await chaos.close()

    asyncio.run(all_of_it())
