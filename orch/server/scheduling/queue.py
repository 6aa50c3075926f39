"""Picks the next queued request of a provider (pure: time, loaded models and eligibility are passed
in).

Order: kinds of work that are overdue; interactive before batch; models in use, then loaded, then
cold ones (AABB, not ABAB); the client with the fewest running requests, then the one served longest
ago; first come.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from orch.routing.admission import SlotRequest
from orch.types import ModelKey

WorkKind = tuple[ModelKey, bool]
"""A model, and whether the work is batch: what can become overdue. One request of a waiting kind is
admitted every `most_wait_s`.

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

    ticket: SlotRequest
    model: ModelKey
    number: int
    since: float


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """The input of a choice. `warmth` by model (missing: COLD); `running` requests by client.

    While others waited, clients were last `served` at that order number, and kinds were last
    `let_in` at that time.
    """

    now: float
    most_wait_s: float
    warmth: Mapping[ModelKey, int] = field(default_factory=dict)
    running: Mapping[str, int] = field(default_factory=dict)
    served: Mapping[str, int] = field(default_factory=dict)
    let_in: Mapping[WorkKind, float] = field(default_factory=dict)


Urgency = tuple[float, int]
"""The smaller, the longer a kind has been overdue."""


def urgency(place: QueueEntry, scene: QueueSnapshot) -> Urgency | None:
    """How urgent an entry is; None if it is not overdue. Batch counts as arrived `most_wait_s`
    later."""
    latest = scene.now - scene.most_wait_s
    if place.since > latest:
        return None
    batch = place.ticket.batch
    passed_over_since = max(place.since, scene.let_in.get((place.model, batch), place.since))
    if passed_over_since > latest:
        return None
    return passed_over_since + (scene.most_wait_s if batch else 0.0), place.number


def order_key(place: QueueEntry, scene: QueueSnapshot, before: int = 0) -> tuple[float, ...]:
    """Sort key; the smallest goes first. `before` is how many entries of its client precede it in a
    predicted order."""
    pressing = urgency(place, scene)
    if pressing:
        return 0, *pressing
    client = place.ticket.client
    # a client that was never served does not pass one that waits: it counts from its coming
    turn = max(scene.served.get(client, 0), place.number)
    return (
        1,
        place.ticket.batch,
        scene.warmth.get(place.model, COLD),
        scene.running.get(client, 0) + before,
        turn,
        place.number,
    )


def choose_next(
    waiting: Iterable[QueueEntry], scene: QueueSnapshot, able: Callable[[QueueEntry], bool]
) -> QueueEntry | None:
    """The waiting entry to admit now, given the entries in order of arrival; None if none can
    start."""
    heads: dict[tuple[str, bool, ModelKey], QueueEntry] = {}
    for place in waiting:
        heads.setdefault((place.ticket.client, place.ticket.batch, place.model), place)
    return min(
        filter(able, heads.values()), key=lambda place: order_key(place, scene), default=None
    )


def predict_order(waiting: Iterable[QueueEntry], scene: QueueSnapshot) -> list[QueueEntry]:
    """The waiting entries in the order of admission if no more arrive and memory allows: the
    clients of a group take turns."""
    before: Counter[tuple[str, tuple[float, ...]]] = Counter()
    line = []
    for place in sorted(waiting, key=lambda place: order_key(place, scene)):
        group = place.ticket.client, order_key(place, scene)[:3]
        line.append((order_key(place, scene, before[group]), place))
        before[group] += 1
    return [place for _, place in sorted(line, key=lambda pair: pair[0])]


def most_urgent_blocked(
    waiting: Iterable[QueueEntry], scene: QueueSnapshot, stuck: Callable[[QueueEntry], bool]
) -> tuple[Urgency, QueueEntry] | None:
    """The most urgent entry that is blocked, for which others must make room; None if there is
    none."""
    pressing = [(at, place) for place in waiting if (at := urgency(place, scene)) and stuck(place)]
    return min(pressing, key=lambda pair: pair[0], default=None)


@dataclass(slots=True, kw_only=True)
class ProviderQueue:
    """One provider: running and waiting requests, and its limits."""

    name: str
    parallel: int
    queue: int
    most_wait_s: float
    running: dict[QueueEntry, None] = field(default_factory=dict)
    waiting: dict[QueueEntry, None] = field(default_factory=dict)
    """In order of arrival."""
    last: ModelKey | None = None
    """The model admitted last: the best guess of what is loaded at a provider that does not report
    it."""
    _turns: int = 0
    """Counts arrivals and admissions, which gives their order."""
    _served: dict[str, int] = field(default_factory=dict)
    _let_in: dict[WorkKind, float] = field(default_factory=dict)
    _service_s: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether no slot is free."""
        return len(self.running) >= self.parallel

    def create_entry(self, ticket: SlotRequest, model: ModelKey, now: float) -> QueueEntry:
        """An entry for a request, neither waiting nor running yet."""
        self._turns += 1
        return QueueEntry(ticket, model, self._turns, now)

    def start(self, place: QueueEntry, now: float) -> None:
        """Admits an entry. Forgets who was served once nobody waits: a later arrival counts from
        then."""
        if self.waiting:
            self._turns += 1
            self._served[place.ticket.client] = self._turns
            self._let_in[place.model, place.ticket.batch] = now
            self.remove_waiting(place)
        place.since = now
        self.running[place] = None
        self.last = place.model

    def remove_waiting(self, place: QueueEntry) -> None:
        """Removes an entry from those waiting, if it is among them."""
        self.waiting.pop(place, None)
        if not self.waiting:
            self._served.clear()
            self._let_in.clear()

    def finish(self, place: QueueEntry, now: float) -> None:
        """Releases an entry's slot."""
        del self.running[place]
        took_s = now - place.since
        self._service_s = (
            took_s
            if self._service_s is None
            else self._service_s + RECENT_WEIGHT * (took_s - self._service_s)
        )

    def snapshot(self, now: float, loaded: Iterable[ModelKey]) -> QueueSnapshot:
        """The queue at this time, given the models that are loaded anywhere."""
        warmth = dict.fromkeys(loaded, LOADED)
        if self.last:
            warmth[self.last] = LOADED
        warmth |= dict.fromkeys((place.model for place in self.running), IN_USE)
        running = Counter(place.ticket.client for place in self.running)
        return QueueSnapshot(now, self.most_wait_s, warmth, running, self._served, self._let_in)

    def has_overdue(self, now: float) -> bool:
        """Whether an entry may be overdue: cheap; False is always right."""
        return bool(self.waiting) and next(iter(self.waiting)).since <= now - self.most_wait_s

    def retry_after_s(self) -> float:
        """Whole seconds until a new arrival would be admitted: recent service times by position and
        slots."""
        estimate = (self._service_s or 0.0) * (len(self.waiting) + 1) / self.parallel
        return min(max(float(math.ceil(estimate)), MIN_RETRY_S), MAX_RETRY_S)
