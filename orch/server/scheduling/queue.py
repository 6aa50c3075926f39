"""Picks the next queued request of a provider (pure: time, loaded models and eligibility are passed
in).

Order: kinds of work that are overdue; interactive before chores, these before batch; models in use,
then loaded, then cold ones (AABB, not ABAB); the client with the fewest running requests, then the
one served longest ago; first come.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from orch.routing.machine.admission import Evictions, SlotRequest
from orch.types import ModelKey

WorkKind = tuple[ModelKey, bool]
"""A model, and whether the work is batch: what can become overdue. One request of a waiting kind is
admitted every `overdue_s`.

Not the single request: under steady overload all of them are overdue, and first come, first served
is ABAB again.
"""
IN_USE, LOADED, COLD = 0, 1, 2
MIN_RETRY_S, MAX_RETRY_S = 1.0, 60.0
RECENT_WEIGHT = 0.2
"""Weight of the last service time in the moving average."""


@dataclass(slots=True, eq=False)
class QueueEntry:
    """One request at its provider. `number` is its order of arrival; `since` is when it arrived or
    was admitted, in seconds."""

    request: SlotRequest
    model: ModelKey
    number: int
    since: float
    evictions: Evictions = ()
    """Set when it is admitted: the models to unload before its call."""
    is_displaced: bool = False
    """Whether a person's request took its place in the queue."""


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """The input of a choice. `warmth` by model (missing: COLD); `running` requests by client.

    While others waited, clients were last `served` at that order number, and kinds were last
    `admitted` at that time.
    """

    now: float
    overdue_s: float
    warmth: Mapping[ModelKey, int] = field(default_factory=dict)
    running: Mapping[str, int] = field(default_factory=dict)
    served: Mapping[str, int] = field(default_factory=dict)
    admitted: Mapping[WorkKind, float] = field(default_factory=dict)


Urgency = tuple[float, int]
"""The smaller, the longer a kind has been overdue."""


def urgency(entry: QueueEntry, snapshot: QueueSnapshot) -> Urgency | None:
    """How urgent an entry is; None if it is not overdue. Batch counts as arrived `overdue_s`
    later, and a chore is never overdue."""
    latest = snapshot.now - snapshot.overdue_s
    if entry.since > latest or entry.request.chore:
        return None
    batch = entry.request.batch
    overdue_since = max(entry.since, snapshot.admitted.get((entry.model, batch), entry.since))
    if overdue_since > latest:
        return None
    return overdue_since + (snapshot.overdue_s if batch else 0.0), entry.number


def is_as_urgent(one: Urgency | None, other: Urgency) -> bool:
    """Whether one may go before the other, which is overdue."""
    return one is not None and one <= other


def order_key(entry: QueueEntry, snapshot: QueueSnapshot, before: int = 0) -> tuple[float, ...]:
    """Sort key; the smallest goes first. `before` is how many entries of its client precede it in a
    predicted order."""
    overdue = urgency(entry, snapshot)
    if overdue:
        return 0, *overdue
    client = entry.request.client
    # a client that was never served counts from its arrival and can't overtake one that waits
    served = max(snapshot.served.get(client, 0), entry.number)
    return (
        1,
        _rank(entry.request),
        snapshot.warmth.get(entry.model, COLD),
        snapshot.running.get(client, 0) + before,
        served,
        entry.number,
    )


def _rank(request: SlotRequest) -> int:
    """Interactive requests first, then chores, then batch."""
    return 2 if request.batch else int(request.chore)


def choose_next(
    waiting: Iterable[QueueEntry], snapshot: QueueSnapshot, can_start: Callable[[QueueEntry], bool]
) -> QueueEntry | None:
    """The waiting entry to admit now, given the entries in order of arrival; None if none can
    start."""
    candidates: dict[tuple[str, int, ModelKey], QueueEntry] = {}
    for entry in waiting:
        request = entry.request
        candidates.setdefault((request.client, _rank(request), entry.model), entry)
    startable = filter(can_start, candidates.values())
    return min(startable, key=lambda entry: order_key(entry, snapshot), default=None)


