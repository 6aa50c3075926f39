"""Several addresses of one provider: which one is asked next, by what each has to do and how it has
failed (no I/O)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

from orch.config.urls import display_url

FIRST_COOLDOWN_S, MAX_COOLDOWN_S, MAX_RETRY_AFTER_S = 1.0, 30.0, 60.0
"""After a failure an address is left alone, twice as long after each further one; a server may ask
for more (Retry-After), up to a minute."""
AFFINITY_SLACK = 2
"""Requests that a conversation's address may have more than the least busy one: its prompt cache is
worth that."""
ERROR_WEIGHT, ERROR_HALF_LIFE_S = 2.0, 30.0
"""An error counts as that many requests under way, half as much after each half-life: an address
that fails now and then gets less to do."""


class _Address:
    """What is known of one address. No dataclass, which would cost every start a twentieth of
    `python -c pass`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.in_flight = self.failures = 0
        self.resting, self.until = False, 0.0
        self.failed_at, self.errors = float("-inf"), 0.0
        self.probe: InFlightRequest | None = None

    def recent_errors(self, now: float) -> float:
        return self.errors * math.exp2((self.failed_at - now) / ERROR_HALF_LIFE_S)

    def rest_s(self, now: float) -> float:
        """How long it is still left alone, to a tenth of a second."""
        return round(max(self.until - now, 0.0), 1) if self.resting else 0.0

    def load(self, now: float) -> float:
        """Requests under way, and its recent errors as if they were some."""
        return self.in_flight + ERROR_WEIGHT * self.recent_errors(now)


class LoadBalancer:
    """The addresses with what is known of each. Lives in one event loop; `clock` gives seconds."""

    def __init__(self, urls: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._addresses = [_Address(url) for url in urls]
        self._clock = clock

    def order(self, affinity: str = "") -> list[str]:
        """Every address, the best first: a conversation's own where it is not much busier, one
        whose rest is over (one request finds out how it
        is), then by load; those that rest come last, so that something is always tried.
        """
        if len(self._addresses) == 1:
            return [self._addresses[0].url]
        now = self._clock()
        well, due, resting = self._sorted(now)
        first = self._own(affinity, well, due) if affinity else next(iter(due), None)
        return [
            each.url
            for each in (
                *([first] if first else ()),
                *(each for each in (*well, *due, *resting) if each is not first),
            )
        ]

    def fixed_order(self) -> list[str]:
        """Every address, in the order they were given: questions about a server should all reach
        the same one."""
        well, due, resting = self._sorted(self._clock())
        return [
            each.url
            for each in (
                *(each for each in self._addresses if each in well or each in due),
                *resting,
            )
        ]

    def _sorted(self, now: float) -> tuple[list[_Address], list[_Address], list[_Address]]:
        """Those that are well by their load, those whose rest is over, and those that rest or are
        being tried."""
        well = sorted(
            (each for each in self._addresses if not each.resting), key=lambda each: each.load(now)
        )
        others = sorted(
            (each for each in self._addresses if each.resting), key=lambda each: each.until
        )
        due = [each for each in others if now >= each.until and each.probe is None]
        return well, due, [each for each in others if each not in due]

    def _own(self, affinity: str, well: list[_Address], due: list[_Address]) -> _Address | None:
        # rendezvous hashing: few conversations move when an address goes
        own = max(
            (*well, *due),
            key=lambda each: crc32(f"{affinity} {each.url}".encode("utf-8", "replace")),
            default=None,
        )
        least = min((each.in_flight for each in well), default=0)
        return own if own is not None and own.in_flight <= least + AFFINITY_SLACK else None

    def start(self, url: str) -> InFlightRequest:
        """A request to it is under way."""
        address = next(each for each in self._addresses if each.url == url)
        visit = InFlightRequest(address, self._clock)
        address.in_flight += 1
        if address.resting and address.probe is None and visit.started_at >= address.until:
            address.probe = visit
        return visit

    def status(self) -> list[dict[str, Any]]:
        """For people: each address, its requests under way, its failures in a row, and how long it
        still rests."""
        now = self._clock()
        return [
            {
                "url": display_url(each.url),
                "in_flight": each.in_flight,
                "failures": each.failures,
                "rests_s": each.rest_s(now),
            }
            for each in self._addresses
        ]


class InFlightRequest:
    """One request at one address, from its begin to the end of its body."""

    def __init__(self, address: _Address, clock: Callable[[], float]) -> None:
        self._address, self._clock = address, clock
        self.started_at = clock()
        self._answered = False

    def mark_answered(self) -> None:
        """It does what it is for: the address is well, if nothing failed there since the request
        began. The others need not wait for the body's end."""
        self._answered = self.started_at >= self._address.failed_at
        if self._answered:
            self._address.resting = False

    def finish(self, *, failed: bool = False, retry_after_s: float | None = None) -> None:
        """The request is over. A fast error is a failure, not idleness; one that was given up
        before it was answered tells nothing."""
        address = self._address
        address.in_flight -= 1
        probed = address.probe is self
        if probed:
            address.probe = None
        if failed:
            self._failed(retry_after_s, probed=probed)
        elif self._answered and self.started_at >= address.failed_at:
            address.failures = 0

    def _failed(self, retry_after_s: float | None, *, probed: bool) -> None:
        address, now = self._address, self._clock()
        asked = min(retry_after_s or 0.0, MAX_RETRY_AFTER_S)
        # what fails together, because the server went away, is one failure
        if not address.resting or probed:
            address.failures += 1
            address.errors = 1 + address.recent_errors(now)
            asked = max(
                asked,
                min(FIRST_COOLDOWN_S * 2 ** min(address.failures - 1, 16), MAX_COOLDOWN_S),
            )
            address.until = now
        address.resting, address.failed_at = True, now
        address.until = max(address.until, now + asked)
