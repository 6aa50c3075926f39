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

from orch.config.durations import duration_seconds
from orch.config.load import Config
from orch.providers.kinds import KINDS
from orch.routing.machine.admission import Evictions, SlotRequest
from orch.routing.registry import Inventory
from orch.server.scheduling.queue import (
    ProviderQueue,
    QueueEntry,
    QueueSnapshot,
    Urgency,
    choose_next,
    is_as_urgent,
    most_urgent_blocked,
    urgency,
)
from orch.server.scheduling.queue_status import queue_status
from orch.server.scheduling.refusals import queue_full, waited_in_vain
from orch.server.scheduling.residency import Residency
from orch.server.scheduling.told_slots import slots_told
from orch.server.scheduling.turns import TurnsInProgress
from orch.types import ModelKey, Reason


class Scheduler:
    """The Admission of `orch serve`. `clock` gives seconds; timeouts run on the event loop's own
    clock."""

    def __init__(self, config: Config, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._residency, self._turns = clock, Residency(), TurnsInProgress()
        self._queues: dict[str, ProviderQueue] = {}
        self._told_slots: dict[str, int] = {}
        # of all waiting entries, at any provider: True admits one, False is its timeout
        self._waiters: dict[QueueEntry, asyncio.Future[bool]] = {}
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Applies new limits; running and waiting requests stay, even those of a provider that was
        removed."""
        serve = config.routing.serve
        self._max_waiting = serve.queue
        self._overdue_s = float(duration_seconds(serve.most_wait))
        self._providers = config.models.providers
        self._slots = self._slots_now()
        active = {name: each for name, each in self._queues.items() if each.running or each.waiting}
        self._queues = active
        for name in {*active, *self._slots}:
            queue = self._queue_of(name)
            queue.slots = self._slots.get(name, queue.slots)
            queue.max_waiting, queue.overdue_s = self._max_waiting, self._overdue_s
        self._admit(self._queues.values())

    def _slots_now(self) -> dict[str, int]:
        """The slots of each provider: as models.yaml says, else as its server does, else the
        default of its kind."""
        return {
            name: provider.parallel or self._told_slots.get(name) or KINDS[provider.kind].slots
            for name, provider in self._providers.items()
        }

    def _queue_of(self, name: str) -> ProviderQueue:
        if name not in self._queues:
            self._queues[name] = ProviderQueue(
                name=name,
                slots=self._slots.get(name, KINDS["ollama"].slots),
                max_waiting=self._max_waiting,
                overdue_s=self._overdue_s,
            )
        return self._queues[name]

    # ---------------------------------------------------------------- Admission

    def observe(self, inventory: Inventory) -> None:
        """Updates which models are loaded and how many slots they have, and admits requests that
        fit now."""
        if not self._residency.observe(inventory):
            return
        told = slots_told(inventory.states)
        if told != self._told_slots:
            self._told_slots = told
            self._slots = self._slots_now()
            for name, queue in self._queues.items():
                queue.slots = self._slots.get(name, queue.slots)
        if self._waiters:
            self._admit(self._queues.values())

    def acquire(self, request: SlotRequest) -> AbstractAsyncContextManager[Evictions]:
        """Waits for a slot, and releases it at exit. Gives the models that have to be unloaded
        before the call. Raises ProviderError `busy` with `retry_after_s`."""
        return _Slot(self, request)

    def wait_reason(self, request: SlotRequest) -> Reason | None:
        """Why the model can't be loaded beside the models in use, if it can't."""
        return self._residency.shortage(self._residency.canonical_key(request.model), request)

    def in_use(self) -> frozenset[ModelKey]:
        """The models that admitted requests use."""
        return self._residency.in_use()

    # ---------------------------------------------------------------- turns

    def in_turn(self) -> frozenset[ModelKey]:
        """The models that hold the prompt of a turn in progress."""
        return self._residency.keys_of(self._turns.models(self._clock()))

    def end_step(self, session: str, *, goes_on: bool) -> None:
        """A step of a session's turn ended; the turn goes on if the answer has tool calls."""
        if goes_on:
            self._turns.renew(session, self._clock())
        elif self._turns.end(session) and self._waiters:
            self._admit(self._queues.values())

    def _is_held_back(self, entry: QueueEntry, now: float) -> bool:
        """Whether a chore would take the only slot of a model that holds the prompt of a turn."""
        request = entry.request
        if not request.chore:
            return False
        self._residency.in_turn = in_turn = self._turns.models(now)
        slots = request.slots or self._queue_of(entry.model.provider).slots
        return slots == 1 and entry.model in in_turn

    # ---------------------------------------------------------------- slots

    def enqueue(self, request: SlotRequest) -> QueueEntry:
        """An entry that is admitted at once, or one that waits. Raises ProviderError `busy` if the
        queue is full."""
        model, now = self._residency.canonical_key(request.model), self._clock()
        queue = self._queues.get(model[0]) or self._queue_of(model[0])
        entry = queue.create_entry(request, model, now)
        is_first = not self._waiters and not queue.is_full
        if is_first and not self._is_held_back(entry, now) and self._residency.fits(model, request):
            self._start(queue, entry, now)
        else:
            self._add_waiting(queue, entry)
        return entry

    def _add_waiting(self, queue: ProviderQueue, entry: QueueEntry) -> None:
        queue.waiting[entry] = None
        self._admit([queue])
        if entry in queue.waiting and len(queue.waiting) > queue.max_waiting:
            if (chore := queue.last_waiting_chore()) is None or entry.request.chore:
                queue.remove_waiting(entry)
                raise queue_full(queue, entry, self._has_free_slot(queue, entry))
            chore.is_displaced = True
            self._dismiss(chore)
        if entry in queue.waiting:
            self._waiters[entry] = asyncio.get_running_loop().create_future()

    async def wait_for_slot(self, entry: QueueEntry) -> None:
        """Waits until the entry is admitted. Raises ProviderError `busy` at its timeout."""
        waiter = self._waiters.get(entry)
        if waiter is None:
            return
        timer = asyncio.get_running_loop().call_later(
            entry.request.timeout_s, self._time_out, entry
        )
        try:
            is_admitted = await waiter
        except BaseException:
            self.release(entry)  # it may have been admitted at this very moment
            raise
        finally:
            timer.cancel()
        if not is_admitted:
            queue = self._queue_of(entry.model.provider)
            in_turn = self._is_held_back(entry, self._clock())
            has_free_slot = self._has_free_slot(queue, entry)
            raise waited_in_vain(queue, entry, has_free_slot, in_turn=in_turn)

    def _time_out(self, entry: QueueEntry) -> None:
        """Timeout: removes the entry and wakes the entries that it was blocking. A chore starts if
        the turn that it waited for was forgotten meanwhile."""
        if entry.request.chore:
            self._admit([self._queue_of(entry.model.provider)])
        if entry in self._waiters:
            self._dismiss(entry)

    def _dismiss(self, entry: QueueEntry) -> None:
        """Removes a waiting entry, which is then told that it waited in vain."""
        waiter = self._waiters[entry]
        self.release(entry)
        _resolve(waiter, False)

    def release(self, entry: QueueEntry) -> None:
        """Releases the slot or leaves the queue, then admits others."""
        queue = self._queue_of(entry.model[0])
        if entry in queue.running:
            queue.finish(entry, self._clock())
            self._residency.release(entry.model, entry.evictions)
            self._turns.renew(entry.request.session, self._clock())
        else:
            queue.remove_waiting(entry)
            self._waiters.pop(entry, None)
        if self._waiters:
            self._admit(self._sharing_memory(queue))

    def _start(self, queue: ProviderQueue, entry: QueueEntry, now: float) -> None:
        queue.start(entry, now)
        if entry.request.session:
            self._turns.go_on(entry.request.session, entry.model)
        entry.evictions = self._residency.acquire(entry.model, entry.request)
        waiter = self._waiters.pop(entry, None)
        if waiter is not None:
            _resolve(waiter, True)

    def _sharing_memory(self, queue: ProviderQueue) -> list[ProviderQueue]:
        """The queue, and those of providers that share the memory with it."""
        others = self._queues.values() if self._residency.is_local(queue.name) else ()
        local = (other for other in others if self._residency.is_local(other.name))
        return [queue, *(other for other in local if other is not queue)]

    def _has_free_slot(self, queue: ProviderQueue, entry: QueueEntry) -> bool:
        return not queue.is_full and not self._residency.fits(entry.model, entry.request)

    # ---------------------------------------------------------------- admitting

    def _admit(self, queues: Iterable[ProviderQueue]) -> None:
        """Admits every entry that can start. Each start affects the others, so all are examined
        again."""
        queues = list(queues)
        while any(self._admit_next(queue) for queue in queues):
            pass

    def _admit_next(self, queue: ProviderQueue) -> bool:
        if not queue.waiting or queue.is_full:
            return False
        now = self._clock()
        snapshot = queue.snapshot(now, self._residency.loaded())
        entry = choose_next(queue.waiting, snapshot, self._can_start(queue, snapshot))
        if entry is not None:
            self._start(queue, entry, now)
        return entry is not None

    def _can_start(
        self, queue: ProviderQueue, snapshot: QueueSnapshot
    ) -> Callable[[QueueEntry], bool]:
        """A predicate: whether an entry can start now, given the memory and any overdue entry that
        others must make room for."""
        is_local = self._residency.is_local(queue.name)
        first = self._most_urgent_blocked(snapshot.now) if is_local else None

        def can_start(entry: QueueEntry) -> bool:
            if self._is_held_back(entry, snapshot.now):
                return False
            if not self._residency.fits(entry.model, entry.request):
                return False
            return first is None or is_as_urgent(urgency(entry, snapshot), first[0])

        return can_start

    def _most_urgent_blocked(self, now: float) -> tuple[Urgency, QueueEntry] | None:
        """The overdue entry that does not fit: until it does, no less urgent one starts."""
        overdue = (queue for queue in self._queues.values() if queue.has_overdue(now))
        blocked = (
            most_urgent_blocked(queue.waiting, queue.snapshot(now, ()), self._is_blocked)
            for queue in overdue
            if self._residency.is_local(queue.name)
        )
        return min(filter(None, blocked), key=lambda each: each[0], default=None)

    def _is_blocked(self, entry: QueueEntry) -> bool:
        return self._residency.is_blocked(entry.model, entry.request)

    # ---------------------------------------------------------------- queries

    def is_needed(self, model: ModelKey) -> bool:
        """Whether a request uses the model or waits for it."""
        key = self._residency.canonical_key(model)
        queue = self._queues.get(key[0])
        return queue is not None and any(
            entry.model == key for entry in (*queue.running, *queue.waiting)
        )

    def has_waiting(self) -> bool:
        """Whether any request waits for a provider."""
        return bool(self._waiters)

    def waiting_count(self, provider: str) -> int:
        """The number of requests that wait for a provider."""
        queue = self._queues.get(provider)
        return len(queue.waiting) if queue else 0

    def running_count(self, provider: str) -> int:
        """The number of requests that a provider is serving."""
        queue = self._queues.get(provider)
        return len(queue.running) if queue else 0

    def status(self) -> dict[str, Any]:
        """JSON-able, without prompts: running requests, waiting ones in their predicted order with
        the reason, and memory."""
        now = self._clock()
        return {
            "providers": {
                name: self._queue_status(queue, now) for name, queue in sorted(self._queues.items())
            },
            "memory": self._residency.status(),
        }

    def _queue_status(self, queue: ProviderQueue, now: float) -> dict[str, Any]:
        held_back = {entry for entry in queue.waiting if self._is_held_back(entry, now)}
        is_local = queue.waiting and self._residency.is_local(queue.name)
        blocked = self._most_urgent_blocked(now) if is_local else None
        first = blocked[1] if blocked else None
        return queue_status(queue, now, self._residency, first, held_back)


class _Slot:
    """One request's slot. Written by hand: asynccontextmanager costs three times as much for each
    request."""

    __slots__ = ("_entry", "_request", "_scheduler")

    def __init__(self, scheduler: Scheduler, request: SlotRequest) -> None:
        self._scheduler, self._request = scheduler, request

    async def __aenter__(self) -> Evictions:
        self._entry = self._scheduler.enqueue(self._request)
        if self._scheduler._waiters:
            await self._scheduler.wait_for_slot(self._entry)
        return self._entry.evictions

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scheduler.release(self._entry)


def _resolve(waiter: asyncio.Future[bool], is_admitted: bool) -> None:
    """Resolves a waiting waiter. A cancelled one keeps its slot until it wakes up, and releases it
    then."""
    if not waiter.done():
        waiter.set_result(is_admitted)
