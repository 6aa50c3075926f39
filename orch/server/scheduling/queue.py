"""Who is let in next at a provider: pure; it is told the time, what is loaded and who could start,
and finds none of them out.

The order of preference: kinds that were passed over for too long; interactive before batch; models
in use, then loaded ones, before
cold ones (AABB, not ABAB); the client that has least running, then the one that was last served
longest ago; first come.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from orch.routing.admission import SlotRequest
from orch.types import ModelKey

WorkKind = tuple[ModelKey, bool]
"""A model, and whether the work is batch: what can be passed over. Where a kind waits, one of it is
let in every `most_wait_s`.

Not the single ticket: under a steady overload all of them have waited too long, and first come,
first served is ABAB again.
"""
IN_USE, LOADED, COLD = 0, 1, 2
SHORTEST_RETRY_S, LONGEST_RETRY_S = 1.0, 60.0
RECENT = 0.2
"""How much the last service counts in the mean of the recent ones."""


@dataclass(slots=True, eq=False)
class QueueEntry:
    """One ticket at its provider. `number` says when it came in the count of turns, `since` when it
    came or was let in, in seconds."""

    ticket: SlotRequest
    model: ModelKey
    number: int
    since: float


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """What a choice looks at. `warmth` by model (missing: COLD); `running` tickets by client.

    While others waited, clients were last `served` at that count of turns, and kinds were last
    `let_in` at that time.
    """

    now: float
    most_wait_s: float
    warmth: Mapping[ModelKey, int] = field(default_factory=dict)
    running: Mapping[str, int] = field(default_factory=dict)
    served: Mapping[str, int] = field(default_factory=dict)
    let_in: Mapping[WorkKind, float] = field(default_factory=dict)


Urgency = tuple[float, int]
"""The smaller, the longer was a kind passed over."""


def urgency(place: QueueEntry, scene: QueueSnapshot) -> Urgency | None:
    """How pressing it is that this one gets in; None while it need not. Batch counts as come
    `most_wait_s` later than it did."""
    latest = scene.now - scene.most_wait_s
    if place.since > latest:
        return None
    batch = place.ticket.batch
    passed_over_since = max(place.since, scene.let_in.get((place.model, batch), place.since))
    if passed_over_since > latest:
        return None
    return passed_over_since + (scene.most_wait_s if batch else 0.0), place.number


def order_key(place: QueueEntry, scene: QueueSnapshot, before: int = 0) -> tuple[float, ...]:
    """The smallest goes first. `before` is how many of its client are let in before it, where a
    whole line is foretold."""
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
    """The one to let in now, of those that wait in the order of their coming; None where none is
    able to start."""
    heads: dict[tuple[str, bool, ModelKey], QueueEntry] = {}
    for place in waiting:
        heads.setdefault((place.ticket.client, place.ticket.batch, place.model), place)
    return min(
        filter(able, heads.values()), key=lambda place: order_key(place, scene), default=None
    )


def predict_order(waiting: Iterable[QueueEntry], scene: QueueSnapshot) -> list[QueueEntry]:
    """Those that wait in the order in which they get in if nobody comes and memory allows: the
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
    """The most pressing one that is stuck, for which others have to make room; None where there is
    none."""
    pressing = [(at, place) for place in waiting if (at := urgency(place, scene)) and stuck(place)]
    return min(pressing, key=lambda pair: pair[0], default=None)


@dataclass(slots=True, kw_only=True)
class ProviderQueue:
    """One provider: who runs, who waits, and its limits."""

    name: str
    parallel: int
    queue: int
    most_wait_s: float
    running: dict[QueueEntry, None] = field(default_factory=dict)
    waiting: dict[QueueEntry, None] = field(default_factory=dict)
    """In the order of their coming."""
    last: ModelKey | None = None
    """The model that was let in last: the best guess of what is loaded where nobody tells."""
    _turns: int = 0
    """Counts comings and lettings in, to tell which was before which."""
    _served: dict[str, int] = field(default_factory=dict)
    _let_in: dict[WorkKind, float] = field(default_factory=dict)
    _service_s: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether no place is free."""
        return len(self.running) >= self.parallel

    def create_entry(self, ticket: SlotRequest, model: ModelKey, now: float) -> QueueEntry:
        """A ticket's place, which neither waits nor runs yet."""
        self._turns += 1
        return QueueEntry(ticket, model, self._turns, now)

    def start(self, place: QueueEntry, now: float) -> None:
        """Lets one in, and forgets who was served once nobody waits: whoever comes later counts
        from then."""
        if self.waiting:
            self._turns += 1
            self._served[place.ticket.client] = self._turns
            self._let_in[place.model, place.ticket.batch] = now
            self.remove_waiting(place)
        place.since = now
        self.running[place] = None
        self.last = place.model

    def remove_waiting(self, place: QueueEntry) -> None:
        """One of those that may wait waits no more."""
        self.waiting.pop(place, None)
        if not self.waiting:
            self._served.clear()
            self._let_in.clear()

    def finish(self, place: QueueEntry, now: float) -> None:
        """A place gets free."""
        del self.running[place]
        took_s = now - place.since
        self._service_s = (
            took_s
            if self._service_s is None
            else self._service_s + RECENT * (took_s - self._service_s)
        )

    def snapshot(self, now: float, loaded: Iterable[ModelKey]) -> QueueSnapshot:
        """What there is to see at this time, with the models that are loaded anywhere."""
        warmth = dict.fromkeys(loaded, LOADED)
        if self.last:
            warmth[self.last] = LOADED
        warmth |= dict.fromkeys((place.model for place in self.running), IN_USE)
        running = Counter(place.ticket.client for place in self.running)
        return QueueSnapshot(now, self.most_wait_s, warmth, running, self._served, self._let_in)

    def has_overdue(self, now: float) -> bool:
        """Whether anyone may be passed over for too long: cheap, and never wrong with no."""
        return bool(self.waiting) and next(iter(self.waiting)).since <= now - self.most_wait_s

    def retry_after_s(self) -> float:
        """Whole seconds until one that comes now would get in: recent service times by its position
        and the places."""
        estimate = (self._service_s or 0.0) * (len(self.waiting) + 1) / self.parallel
        return min(max(float(math.ceil(estimate)), SHORTEST_RETRY_S), LONGEST_RETRY_S)