def predict_order(waiting: Iterable[QueueEntry], snapshot: QueueSnapshot) -> list[QueueEntry]:
    """The waiting entries in the order of admission if no more arrive and memory allows: the
    clients of a group take turns."""
    before: Counter[tuple[str, tuple[float, ...]]] = Counter()
    order = []
    for entry in sorted(waiting, key=lambda entry: order_key(entry, snapshot)):
        group = entry.request.client, order_key(entry, snapshot)[:3]
        order.append((order_key(entry, snapshot, before[group]), entry))
        before[group] += 1
    return [entry for _, entry in sorted(order, key=lambda pair: pair[0])]


def most_urgent_blocked(
    waiting: Iterable[QueueEntry], snapshot: QueueSnapshot, is_blocked: Callable[[QueueEntry], bool]
) -> tuple[Urgency, QueueEntry] | None:
    """The most urgent entry that is blocked, for which others must make room; None if there is
    none."""
    urgencies = ((urgency(entry, snapshot), entry) for entry in waiting)
    overdue = ((each, entry) for each, entry in urgencies if each and is_blocked(entry))
    return min(overdue, key=lambda pair: pair[0], default=None)


@dataclass(slots=True, kw_only=True)
class ProviderQueue:
    """One provider: running and waiting requests, and its limits."""

    name: str
    slots: int
    max_waiting: int
    overdue_s: float
    running: dict[QueueEntry, None] = field(default_factory=dict)
    waiting: dict[QueueEntry, None] = field(default_factory=dict)
    """In order of arrival."""
    last: ModelKey | None = None
    """The model admitted last: the best guess of what is loaded at a provider that does not report
    it."""
    _order: int = 0
    """Counts arrivals and admissions, which gives their order."""
    _served: dict[str, int] = field(default_factory=dict)
    _admitted: dict[WorkKind, float] = field(default_factory=dict)
    _service_s: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether no slot is free."""
        return len(self.running) >= self.slots

    def create_entry(self, request: SlotRequest, model: ModelKey, now: float) -> QueueEntry:
        """An entry for a request, neither waiting nor running yet."""
        self._order += 1
        return QueueEntry(request, model, self._order, now)

    def start(self, entry: QueueEntry, now: float) -> None:
        """Admits an entry. Forgets who was served once nobody waits: a later arrival counts from
        then."""
        if self.waiting:
            self._order += 1
            self._served[entry.request.client] = self._order
            self._admitted[entry.model, entry.request.batch] = now
            self.remove_waiting(entry)
        entry.since = now
        self.running[entry] = None
        self.last = entry.model

    def remove_waiting(self, entry: QueueEntry) -> None:
        """Removes an entry from those waiting, if it is among them."""
        self.waiting.pop(entry, None)
        if not self.waiting:
            self._served.clear()
            self._admitted.clear()

    def last_waiting_chore(self) -> QueueEntry | None:
        """The chore that came last of those waiting."""
        return next((each for each in reversed(self.waiting) if each.request.chore), None)

    def finish(self, entry: QueueEntry, now: float) -> None:
        """Releases an entry's slot."""
        del self.running[entry]
        service_s = now - entry.since
        before_s = service_s if self._service_s is None else self._service_s
        self._service_s = before_s + RECENT_WEIGHT * (service_s - before_s)

    def snapshot(self, now: float, loaded: Iterable[ModelKey]) -> QueueSnapshot:
        """The queue at this time, given the models that are loaded anywhere."""
        warmth = dict.fromkeys(loaded, LOADED)
        if self.last:
            warmth[self.last] = LOADED
        warmth |= dict.fromkeys((entry.model for entry in self.running), IN_USE)
        running = Counter(entry.request.client for entry in self.running)
        return QueueSnapshot(now, self.overdue_s, warmth, running, self._served, self._admitted)

    def has_overdue(self, now: float) -> bool:
        """Whether an entry may be overdue: cheap; False is always right."""
        return bool(self.waiting) and next(iter(self.waiting)).since <= now - self.overdue_s

    def retry_after_s(self) -> float:
        """Whole seconds until a new arrival would be admitted: recent service times by position and
        slots."""
        estimate = (self._service_s or 0.0) * (len(self.waiting) + 1) / self.slots
        return min(max(float(math.ceil(estimate)), MIN_RETRY_S), MAX_RETRY_S)
