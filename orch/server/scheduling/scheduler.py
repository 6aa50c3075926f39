"""Schedules model calls: admits requests to a provider as its slots and the memory allow, and
queues the others.

Everything runs on one event loop, and nothing else runs between two awaits: there are no locks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

from orch.config.load import Config
from orch.config.spec import duration_seconds
from orch.errors import ProviderError
from orch.providers.kinds import KINDS
from orch.routing.admission import SlotRequest
from orch.routing.registry import Inventory
from orch.server.scheduling.queue import (
    ProviderQueue,
    QueueEntry,
    QueueSnapshot,
    Urgency,
    choose_next,
    most_urgent_blocked,
    predict_order,
    urgency,
)
from orch.server.scheduling.residency import Residency
from orch.types import ModelKey


class Scheduler:
    """The Admission of `orch serve`. `clock` gives seconds; timeouts run on the event loop's own
    clock."""

    def __init__(self, config: Config, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._memory = clock, Residency()
        self._lanes: dict[str, ProviderQueue] = {}
        self._calls: dict[
            QueueEntry, asyncio.Future[bool]
        ] = {}  # of all that wait, at any provider: true calls in, false sends away
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Applies new limits; running and waiting requests stay, even those of a provider that was
        removed."""
        serve = config.routing.serve
        self._queue, self._most_wait_s = serve.queue, float(duration_seconds(serve.most_wait))
        self._parallel = {
            name: provider.parallel or KINDS[provider.kind].slots
            for name, provider in config.models.providers.items()
        }
        self._lanes = {
            name: lane for name, lane in self._lanes.items() if lane.running or lane.waiting
        }
        for name in {*self._lanes, *self._parallel}:
            lane = self._lane(name)
            lane.parallel, lane.queue, lane.most_wait_s = (
                self._parallel.get(name, lane.parallel),
                self._queue,
                self._most_wait_s,
            )
        self._let_in(self._lanes.values())

    def _lane(self, name: str) -> ProviderQueue:
        if name not in self._lanes:
            parallel = self._parallel.get(name, KINDS["ollama"].slots)
            self._lanes[name] = ProviderQueue(
                name=name, parallel=parallel, queue=self._queue, most_wait_s=self._most_wait_s
            )
        return self._lanes[name]

    # ---------------------------------------------------------------- the Gate

    def observe(self, survey: Inventory) -> None:
        """Updates which models are loaded, and admits requests that fit now."""
        if self._memory.observe(survey) and self._calls:
            self._let_in(self._lanes.values())

    def acquire(self, ticket: SlotRequest) -> AbstractAsyncContextManager[None]:
        """Waits for a slot, and releases it at exit. Raises ProviderError `busy` with
        `retry_after_s`."""
        return _Turn(self, ticket)

    def wait_reason(self, ticket: SlotRequest) -> str:
        """Why the model can't be loaded beside the models in use; empty if it can."""
        return self._memory.shortage(self._memory.canonical_key(ticket.model), ticket)

    # ---------------------------------------------------------------- coming and going

    def enqueue(self, ticket: SlotRequest) -> QueueEntry:
        """An entry that is admitted at once, or one that waits. Raises ProviderError `busy` if the
        queue is full."""
        model, now = self._memory.canonical_key(ticket.model), self._clock()
        lane = self._lanes.get(model[0]) or self._lane(model[0])
        place = lane.create_entry(ticket, model, now)
        if not self._calls and not lane.is_full and self._memory.fits(model, ticket):
            self._start(lane, place, now)
        else:
            self._queue_up(lane, place)
        return place

    def _queue_up(self, lane: ProviderQueue, place: QueueEntry) -> None:
        lane.waiting[place] = None
        self._let_in([lane])
        if place in lane.waiting and len(lane.waiting) > lane.queue:
            lane.remove_waiting(place)
            raise self._busy(lane, place, self._crowd(lane))
        if place in lane.waiting:
            self._calls[place] = asyncio.get_running_loop().create_future()

    async def wait_for_slot(self, place: QueueEntry) -> None:
        """Waits until the entry is admitted. Raises ProviderError `busy` at its timeout."""
        call = self._calls.get(place)
        if call is None:
            return
        timer = asyncio.get_running_loop().call_later(place.ticket.timeout_s, self._tire, place)
        try:
            is_in = await call
        except BaseException:
            self.release(place)  # it may have been called at this very moment
            raise
        finally:
            timer.cancel()
        if not is_in:
            raise self._busy(
                self._lane(place.model[0]),
                place,
                f"waited {place.ticket.timeout_s:g} s for {place.model[0]} in vain",
            )

    def _tire(self, place: QueueEntry) -> None:
        """Timeout: removes the entry and wakes the entries that it was blocking."""
        call = self._calls.get(place)
        if call is not None:
            self.release(place)
            _answer(call, False)

    def release(self, place: QueueEntry) -> None:
        """Releases the slot or leaves the queue, then admits others."""
        lane = self._lane(place.model[0])
        if place in lane.running:
            lane.finish(place, self._clock())
            self._memory.release(place.model)
        else:
            lane.remove_waiting(place)
            self._calls.pop(place, None)
        if self._calls:
            self._let_in(self._sharing(lane))

    def _start(self, lane: ProviderQueue, place: QueueEntry, now: float) -> None:
        lane.start(place, now)
        self._memory.acquire(place.model, place.ticket)
        call = self._calls.pop(place, None)
        if call is not None:
            _answer(call, True)

    def _sharing(self, lane: ProviderQueue) -> list[ProviderQueue]:
        """The queue, and those of providers that share the memory with it."""
        others = self._lanes.values() if self._memory.is_local(lane.name) else ()
        return [
            lane,
            *(other for other in others if other is not lane and self._memory.is_local(other.name)),
        ]

    def _crowd(self, lane: ProviderQueue) -> str:
        waiting = len(lane.waiting)
        if not waiting:
            return f"{lane.name} is at work, and none may wait for it"
        return (
            f"{waiting} requests wait for {lane.name} already"
            if waiting > 1
            else f"a request waits for {lane.name} already"
        )

    def _busy(self, lane: ProviderQueue, place: QueueEntry, message: str) -> ProviderError:
        has_free_slot = not lane.is_full and not self._memory.fits(place.model, place.ticket)
        return ProviderError(
            "busy", message, retry_after_s=lane.retry_after_s(), has_free_slot=has_free_slot
        )

    # ---------------------------------------------------------------- letting in

    def _let_in(self, lanes: Iterable[ProviderQueue]) -> None:
        """Admits every entry that can start. Each start affects the others, so all are examined
        again."""
        lanes = list(lanes)
        while any(self._let_one_in(lane) for lane in lanes):
            pass

    def _let_one_in(self, lane: ProviderQueue) -> bool:
        if not lane.waiting or lane.is_full:
            return False
        now = self._clock()
        scene = lane.snapshot(now, self._memory.loaded())
        place = choose_next(lane.waiting, scene, self._able(lane, scene))
        if place is not None:
            self._start(lane, place, now)
        return place is not None

    def _able(self, lane: ProviderQueue, scene: QueueSnapshot) -> Callable[[QueueEntry], bool]:
        """A predicate: whether an entry can start now, given the memory and any overdue entry that
        others must make room for."""
        first = self._makes_room_for(scene.now) if self._memory.is_local(lane.name) else None

        def able(place: QueueEntry) -> bool:
            return self._memory.fits(place.model, place.ticket) and (
                first is None or _goes_before(urgency(place, scene), first[0])
            )

        return able

    def _makes_room_for(self, now: float) -> tuple[Urgency, QueueEntry] | None:
        """The overdue entry that does not fit: until it does, no less urgent one starts."""
        lanes = [
            lane
            for lane in self._lanes.values()
            if lane.has_overdue(now) and self._memory.is_local(lane.name)
        ]
        found = [
            most_urgent_blocked(lane.waiting, lane.snapshot(now, ()), self._is_stuck)
            for lane in lanes
        ]
        return min((each for each in found if each), key=lambda each: each[0], default=None)

    def _is_stuck(self, place: QueueEntry) -> bool:
        return self._memory.is_blocked(place.model, place.ticket)

    # ---------------------------------------------------------------- what is asked

    def is_needed(self, model: ModelKey) -> bool:
        """Whether a request uses the model or waits for it."""
        key = self._memory.canonical_key(model)
        lane = self._lanes.get(key[0])
        return lane is not None and any(
            place.model == key for place in (*lane.running, *lane.waiting)
        )

    # ---------------------------------------------------------------- what /orch/health shows

    def waiting_count(self, provider: str) -> int:
        """The number of requests that wait for a provider."""
        lane = self._lanes.get(provider)
        return len(lane.waiting) if lane else 0

    def running_count(self, provider: str) -> int:
        """The number of requests that a provider is serving."""
        lane = self._lanes.get(provider)
        return len(lane.running) if lane else 0

    def status(self) -> dict[str, Any]:
        """JSON-able, without prompts: running requests, waiting ones in their predicted order with
        the reason, and memory."""
        now = self._clock()
        return {
            "providers": {
                name: self._lane_status(lane, now) for name, lane in sorted(self._lanes.items())
            },
            "memory": self._memory.status(),
        }

    def _lane_status(self, lane: ProviderQueue, now: float) -> dict[str, Any]:
        line = predict_order(lane.waiting, lane.snapshot(now, self._memory.loaded()))
        first = self._makes_room_for(now) if line and self._memory.is_local(lane.name) else None
        return {
            "parallel": lane.parallel,
            "queue_bound": lane.queue,
            "running": [
                {**_who(place), "for_s": round(now - place.since, 1)} for place in lane.running
            ],
            "waiting": [
                {
                    "position": position,
                    **_who(place),
                    "priority": "batch" if place.ticket.batch else "interactive",
                    "waited_s": round(now - place.since, 1),
                    "reason": self._reason(lane, place, first),
                }
                for position, place in enumerate(line, 1)
            ],
        }

    def _reason(
        self, lane: ProviderQueue, place: QueueEntry, first: tuple[Urgency, QueueEntry] | None
    ) -> str:
        lack = self._memory.shortage(place.model, place.ticket)
        if lack or lane.is_full:
            return lack or (
                "its place is taken"
                if lane.parallel == 1
                else f"its {lane.parallel} places are taken"
            )
        return (
            f"{first[1].ticket.model[1]} was passed over for too long and goes first"
            if first
            else "it is about to start"
        )


class _Turn:
    """One request's slot. Written by hand: asynccontextmanager costs three times as much for each
    request."""

    __slots__ = ("_gate", "_place", "_ticket")

    def __init__(self, gate: Scheduler, ticket: SlotRequest) -> None:
        self._gate, self._ticket = gate, ticket

    async def __aenter__(self) -> None:
        self._place = self._gate.enqueue(self._ticket)
        if self._gate._calls:
            await self._gate.wait_for_slot(self._place)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._gate.release(self._place)


def _answer(call: asyncio.Future[bool], is_in: bool) -> None:
    """Resolves a waiting call. A cancelled one keeps its slot until it wakes up, and releases it
    then."""
    if not call.done():
        call.set_result(is_in)


def _who(place: QueueEntry) -> dict[str, Any]:
    return {
        "run_id": place.ticket.run_id,
        "model": place.ticket.model[1],
        "client": place.ticket.client,
    }


def _goes_before(mine: Urgency | None, others: Urgency) -> bool:
    return mine is not None and mine <= others
